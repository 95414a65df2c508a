"""Write what is measured of the house into architecture.md: ``python docs/measure_house.py``; a test compares them.

The floors come from the imports alone (tests/architecture/house.py), the words from each room's own first line.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "tests" / "architecture"))
from house import House  # noqa: E402

START, END = "<!-- measured: start -->", "<!-- measured: end -->"


def measured(house: House) -> str:
    """Return the table of floors, from the roof to the ground, and what a room holds."""
    lines = ["| floor | room | what it holds | files | leans on |", "|---|---|---|---|---|"]
    for room in sorted(house.floors, key=lambda r: (-house.floors[r], r)):
        inside = [m for m in house.files if house.room(m) == room]
        top = next(m for m in inside if m == f"svmodel.{room}")
        first = (ast.get_docstring(house.trees[top]) or "").splitlines()
        what = first[0].rstrip(".").replace("|", "or") if first else ""
        below = ", ".join(f"`{r}`" for r in sorted(house.rooms[room]))
        lines.append(f"| {house.floors[room]} | `{room}` | {what} | {len(inside)} | {below} |")
    arrows = sum(len(to) for to in house.rooms.values())
    circles = len(house.circles)
    lines.append("")
    size = f"{len(house.files)} files, {len(house.floors)} rooms on {max(house.floors.values())} floors"
    lines.append(
        f"{size}, {arrows} arrows between rooms, {circles or 'no'} circle{'' if circles == 1 else 's'} in all."
    )
    return "\n".join(lines)


def renewed(page: str, house: House) -> str:
    """Return the page with its table as the imports have it now."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{measured(house)}\n{END}{after}"


if __name__ == "__main__":
    PAGE = DOCS / "architecture.md"
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), House(DOCS.parent / "svmodel")), encoding="utf-8")
