"""Fitting one treated group, real or placebo, and how well it is matched before the start."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from svmodel.numerics.nested_v import NestedFit, nested_v
from svmodel.numerics.ridge_augmented import ridge_augmented
from svmodel.numerics.simplex import simplex_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.counterfactual._sc_units import Layout

    Floats = NDArray[np.float64]
    Places = NDArray[np.int64]

__all__ = ["FAR", "Choices", "Fitted", "fit_group", "predictor_values"]

#: A systematic misfit above this share of the donors' spread is outside their hull (Imbens and Wooldridge 2009,
#: *Journal of Economic Literature* 47(1), take a quarter for the imbalance beyond which adjustment hangs on the model).
FAR = 0.25


class Choices(Protocol):
    """What a fit asks of the estimator."""

    @property
    def method(self) -> str | None: ...
    @property
    def augment(self) -> str: ...
    @property
    def penalty(self) -> float | None: ...
    @property
    def intercept(self) -> bool: ...
    @property
    def block(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Fitted:
    """One group against its synthetic control.

    Attributes
    ----------
    weights : ndarray, shape (J,)
        Of `donors`.
    donors : ndarray of int
    offset : float
    path, gap : ndarray, shape (T,)
        Synthetic rate, and the group's own less it; NaN where something is not known.
    target, matched : ndarray, shape (B,)
        The group's rates over blocks before the start, and the synthetic ones.
    uniform : float
        Root mean square gap that equal weights would leave over the blocks.
    spread, level_spread : float
        Standard deviation of the donors within blocks (root mean square), and of their means over all blocks.
    nested : NestedFit or None
    penalty : float
        Of the ridge; NaN without.
    """

    weights: Floats
    donors: Places
    offset: float
    path: Floats
    gap: Floats
    target: Floats
    matched: Floats
    uniform: float
    spread: float
    level_spread: float
    nested: NestedFit | None = None
    penalty: float = math.nan

    @property
    def rmspe(self) -> float:
        """Root mean squared gap over the blocks before the start."""
        return float(np.sqrt(np.mean((self.target - self.matched) ** 2)))

    @property
    def misfit(self) -> float:
        """The part of the misfit that is not noise, in standard deviations of the donors; 0 where noise explains it.

        Noise that comes and goes from block to block shows in the differences between neighbouring gaps; a level or a
        drift that donors cannot reach does not (von Neumann 1941). With n blocks of pure noise the ratio of the two
        estimates of variance lies about 1 with standard deviation 1 / sqrt(n). A level alone is also held against the
        donors' levels, by Student's t at 1%, because much noise hides it from the ratio.
        """
        from scipy import special

        left = self.target - self.matched
        n, square, mean = len(left), float(np.mean(left**2)), abs(float(np.mean(left)))
        noise = float(np.sum(np.diff(left) ** 2)) / (2 * (n - 1))
        found = 0.0
        if noise < max(1 - 2.33 / math.sqrt(n), 0.2) * square:
            found = _share(math.sqrt(square - noise), self.spread)
        if mean > float(special.stdtrit(n - 1, 0.995)) * math.sqrt(noise / n):
            found = max(found, _share(mean, self.level_spread))
        return found

    @property
    def outside(self) -> bool:
        """Whether the group lies outside what the donors can be weighted to."""
        return self.misfit > FAR


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.inf


def predictor_values(layout: Layout, k: int, rows: Places, donors: Places) -> tuple[Floats, Floats]:
    """Return the donors' predictors, shape (K, J), and the group's."""
    top, bottom = layout.top[k], layout.bottom[k]
    return (top[donors] / bottom[donors]).T, top[rows].sum(axis=0) / bottom[rows].sum(axis=0)


def fit_group(choices: Choices, layout: Layout, k: int, rows: Places, donors: Places) -> Fitted:
    """Fit the areas `rows` in the place of slot `k`."""
    slot = layout.slots[k]
    y, exposure = layout.y[rows].sum(axis=0), layout.exposure[rows].sum(axis=0)
    A = slot.blocks(layout.y[donors], layout.exposure[donors], choices.block).T
    b = slot.blocks(y, exposure, choices.block)
    nested, penalty = None, math.nan
    if choices.method == "predictors":
        nested = nested_v(*predictor_values(layout, k, rows, donors), A, b)
        weights = nested.weights
    else:
        weights = simplex_weights(A, b, intercept=choices.intercept).weights
    if choices.augment == "ridge":
        made = ridge_augmented(A, b, simplex=weights, penalty=choices.penalty, intercept=choices.intercept)
        weights, penalty = made.weights, made.penalty
    offset = float(np.mean(b - A @ weights)) if choices.intercept else 0.0
    path = weights @ layout.rates[donors] + offset
    level = A - A.mean(axis=0) if choices.intercept else A
    even = b - A.mean(axis=1)
    if choices.intercept:
        even = even - even.mean()
    return Fitted(
        weights=weights,
        donors=donors,
        offset=offset,
        path=path,
        gap=y / exposure - path,
        target=b,
        matched=A @ weights + offset,
        uniform=float(np.sqrt(np.mean(even**2))),
        spread=float(np.sqrt(level.var(axis=1, ddof=1).mean())),
        level_spread=float(level.mean(axis=0).std(ddof=1)),
        nested=nested,
        penalty=penalty,
    )
