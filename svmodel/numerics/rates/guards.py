"""What intervals for rates share: their limits, and the checks of what is given."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from svmodel.errors import Problems


class Limits(NamedTuple):
    """Lower and upper limit, arrays of one shape."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def check_counts(x: NDArray[np.float64], problems: Problems) -> None:
    """Add what is wrong with counts."""
    wrong = (x < 0) | np.isinf(x)
    if wrong.any():
        some = sorted({float(v) for v in x[wrong].ravel()})[:3]
        problems.add(f"{int(wrong.sum()):,} counts are negative or infinite: {some}", rule="negative_count")


def check_exposures(n: NDArray[np.float64], problems: Problems, *, word: str = "exposures") -> None:
    """Add what is wrong with exposures."""
    wrong = (n <= 0) | np.isinf(n)
    if wrong.any():
        problems.add(f"{int(wrong.sum()):,} {word} are not above 0 and finite", rule="exposure_not_positive")


def check_level(level: float, problems: Problems) -> None:
    """Add what is wrong with a level of coverage."""
    if not 0 < level < 1:
        problems.add(f"the level {level} is not between 0 and 1", fix="Write 0.95 for 95%.", rule="level")
