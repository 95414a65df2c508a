"""The sections of a page, in its order: those that are shipped, and those that other packages add."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol

from svmodel.errors import DataError, Problems, did_you_mean
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Section
from svmodel.report.pages.sections import (
    belief,
    coming,
    donors,
    effect,
    happening,
    inference,
    method,
    power,
    quality,
    specifications,
    worth,
)

#: Entry points by which other packages add sections.
GROUP = "svmodel.sections"


class PageSection(Protocol):
    """One section: a module of this folder, or any object of another package. It may say `after` which key it stands.

    It reads the view and :mod:`svmodel.report.pages.facts`; what it raises is the reason why an area has no report.
    """

    @property
    def key(self) -> str:
        """Short name: a notebook asks for ``area.<key>()``."""
        ...

    @property
    def title(self) -> str:
        """The question that it answers, or its subject."""
        ...

    def build(self, view: AreaView) -> Section:
        """Return the section of one area."""
        ...


#: The shipped sections, in the order of the page.
ORDER: tuple[PageSection, ...] = (
    happening,
    coming,
    effect,
    belief,
    donors,
    inference,
    specifications,
    power,
    worth,
    quality,
    method,
)


@cache
def sections() -> dict[str, PageSection]:
    """Return every section by key, in the order of the page.

    One of another package stands after the section that it names (``after``), and at the end where it names none.

    Raises
    ------
    DataError
        With every section of another package that cannot be loaded, lacks something, or has a key that is taken.
    """
    found = {section.key: section for section in ORDER}
    problems = Problems()
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        where = f"{GROUP}, {point.name} = {point.value}"
        try:
            made: Any = point.load()
        except Exception as error:  # noqa: BLE001 - whatever another package does wrong is told with its name
            problems.add(f"it cannot be loaded: {type(error).__name__}: {error}", where=where)
            continue
        lacking = [name for name in ("key", "title", "build") if not hasattr(made, name)]
        after = getattr(made, "after", None)
        if lacking:
            problems.add(f"it has no {', '.join(lacking)}", where=where, fix="Give key, title and build(view).")
        elif made.key in found:
            problems.add(f"the key {made.key!r} is taken", where=where, fix="Give it another.")
        elif after is not None and after not in found:
            problems.add(f"it stands after {after!r}, which is no section", where=where, fix=did_you_mean(after, found))
        else:
            keys = [*found]
            keys.insert(keys.index(after) + 1 if after else len(keys), made.key)
            found[made.key] = made
            found = {key: found[key] for key in keys}
    problems.raise_if_any(DataError, "sections of other packages cannot be used")
    return found
