"""What a page is made of: sections that answer one question each, and the blocks inside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from svmodel.errors import DataError
from svmodel.figure import Figure
from svmodel.present.tables import Table

__all__ = ["Block", "Callout", "Folded", "Heading", "Points", "Section", "Words", "figures_of"]


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Callout:
    """A paragraph that must not be overlooked, with the word that says why."""

    text: str
    kind: str = "Note"


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Folded:
    """A list of sentences that stays folded until a reader opens it."""

    summary: str
    items: tuple[str, ...]


Block: TypeAlias = "Heading | Words | Callout | Points | Folded | Table | Figure"


@dataclass(frozen=True, eq=False)
class Section:
    """One section of a page.

    Parameters
    ----------
    key : str
        Short name, used for links within the page.
    title : str
        The question that it answers, or its subject.
    answer : str
        The answer in a sentence or two, with its number and its uncertainty; empty for sections that answer none of
        the four questions.
    blocks : tuple of Block
        Headings, paragraphs, lists, tables and figures, in order.
    area : str
        Code of the area that the page is about; long tables of figures' data show its rows.

    Raises
    ------
    DataError
        If a figure's name stands twice, since its files would overwrite each other.
    """

    key: str
    title: str
    answer: str
    blocks: tuple[Block, ...] = ()
    area: str = ""

    def __post_init__(self) -> None:
        names = [f.name for f in figures_of(self)]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise DataError(f"section {self.key!r} has two figures named {twice[0]!r}")

    def _repr_html_(self) -> str:
        from svmodel.report.page import section_html

        return section_html(self)


def figures_of(section: Section) -> tuple[Figure, ...]:
    """Return the section's figures, in order."""
    return tuple(b for b in section.blocks if isinstance(b, Figure))
