"""What is believed of a rate ratio before the data: a prior that can be read aloud."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from svmodel.errors import EstimationError, did_you_mean

__all__ = ["NAMED", "Belief", "RatioPrior", "ratio_prior"]

_Z = 1.959963984540054


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
    a change of +0%, with 95% probability between -50% and +99%
    """

    median: float = 1.0
    sd: float = 0.35

    def __post_init__(self) -> None:
        if not (0 < self.median < math.inf and 0 < self.sd < math.inf):
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
        return math.exp(self.mean_log - _Z * self.sd), math.exp(self.mean_log + _Z * self.sd)

    @property
    def prob_reduction(self) -> float:
        """Prior probability of any reduction."""
        return 0.5 * math.erfc(self.mean_log / self.sd / math.sqrt(2))

    def describe(self) -> str:
        """Return the prior in words."""
        low, high = (100 * (v - 1) for v in self.limits)
        return (
            f"a change of {100 * (self.median - 1):+.0f}%, with 95% probability between {low:+.0f}% and "
            f"{high if high < 1e6 else math.inf:+,.0f}%"
        )


#: Named beliefs. Sceptical: large effects are rare, 95% within a fifth either way (Spiegelhalter, Abrams and Myles
#: 2004, section 5.5.2). Neutral: halving and doubling are the limits. Enthusiastic: a tenth fewer is as likely as not,
#: and no effect is still within the 95%. Flat: for checking against maximum likelihood, not for belief.
NAMED = {
    "sceptical": RatioPrior(1.0, 0.10),
    "neutral": RatioPrior(1.0, 0.35),
    "enthusiastic": RatioPrior(0.85, 0.15),
    "flat": RatioPrior(1.0, 10.0),
}

#: A prior by name or by its numbers.
Belief: TypeAlias = "str | RatioPrior"


def ratio_prior(belief: Belief) -> RatioPrior:
    """Return the prior that a name stands for, or the prior itself.

    Raises
    ------
    EstimationError
        If there is no prior of that name.
    """
    if isinstance(belief, RatioPrior):
        return belief
    if belief in NAMED:
        return NAMED[belief]
    raise EstimationError(f"there is no prior {belief!r}. {did_you_mean(str(belief), NAMED)}")
