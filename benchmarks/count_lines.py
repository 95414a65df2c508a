"""How many lines the package has, and of what: code, imports, docstrings, comments and blank lines, per room.

Every physical line is counted once. Docstrings hold their own blank lines; a line that holds nothing but a comment is a
comment wherever it stands; imports are import statements, `if TYPE_CHECKING:` and `__all__`, with all the lines they go
over; what is left is code. With one `--revision` that revision is counted, with two the second is compared with the
first; nothing is checked out. `--apart` takes files or folders out of the rooms and shows each in a row of its own.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import tarfile
import tokenize
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

PACKAGE = "svmodel"
ROOT = Path(__file__).resolve().parents[1]
KINDS = ("code", "imports", "docstrings", "comments", "blank")
AT_THE_ROOT, IN_ALL = "(files at the root)", "**in all**"


def count(source: str) -> Counter[str]:
    r"""Return how many lines of each kind a module has.

    Examples
    --------
    >>> sorted(count('import os  # why not\n\n# a remark\nx = 1\n').items())
    [('blank', 1), ('code', 1), ('comments', 1), ('imports', 1)]
    """
    lines = source.splitlines()
    kind = ["code" if line.strip() else "blank" for line in lines]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip():
            kind[token.start[0] - 1] = "comments"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            _mark(kind, node.lineno, node.end_lineno, "docstrings")
        elif isinstance(node, ast.Import | ast.ImportFrom) or _is_all(node):
            _mark(kind, node.lineno, node.end_lineno, "imports")
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            _mark(kind, node.lineno, node.lineno, "imports")
    return Counter(kind)


def _mark(kind: list[str], first: int, last: int | None, name: str) -> None:
    for i in range(first - 1, last or first):
        if kind[i] != "comments":
            kind[i] = name


def _is_all(node: ast.AST) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets)


def checkout(root: Path) -> dict[str, str]:
    """Return path -> text of the modules of the package in this checkout."""
    files = sorted((root / PACKAGE).rglob("*.py"))
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in files}


def revision(name: str, root: Path) -> dict[str, str]:
    """Return path -> text of the modules of the package in a revision."""
    made = subprocess.run(
        ["git", "-C", root, "archive", "--format=tar", name, PACKAGE], capture_output=True, check=False
    )
    if made.returncode:
        raise SystemExit(f"{name}: {made.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        members = [m for m in archive.getmembers() if m.isfile() and m.name.endswith(".py")]
        return {m.name: archive.extractfile(m).read().decode("utf-8") for m in members}


def rooms(files: Mapping[str, str], apart: Sequence[str] = ()) -> dict[str, Counter[str]]:
    """Return the lines, files and underscored files of each room, of what stands apart, and in all."""
    found: dict[str, Counter[str]] = {}
    for path, source in files.items():
        inside = PurePosixPath(path).relative_to(PACKAGE)
        room = next((f"apart: {a}" for a in apart if PurePosixPath(path).is_relative_to(a)), None)
        room = room or (inside.parts[0] if len(inside.parts) > 1 else AT_THE_ROOT)
        private = inside.name.startswith("_") and not inside.name.startswith("__")
        held = count(source) + Counter({"files": 1, "underscored": int(private)})
        found[room] = found.get(room, Counter()) + held
    ordered = {room: found[room] for room in sorted(found, key=lambda r: (r.startswith("apart: "), r))}
    return {**ordered, IN_ALL: sum(found.values(), Counter())}


def table(held: Mapping[str, Counter[str]]) -> str:
    """Return one tree's lines, a row for each room."""
    head = ["room", "files", "underscored", "lines", "code and imports", *KINDS]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    for room, counts in held.items():
        numbers = [counts["files"], counts["underscored"], _all(counts), _written(counts), *(counts[k] for k in KINDS)]
        lines.append(f"| {room} | " + " | ".join(f"{n:,}" for n in numbers) + " |")
    return "\n".join(lines)


def comparison(before: Mapping[str, Counter[str]], after: Mapping[str, Counter[str]]) -> str:
    """Return what each room's code and imports were and are, and in all every kind of line."""
    lines = ["| room | files | code and imports | then | difference | per cent |", "|---|--:|--:|--:|--:|--:|"]
    names = [r for r in dict.fromkeys([*before, *after]) if r != IN_ALL]
    for room in [*sorted(names, key=lambda r: (r.startswith("apart: "), r)), IN_ALL]:
        a, b = (held.get(room, Counter()) for held in (before, after))
        lines.append(_difference(room, f"{a['files']:,} → {b['files']:,}", _written(a), _written(b)))
    old, new = before[IN_ALL], after[IN_ALL]
    if any(r.startswith("apart: ") for r in names):
        rest = [sum(_written(c) for r, c in h.items() if r != IN_ALL and ":" not in r) for h in (before, after)]
        lines.append(_difference("**without what is apart**", "", *rest))
    lines += ["", "| lines | then | now | difference | per cent |", "|---|--:|--:|--:|--:|"]
    lines += [_difference(kind, None, old[kind], new[kind]) for kind in (*KINDS, "files", "underscored")]
    return "\n".join([*lines, _difference("lines", None, _all(old), _all(new))])


def _difference(name: str, files: str | None, old: int, new: int) -> str:
    share = f"{100 * (new - old) / old:+.1f}%" if old else ""
    front = f"| {name} | " + ("" if files is None else f"{files} | ")
    return f"{front}{old:,} | {new:,} | {new - old:+,} | {share} |"


def _written(counts: Counter[str]) -> int:
    return counts["code"] + counts["imports"]


def _all(counts: Counter[str]) -> int:
    return sum(counts[kind] for kind in KINDS)


def main() -> None:
    """Print the table that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--revision", action="append", default=[], help="of git; twice to compare")
    parser.add_argument("--apart", nargs="+", default=[], metavar="PATH", help="files or folders, as svmodel/room")
    given = parser.parse_args()
    if len(given.revision) > 2:
        parser.error("two revisions can be compared, not more")
    trees = [rooms(revision(r, ROOT), given.apart) for r in given.revision] or [rooms(checkout(ROOT), given.apart)]
    unknown = [a for a in given.apart if not any(f"apart: {a}" in tree for tree in trees)]
    if unknown:
        parser.error(f"no module is in {', '.join(unknown)}: paths are given from the root, as {PACKAGE}/room")
    print(comparison(*trees) if len(trees) == 2 else table(trees[0]))


if __name__ == "__main__":
    main()
