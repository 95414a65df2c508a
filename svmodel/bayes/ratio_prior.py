"""What is believed of a rate ratio before the data: a prior that can be read aloud."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TypeAlias

from svmodel.errors import EstimationError, did_you_mean

_Z = 1.959963984540054
#: Beyond this the exponential is no number any more.
_LARGEST_LOG = 700.0


@dataclass(frozen=True)
class RatioPrior:
    """A log-normal prior of a rate ratio.

    Parameters
    ----------
    median : float
        Rate ratio that is as likely to be exceeded as not; below 1 where a reduction is expected.
    sd : float
        Standard deviation of its logarithm.

    Examples
    --------
    >>> print(RatioPrior(1.0, 0.35).describe())
    no change, with 95% probability between -50% and +99%
    """

    median: float = 1.0
    sd: float = 0.35

    def __post_init__(self) -> None:
        given = (self.median, self.sd)
        if not all(isinstance(v, Real) and not isinstance(v, bool) and 0 < v < math.inf for v in given):
            raise EstimationError(
                f"a prior of a rate ratio needs a median and an s.d. above 0, not {self.median!r} and {self.sd!r}"
            )

    @property
    def mean_log(self) -> float:
        """Mean of the log ratio."""
        return math.log(self.median)

    @property
    def limits(self) -> tuple[float, float]:
        """Rate ratios between which 95% of the prior lies."""
        low, high = self.mean_log - _Z * self.sd, self.mean_log + _Z * self.sd
        return math.exp(low), math.exp(high) if high < _LARGEST_LOG else math.inf

    @property
    def prob_reduction(self) -> float:
        """Prior probability of any reduction."""
        return 0.5 * math.erfc(self.mean_log / self.sd / math.sqrt(2))

    def describe(self) -> str:
        """Return the prior in words."""
        low, high = (100 * (v - 1) for v in self.limits)
        size = f"{100 * (self.median - 1):+.0f}%"
        middle = "no change" if size in ("+0%", "-0%") else f"a change of {size}"
        ends = f"{low:+.0f}% and {high:+,.0f}%" if high < 1e4 else "any fall and any rise"
        return f"{middle}, with 95% probability between {ends}"


#: Named beliefs. Sceptical: large effects are rare, 95% within a fifth either way (Spiegelhalter, Abrams and Myles
#: 2004, section 5.5.2). Neutral: halving and doubling are the limits. Enthusiastic: a fall of 15% or more is as likely
#: as not, and no effect is still within the 95%. Flat: for checking against maximum likelihood, not for belief.
NAMED = {
    "sceptical": RatioPrior(1.0, 0.10),
    "neutral": RatioPrior(1.0, 0.35),
    "enthusiastic": RatioPrior(0.85, 0.15),
    "flat": RatioPrior(1.0, 10.0),
}

#: A prior by name or by its numbers; a study file gives these as ``{median: 0.9, sd: 0.2}``.
Belief: TypeAlias = "str | RatioPrior | Mapping[str, float]"
_NUMBERS = ("median", "sd")


def ratio_prior(belief: Belief) -> RatioPrior:
    """Return the prior that a name or its numbers stand for, or the prior itself.

    Raises
    ------
    EstimationError
        If there is no prior of that name, or the numbers are not a median and an s.d.

    Examples
    --------
    >>> ratio_prior("sceptical") == ratio_prior({"median": 1, "sd": 0.1})
    True
    """
    if isinstance(belief, RatioPrior):
        return belief
    if isinstance(belief, Mapping):
        unknown = [k for k in belief if k not in _NUMBERS]
        numbers = [belief[k] for k in _NUMBERS if k in belief]
        if unknown or len(numbers) < len(_NUMBERS):
            told = f" and not {', '.join(map(repr, unknown))}" if unknown else ""
            raise EstimationError(f"a prior of a rate ratio is given by `median` and `sd`{told}")
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers):
            raise EstimationError(
                f"the median and the s.d. of a prior are numbers, not {numbers[0]!r} and {numbers[1]!r}"
            )
        return RatioPrior(float(numbers[0]), float(numbers[1]))
    if isinstance(belief, str) and belief in NAMED:
        return NAMED[belief]
    raise EstimationError(f"there is no prior {belief!r}. {did_you_mean(str(belief), NAMED)}")
