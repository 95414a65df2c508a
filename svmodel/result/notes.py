"""What a result says in words: notes for every reader, and warnings that nobody may overlook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

#: What a warning takes away from: what the effect is of, its interval, the fit behind it, the data, the sampler.
Kind: TypeAlias = Literal["identification", "interval", "fit", "data", "sampler"]


@dataclass(frozen=True)
class ResultWarning:
    """A note that takes away from a number that looks fine.

    Attributes
    ----------
    kind : {"identification", "interval", "fit", "data", "sampler"}
    text : str
        The sentence that reports print.
    about : tuple of str
        Codes of the areas, or names of the periods, that it is about; empty where it is about all.
    """

    kind: Kind
    text: str
    about: tuple[str, ...] = ()


#: A sentence of a result: a plain one, or one that warns.
Note: TypeAlias = str | ResultWarning


class Notes:
    """Collects what a fit says, in order, and hands it to the Result once.

    Examples
    --------
    >>> notes = Notes("Two areas start after the last month.")
    >>> notes.warn("identification", "In 2024-03 no area is untreated.", ["2024-03"])
    >>> [w.kind for w in notes.parts()["warnings"]], len(notes.parts()["notes"])
    (['identification'], 2)
    """

    def __init__(self, *first: Note) -> None:
        self._held: list[Note] = list(first)

    def say(self, *texts: str) -> None:
        """Add plain notes."""
        self._held += texts

    def warn(self, kind: Kind, text: str, about: Iterable[str] = ()) -> None:
        """Add a warning."""
        self._held.append(ResultWarning(kind, text, tuple(about)))

    def add(self, notes: Iterable[Note]) -> None:
        """Add what another part of the fit says."""
        self._held += notes

    def __iter__(self) -> Iterator[Note]:
        return iter(self._held)

    def parts(self) -> dict[str, Any]:
        """Return the fields ``notes`` and ``warnings`` of a Result."""
        return parts_of(self._held)


def parts_of(notes: Iterable[Note]) -> dict[str, Any]:
    """Return ``notes``, every text in order, and ``warnings``, those among them that warn."""
    held = tuple(notes)
    return {
        "notes": tuple(n.text if isinstance(n, ResultWarning) else n for n in held),
        "warnings": tuple(dict.fromkeys(n for n in held if isinstance(n, ResultWarning))),
    }


def texts(notes: Iterable[Note]) -> list[str]:
    """Return the sentences alone."""
    return [n.text if isinstance(n, ResultWarning) else n for n in notes]


def doubted(notes: Iterable[Note]) -> bool:
    """Return whether some of the notes doubts the interval, or the fit that it supposes."""
    return any(isinstance(n, ResultWarning) and n.kind in ("interval", "fit") for n in notes)
