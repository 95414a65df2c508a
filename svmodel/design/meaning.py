"""What a change of an outcome means to readers: how it is told, and which way is good."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

#: Which way of an outcome is good.
Good: TypeAlias = Literal["fewer", "more", "neither"]
GOOD: tuple[str, ...] = get_args(Good)


@dataclass(frozen=True)
class Meaning:
    """What a change of an outcome means.

    Parameters
    ----------
    counted : bool
        Whether it is a count, which changes to fewer or more; a measure is lower or higher.
    good : {"fewer", "more", "neither"}
        A count of which fewer is good counts harms.

    Examples
    --------
    >>> Meaning().zero, Meaning(good="more").zero
    ('Below zero means fewer harms.', 'Below zero means fewer; more is good here.')
    >>> Meaning(counted=False, good="neither").zero, Meaning(counted=False, good="fewer").zero
    ('Below zero means lower.', 'Below zero means lower, which is good here.')
    """

    counted: bool = True
    good: Good = "fewer"

    @classmethod
    def of(cls, *, counted: bool, good: Good | None = None) -> Meaning:
        """Return the meaning of an outcome by its role: fewer of a count are good, of a measure nothing is supposed."""
        return cls(counted, good or ("fewer" if counted else "neither"))

    @property
    def pair(self) -> tuple[str, str]:
        """The words for down and up."""
        return ("fewer", "more") if self.counted else ("lower", "higher")

    @property
    def harms(self) -> bool:
        """Whether the outcome counts harms."""
        return self.counted and self.good == "fewer"

    @property
    def negative(self) -> str:
        """What a number below zero means."""
        if self.harms:
            return "fewer harms"
        down, up = self.pair
        return {"fewer": f"{down}, which is good here", "more": f"{down}; {up} is good here"}.get(self.good, down)

    @property
    def zero(self) -> str:
        """The sentence below a table of changes."""
        return f"Below zero means {self.negative}."

    @property
    def left(self) -> str:
        """What the axis of a change says of its left side."""
        return f"left of zero: {self.pair[0]}"


#: What is supposed where nothing is known of an outcome.
HARMS = Meaning()


def zero_words(meanings: Iterable[Meaning]) -> str:
    """Return the sentence below a table of changes of several outcomes.

    Examples
    --------
    >>> zero_words([Meaning(), Meaning()]), zero_words([Meaning(), Meaning(good="more")])
    ('Below zero means fewer harms.', 'Below zero means fewer.')
    >>> zero_words([Meaning(), Meaning(counted=False, good="neither")])
    'Below zero means fewer, or lower.'
    """
    held = set(meanings) or {HARMS}
    if len(held) == 1:
        return held.pop().zero
    downs = sorted({m.pair[0] for m in held})
    return f"Below zero means {', or '.join(downs)}."
