"""Errors of svmodel: one root, and user errors kept apart from bugs.

A :class:`UserError` is a mistake in something the user gave (a file, a study, a design, a folder).
It carries every problem that was found, each with where it is and what to do, and is shown without
a traceback. Any other exception is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: what it is, where it stands, and what to do about it.

    Parameters
    ----------
    what : str
        What is wrong, as a sentence without its full stop.
    where : str
        Column, key, area or file in which it stands; empty where the message itself says so.
    fix : str
        What the user can do, often with the nearest valid name.
    line : int or None
        Line of the file, counted from 1.
    rule : str
        Short snake_case name of the rule that fired, for tests and for tools.
    """

    what: str
    where: str = ""
    fix: str = ""
    line: int | None = None
    rule: str = ""

    def __str__(self) -> str:
        place = ", ".join(p for p in (f"line {self.line}" if self.line else "", self.where) if p)
        text = f"{place}: {self.what}" if place else self.what
        if text[-1] not in ".?!":
            text += "."
        return f"{text} {self.fix}".rstrip()


class SvmodelError(Exception):
    """Root of every error that svmodel raises on purpose."""


class UserError(SvmodelError):
    """A mistake in what the user gave; shown without a traceback.

    Parameters
    ----------
    title : str
        What was being looked at, e.g. ``"pipelines/demo.yaml cannot be used"``.
    problems : iterable of Problem or str
        Everything that was found. A title alone is allowed where it says all.
    """

    def __init__(self, title: str, problems: Iterable[Problem | str] = ()) -> None:
        self.title = title
        self.problems = tuple(p if isinstance(p, Problem) else Problem(p) for p in problems)
        super().__init__(title, self.problems)

    def __str__(self) -> str:
        if not self.problems:
            return self.title
        count = len(self.problems)
        head = f"{self.title}: {count} problem{'s' if count > 1 else ''}"
        lines = [f"  {i}. {problem}" for i, problem in enumerate(self.problems, start=1)]
        return "\n".join([head, *lines])


class DataError(UserError):
    """A data file or frame that cannot be used as it stands."""


class DesignError(UserError):
    """A question that the panel cannot carry: see :meth:`svmodel.Design.problems`."""


class EstimationError(UserError):
    """A method that cannot answer this design, and says so rather than return a number."""


class StudyError(UserError):
    """A study file that cannot be run."""


class OutputError(UserError):
    """An output folder or file that cannot be written."""


@dataclass
class Problems:
    """Collects problems, so that the user is told of all of them at once.

    Examples
    --------
    >>> found = Problems()
    >>> found.add("3 counts are negative", where="column 'robbery'", rule="negative_count")
    >>> len(found), bool(found)
    (1, True)
    """

    items: list[Problem] = field(default_factory=list)

    def add(
        self,
        what: str,
        *,
        where: str = "",
        fix: str = "",
        line: int | None = None,
        rule: str = "",
    ) -> None:
        """Note one problem."""
        self.items.append(Problem(what, where, fix, line, rule))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Note several problems."""
        self.items.extend(problems)

    def raise_if_any(self, error: type[UserError], title: str) -> None:
        """Raise `error` with every problem found so far; do nothing when there is none."""
        if self.items:
            raise error(title, self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        return bool(self.items)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.items)


def nearest(name: object, choices: Iterable[object]) -> str | None:
    """Return the valid name nearest to `name`, or None when none is near.

    Examples
    --------
    >>> nearest("violence_with_injry", ["robbery", "violence_with_injury"])
    'violence_with_injury'
    >>> nearest("burglary", ["homicide"]) is None
    True
    """
    names = {str(c).casefold(): str(c) for c in choices}
    found = difflib.get_close_matches(str(name).casefold(), list(names), n=1, cutoff=0.6)
    return names[found[0]] if found else None


def did_you_mean(name: object, choices: Iterable[object], *, limit: int = 8) -> str:
    """Return a sentence that names the nearest valid name, or lists the valid ones.

    Examples
    --------
    >>> did_you_mean("serfton", ["Sefton", "Wirral"])
    "Did you mean 'Sefton'?"
    >>> did_you_mean("x", ["Sefton", "Wirral"])
    "Valid names: 'Sefton', 'Wirral'."
    """
    names = [str(c) for c in choices]
    close = nearest(name, names)
    if close is not None:
        return f"Did you mean {close!r}?"
    if not names:
        return ""
    return f"Valid names: {shorten(names, limit=limit)}."


def shorten(values: Iterable[object], *, limit: int = 5) -> str:
    """Return the first few values in quotes and how many more there are.

    Examples
    --------
    >>> shorten(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    items = [str(v) for v in values]
    text = ", ".join(repr(v) for v in items[:limit])
    more = len(items) - limit
    return f"{text} and {more} more" if more > 0 else text
