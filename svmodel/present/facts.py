"""One effect as everything tells it: its numbers, whose it is, and which way it points, decided by one rule.

Titles of figures, sentences, cells of tables and the index are made from an :class:`EffectFact`, so that no two of them
can say different things of one number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from svmodel.design.meaning import HARMS, Meaning
from svmodel.present import prose
from svmodel.result import Effect
from svmodel.result.tables import ALL_TREATED
from svmodel.words import p_value

#: Which way an effect points: clearly down or up; not clearly; not known, for want of an interval; or hidden.
Direction: TypeAlias = Literal["fewer", "more", "unclear", "unknown", "hidden"]

_TITLES: dict[Direction, str] = {
    "fewer": "{0} than expected",
    "more": "{1} than expected",
    "unclear": "no clear difference from expected",
    "unknown": "observed and expected",
    "hidden": "observed and expected",
}


def side_of(effect: Effect) -> Direction:
    """Return on which side of no effect one interval lies: ``fewer``, ``more``, ``unclear``, or ``unknown``.

    Examples
    --------
    >>> side_of(Effect("att", "rate_ratio", 0.9, 0.1, 0.8, 0.99, 0.95, 0.03))
    'fewer'
    >>> side_of(Effect("att", "events", -3.0, 1.0, float("nan"), float("nan"), 0.95, float("nan")))
    'unknown'
    """
    none = 1.0 if effect.scale == "rate_ratio" else 0.0
    # a limit at infinity bounds nothing, and no sentence or table shows such an interval
    if not (math.isfinite(effect.conf_low) and math.isfinite(effect.conf_high)):
        return "unknown"
    if effect.conf_low <= none <= effect.conf_high:
        return "unclear"
    return "fewer" if effect.conf_high < none else "more"


@dataclass(frozen=True)
class EffectFact:
    """An effect on the scales that readers ask for; None where not given or hidden.

    Attributes
    ----------
    method : str
        Label of the estimator that made every one of these numbers and their intervals.
    hidden : bool
        Whether it exists but rests on too few events to be shown.
    posterior : bool
        Whether its uncertainty is a posterior, and is told in probabilities.
    area : str
        Whose it is: an area, or ``"all treated"``.
    in_doubt : bool
        Whether the method says that its interval may hold the truth less often than it claims.
    meaning : Meaning
        What a change of the outcome means.
    """

    method: str
    rate_ratio: Effect | None
    per_100k: Effect | None
    events: Effect | None
    difference: Effect | None = None
    hidden: bool = False
    posterior: bool = False
    area: str = ALL_TREATED
    in_doubt: bool = False
    meaning: Meaning = HARMS

    @property
    def told(self) -> Effect | None:
        """The scale that words and titles go by: the first that is given of ratio, difference, rate and events."""
        given = (self.rate_ratio, self.difference, self.per_100k, self.events)
        return None if self.hidden else next((e for e in given if e is not None), None)

    @property
    def direction(self) -> Direction:
        """Which way it points, by the one rule.

        Clear where the interval of the scale that is told leaves out no effect, and neither its p-value nor the
        interval of any other scale says otherwise.
        """
        if self.hidden:
            return "hidden"
        told = self.told
        if told is None:
            return "unknown"
        side = side_of(told)
        return "unclear" if side in ("fewer", "more") and self.contradiction else side

    @property
    def clear(self) -> bool:
        """Whether it points one way."""
        return self.direction in ("fewer", "more")

    @property
    def contradiction(self) -> str:
        """What stands against the interval that is told, in words; empty where nothing does."""
        told = self.told
        side = "unknown" if told is None else side_of(told)
        if told is None or side == "unknown":
            return ""
        against = []
        p = told.p_value
        if math.isfinite(p) and (side == "unclear") != (p > 1 - told.level + 1e-12):
            against.append(f"its test says otherwise ({p_value(p)})")
        if side != "unclear" and any(self._holds_none(e) for e in (self.difference, self.per_100k, self.events)):
            against.append("the interval of the number of events holds no change")
        return " and ".join(against)

    @staticmethod
    def _holds_none(effect: Effect | None) -> bool:
        # a limit that rounding for disclosure has moved to nought says nothing
        return effect is not None and effect.conf_low < 0 < effect.conf_high

    @property
    def title(self) -> str:
        """The few words that a figure's title gives it."""
        return _TITLES[self.direction].format(*self.meaning.pair)

    @property
    def certainty(self) -> str:
        """One honest sentence on whether the data leave room for no effect."""
        told = self.told
        if told is None:
            return ""
        against = self.contradiction
        if not against:
            return prose.certainty(told)
        holds = "holds" if side_of(told) == "unclear" else "leaves out"
        what = f"The {prose.level_words(told.level)} {holds} no effect, and {against}"
        return f"{what}: take this as a borderline result, which shows no clear difference."


def agreement(directions: Iterable[Direction], meaning: Meaning = HARMS) -> str:
    """Return what several methods say of one effect, as a figure's title.

    Examples
    --------
    >>> agreement(["fewer", "fewer"]), agreement(["fewer", "unclear", "unknown"])
    ('All 2 methods find fewer than expected', '1 of 3 methods finds fewer than expected, the others nothing clear')
    >>> agreement(["fewer", "more"]), agreement(["unclear", "unclear"])
    ('Methods disagree: 1 fewer, 1 more than expected', 'None of 2 methods finds a clear difference')
    """
    held = [d for d in directions if d != "hidden"]
    down, up = held.count("fewer"), held.count("more")
    fewer, more = meaning.pair
    if len(held) == 1:
        return "One method gives an average effect"
    if down and up:
        return f"Methods disagree: {down} {fewer}, {up} {more} than expected"
    if not down and not up:
        return f"None of {len(held)} methods finds a clear difference"
    n, side = down or up, fewer if down else more
    if n == len(held):
        return f"All {n} methods find {side} than expected"
    rest = "the other" if len(held) - n == 1 else "the others"
    return f"{n} of {len(held)} methods find{'s' if n == 1 else ''} {side} than expected, {rest} nothing clear"


@dataclass(frozen=True)
class Tally:
    """How the checks of one result came out, as every place counts them.

    Attributes
    ----------
    warned, made, broke : int
        Checks that warn, of those that could be made; and checks that broke down, which are in neither.
    """

    warned: int
    made: int
    broke: int

    @classmethod
    def of(cls, statuses: Iterable[str]) -> Tally:
        """Count statuses of checks; one that does not apply was not made.

        Examples
        --------
        >>> Tally.of(["failed", "passed", "not_applicable", "informative"]).words("the headline result")
        'Read with care: 1 of the 3 checks that could be made of the headline result warns.'
        """
        held = list(statuses)
        made = sum(s in ("passed", "failed", "informative") for s in held)
        return cls(held.count("failed"), made, held.count("errored"))

    @property
    def cell(self) -> str:
        """The count as a cell of a table."""
        broke = f", {self.broke} broke down" if self.broke else ""
        return f"{self.warned} of {self.made}{broke}" if self.made else f"no check{broke}"

    def words(self, what: str) -> str:
        """Return the count in a sentence about a result; the sentence of no warning where none warns."""
        broke = f" {self.broke} more broke down." if self.broke else ""
        if not self.made:
            return f"No check could be made of {what}.{broke}"
        if not self.warned:
            which = "the one check" if self.made == 1 else f"the {self.made} checks"
            return f"None of {which} that could be made of {what} warns.{broke}"
        which = "the one check" if self.made == 1 else f"{self.warned} of the {self.made} checks"
        return f"Read with care: {which} that could be made of {what} {'warns' if self.warned == 1 else 'warn'}.{broke}"
