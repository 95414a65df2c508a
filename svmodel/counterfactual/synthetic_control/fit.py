"""Fitting one treated group, real or placebo, and how well it is matched before the start."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np

from svmodel.counterfactual.noise_by_level import levels, own_variance
from svmodel.counterfactual.synthetic_control.units import FEWEST_DONORS, Layout
from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.resampling.conley_taber import widening
from svmodel.numerics.resampling.permutations import distance_limit, needed, rank_p_value
from svmodel.numerics.synthetic.nested_v import NestedFit, nested_v
from svmodel.numerics.synthetic.ridge_augmented import ridge_augmented
from svmodel.numerics.synthetic.simplex import simplex_weights
from svmodel.seeds import derive_seed

#: Predictors of donors that differ by less than this share are alike.
_ALIKE = 1e-12
#: A systematic misfit above this share of the donors' spread is outside their hull (Imbens and Wooldridge 2009,
#: *Journal of Economic Literature* 47(1), take a quarter for the imbalance beyond which adjustment hangs on the model).
FAR = 0.25


@dataclass(frozen=True)
class Matching:
    """How a group is matched.

    Attributes
    ----------
    by_predictors : bool
        Whether predictors are matched; else every block before the start.
    ridge : bool
        Whether what the weights leave over is mended by a ridge regression.
    penalty : float or None
        Of the ridge; None to have it found.
    intercept : bool
        Whether levels may differ by a constant.
    block : int
        Periods that are put together before they are matched.
    counts : bool
        Whether the outcome is a count, whose noise grows with its level.
    v : tuple of float, optional
        Weights of the predictors; searched for where None.
    """

    by_predictors: bool
    ridge: bool
    penalty: float | None
    intercept: bool
    block: int
    counts: bool = False
    v: tuple[float, ...] | None = None


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
    held : ndarray, shape (B, J)
        The donors' rates over the blocks.
    intercept : bool
        Whether levels may differ by a constant.
    nested : NestedFit or None
    penalty : float
        Of the ridge; NaN without.
    dual : ndarray, optional
        What the search for weights of a similar group can begin with.
    """

    weights: Floats
    donors: Ints
    offset: float
    path: Floats
    gap: Floats
    target: Floats
    matched: Floats
    held: Floats
    intercept: bool
    nested: NestedFit | None = None
    penalty: float = math.nan
    dual: Floats | None = None

    @property
    def rmspe(self) -> float:
        """Root mean squared gap over the blocks before the start."""
        return float(np.sqrt(np.mean((self.target - self.matched) ** 2)))

    @cached_property
    def uniform(self) -> float:
        """Root mean square gap that equal weights would leave over the blocks."""
        even = self.target - self.held.mean(axis=1)
        return float(np.sqrt(np.mean((even - even.mean() if self.intercept else even) ** 2)))

    @cached_property
    def spread(self) -> float:
        """Standard deviation of the donors within blocks, root mean square."""
        return float(np.sqrt(self._levels.var(axis=1, ddof=1).mean()))

    @cached_property
    def level_spread(self) -> float:
        """Standard deviation of the donors' means over all blocks."""
        return float(self._levels.mean(axis=0).std(ddof=1))

    @property
    def _levels(self) -> Floats:
        return self.held - self.held.mean(axis=0) if self.intercept else self.held

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


def predictor_values(layout: Layout, k: int, rows: Ints, donors: Ints) -> tuple[Floats, Floats]:
    """Return the donors' predictors, shape (K, J), and the group's."""
    top, bottom = layout.top[k], layout.bottom[k]
    return (top[donors] / bottom[donors]).T, top[rows].sum(axis=0) / bottom[rows].sum(axis=0)


def _nested(
    how: Matching, layout: Layout, k: int, rows: Ints, donors: Ints, outcome: tuple[Floats, Floats]
) -> NestedFit:
    """Match by predictors; those in which these donors are all alike choose none of them, and have no weight."""
    X0, x1 = predictor_values(layout, k, rows, donors)
    A, b = outcome
    if len(layout.window):
        A = layout.rates[np.ix_(donors, layout.window)].T
        b = layout.y[np.ix_(rows, layout.window)].sum(axis=0) / layout.exposure[np.ix_(rows, layout.window)].sum(axis=0)
    varies = np.ptp(X0, axis=1) > _ALIKE * np.abs(X0).max(axis=1)
    given = None if how.v is None else np.array(how.v)[varies]
    v = np.zeros(len(X0))
    if not varies.any() or (given is not None and not given.sum() > 0):
        free = simplex_weights(A, b)
        loss = free.objective
        return NestedFit(free.weights, v, loss, loss, 0.0, True, np.array([loss]), free.weights[None, :])
    found = nested_v(X0[varies], x1[varies], A, b, v=given)
    v[varies] = found.v
    return replace(found, v=v)


def fit_group(how: Matching, layout: Layout, k: int, rows: Ints, donors: Ints, near: Floats | None = None) -> Fitted:
    """Fit the areas `rows` in the place of slot `k`; the search may begin `near` the dual of a similar group."""
    slot = layout.slots[k]
    y, exposure = layout.y[rows].sum(axis=0), layout.exposure[rows].sum(axis=0)
    A = layout.blocks(k, how.block)[donors].T
    b = slot.blocks(y, exposure, how.block)
    nested, penalty, dual = None, math.nan, None
    if how.by_predictors:
        nested = _nested(how, layout, k, rows, donors, (A, b))
        weights = nested.weights
    else:
        found = simplex_weights(A, b, intercept=how.intercept, dual=near)
        weights, dual = found.weights, found.dual
    if how.ridge:
        made = ridge_augmented(A, b, simplex=weights, penalty=how.penalty, intercept=how.intercept)
        weights, penalty = made.weights, made.penalty
    offset = float(np.mean(b - A @ weights)) if how.intercept else 0.0
    path = weights @ layout.rates[donors] + offset
    return Fitted(
        weights=weights,
        donors=donors,
        offset=offset,
        path=path,
        gap=y / exposure - path,
        target=b,
        matched=A @ weights + offset,
        held=A,
        intercept=how.intercept,
        nested=nested,
        penalty=penalty,
        dual=dual,
    )


#: Ways to give the treated areas' places to donors that are all tried; of more, some are drawn.
ENUMERATED = 1000
#: Donors, evenly through their sizes, from which the two numbers of the variance by size are learnt where donors do not
#: stand in one by one anyway: they then have an error of a tenth, which does not tell in a ratio of like sizes.
LEARNT_FROM = 200


@dataclass(frozen=True, eq=False)
class Gaps:
    """Observed less expected in the outcome's units per area-period, of a real or a placebo assignment.

    Attributes
    ----------
    average : float
        Over the treated area-periods.
    by_horizon : ndarray, shape (H,)
    by_period : ndarray, shape (T,)
        Sum over the groups, not an average; NaN in periods that no group uses.
    before, after : float
        Root mean square per area-period.
    """

    average: float
    by_horizon: Floats
    by_period: Floats
    before: float
    after: float

    @property
    def ratio(self) -> float:
        """Of the gaps after the start to those before it."""
        return self.after / self.before if self.before > 0 else math.inf


def horizons(layout: Layout) -> Ints:
    """Return the horizons that some group reaches."""
    starts = [int(layout.arrays.start[s.rows[0]]) for s in layout.slots]
    seen = [np.concatenate([s.before, s.after]) - g for s, g in zip(layout.slots, starts, strict=True)]
    return np.unique(np.concatenate(seen))


def gaps(layout: Layout, fits: Sequence[Fitted], slots: Sequence[int] | None = None) -> Gaps:
    """Gather the groups' gaps, each at the exposure of the treated areas whose place it has."""
    T = layout.y.shape[1]
    reached = horizons(layout)
    by_horizon, cells_at = np.zeros(len(reached)), np.zeros(len(reached))
    by_period, seen = np.zeros(T), np.zeros(T, dtype=bool)
    total, cells, squares, counts = 0.0, 0, [0.0, 0.0], [0, 0]
    for k, fit in zip(range(len(layout.slots)) if slots is None else slots, fits, strict=True):
        s = layout.slots[k]
        units = fit.gap * s.exposure
        m = len(s.rows)
        total, cells = total + float(units[s.after].sum()), cells + m * len(s.after)
        start = int(layout.arrays.start[s.rows[0]])
        for j, when in enumerate((s.before, s.after)):
            squares[j] += float(np.sum((units[when] / m) ** 2)) * m
            counts[j] += m * len(when)
            at = np.searchsorted(reached, when - start)
            by_horizon[at] += units[when]
            cells_at[at] += m
            by_period[when] += units[when]
            seen[when] = True
    with np.errstate(invalid="ignore"):
        by_horizon = by_horizon / cells_at
    before, after = (math.sqrt(q / n) for q, n in zip(squares, counts, strict=True))
    return Gaps(total / cells, by_horizon, np.where(seen, by_period, np.nan), before, after)


@dataclass(frozen=True, eq=False)
class Placebos:
    """Gaps of placebo assignments.

    Attributes
    ----------
    gaps : tuple of Gaps
    enumerated : bool
        Whether they are all there are.
    """

    gaps: tuple[Gaps, ...]
    enumerated: bool

    def __len__(self) -> int:
        return len(self.gaps)

    @property
    def averages(self) -> Floats:
        """Average effect of every placebo."""
        return np.array([g.average for g in self.gaps])

    def columns(self, name: Literal["by_horizon", "by_period"], width: int) -> Floats:
        """Return effects of every placebo by horizon or period, shape (P, width)."""
        found = [g.by_horizon if name == "by_horizon" else g.by_period for g in self.gaps]
        return np.array(found) if found else np.empty((0, width))

    def p_value_of_ratio(self, real: Gaps) -> float:
        """Return the rank of the real ratio of gaps after and before the start among the placebos'; NaN without any."""
        if not self.gaps:
            return math.nan
        # a placebo that is matched to the last digit, before and after, says nothing of either
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.array([g.after for g in self.gaps]) / np.array([g.before for g in self.gaps])
        return rank_p_value(real.ratio, ratios)


def placebos(how: Matching, layout: Layout, real: Sequence[Fitted], *, draws: int, seed: int) -> Placebos:
    """Deal the treated areas' places out among the donors, treated areas left out; none where donors are too few."""
    sizes = [len(s.rows) for s in layout.slots]
    J, m = len(layout.donors), sum(sizes)
    if J - m < FEWEST_DONORS:
        return Placebos((), enumerated=True)
    if sizes == [1]:
        return own_placebos(how, layout, 0, real[0])
    ways = math.factorial(J) // math.factorial(J - m)
    for size in sizes:
        ways //= math.factorial(size)
    enumerated = ways <= (draws if how.by_predictors else max(ENUMERATED, draws))
    dealt = _every(np.arange(J), sizes) if enumerated else _drawn(J, sizes, draws, seed)
    noise = [scaling_of(how, layout, k, fit) for k, fit in enumerate(real)]
    made = []
    for groups in dealt:
        rest = np.delete(layout.donors, np.concatenate(groups))
        fits = [fit_group(how, layout, k, layout.donors[g], rest, real[k].dual) for k, g in enumerate(groups)]
        pairs = enumerate(zip(groups, fits, strict=True))
        made.append(gaps(layout, [noise[k].at_size(layout.donors[g], f) for k, (g, f) in pairs]))
    return Placebos(tuple(made), enumerated)


def own_placebos(how: Matching, layout: Layout, k: int, real: Fitted) -> Placebos:
    """Every donor in turn in the place of slot `k`, which holds one area; none where donors are too few."""
    if len(layout.donors) <= FEWEST_DONORS:
        return Placebos((), enumerated=True)
    fits = _alone(how, layout, k, np.arange(len(layout.donors)))
    noise = scaling_of(how, layout, k, real, fits)
    sized = [noise.at_size(layout.donors[[j]], f) for j, f in enumerate(fits)]
    return Placebos(tuple(gaps(layout, [f], [k]) for f in sized), enumerated=True)


def _alone(how: Matching, layout: Layout, k: int, which: Ints) -> list[Fitted]:
    """Fit each of some donors in the place of slot `k`, by the others."""
    donors = layout.donors
    return [fit_group(how, layout, k, donors[[j]], np.delete(donors, j)) for j in which.tolist()]


@dataclass(frozen=True, eq=False)
class Scaling:
    """How the gaps of a slot's placebos are brought to the noise of areas of the treated areas' size.

    Attributes
    ----------
    layout : Layout
    k : int
        Of the slot.
    real : Fitted
        The slot's own.
    by_rate : (a, b)
        Variance ``a + b / size`` of an area's effect on its rate; (1, 0) where all are alike.
    level : ndarray, shape (N,), optional
        Of every area before the slot's start, where gaps are brought to the slot's own noise: of counts without an
        exposure.
    centred : bool
        Whether a constant gap before the start is no noise.
    """

    layout: Layout
    k: int
    real: Fitted
    by_rate: tuple[float, float] = (1.0, 0.0)
    level: Floats | None = None
    centred: bool = False

    def at_size(self, rows: Ints, fit: Fitted) -> Fitted:
        """Return a placebo's fit with its gaps at the noise of the treated areas' size."""
        layout, slot = self.layout, self.layout.slots[self.k]
        if self.level is not None:
            wide = widening(len(layout.donors), sum(len(s.rows) for s in layout.slots))
            return replace(fit, gap=fit.gap * wide * math.sqrt(self._wanted / self._variance(self.level, rows, fit)))
        a, b = self.by_rate
        if b == 0:
            return fit
        own, placebo = (layout.exposure[np.ix_(r, slot.after)].mean(axis=1) for r in (slot.rows, rows))
        # of m areas pooled by their events over their exposure, each with variance a + b / size
        variance = [float(np.sum((e / e.sum()) ** 2 * (a + b / e))) for e in (own, placebo)]
        return replace(fit, gap=fit.gap * math.sqrt(variance[0] / variance[1]))

    @cached_property
    def _wanted(self) -> float:
        return math.nan if self.level is None else self._variance(self.level, self.layout.slots[self.k].rows, self.real)

    def _variance(self, level: Floats, rows: Ints, fit: Fitted) -> float:
        """Return the variance of a group's gap, per area, from before the start."""
        gap = fit.gap[self.layout.slots[self.k].before]
        return own_variance(gap, level[rows], fit.weights, level[fit.donors], centred=self.centred)


def scaling_of(how: Matching, layout: Layout, k: int, real: Fitted, alone: Sequence[Fitted] = ()) -> Scaling:
    """Return the scaling of slot `k`; by rates it is learnt from donors that are treated one at a time."""
    if layout.arrays.exposure is None:
        level = levels(layout.y[:, layout.slots[k].before]) if how.counts else None
        return Scaling(layout, k, real, level=level, centred=how.intercept)
    which = np.arange(len(layout.donors))
    if not alone:
        size = layout.exposure[np.ix_(layout.donors, layout.slots[k].after)].mean(axis=1)
        some = np.linspace(0, len(which) - 1, min(len(which), LEARNT_FROM)).round().astype(np.int64)
        which = np.sort(np.argsort(size, kind="stable")[some])
        alone = _alone(how, layout, k, which)
    return Scaling(layout, k, real, by_rate=variance_by_size(layout, k, which, alone))


def variance_by_size(layout: Layout, k: int, which: Ints, alone: Sequence[Fitted]) -> tuple[float, float]:
    """Return (a, b) of the variance ``a + b / size`` of a single area's rate effect.

    By non-negative least squares of squared placebo effects on one over size (Ferman and Pinto 2019).
    """
    from scipy.optimize import nnls

    after = layout.slots[k].after
    squares = np.array([float(np.mean(f.gap[after])) ** 2 for f in alone])
    inverse = 1 / layout.exposure[np.ix_(layout.donors[which], after)].mean(axis=1)
    unit = float(squares.mean())
    if not unit > 0:
        return 1.0, 0.0
    held = np.column_stack([np.ones(len(inverse)), inverse / inverse.mean()])
    a, b = nnls(held, squares / unit)[0]
    return float(a), float(b / inverse.mean())


def _every(free: Ints, sizes: Sequence[int]) -> Iterator[list[Ints]]:
    """Yield every way to fill groups of these sizes from `free`."""
    if not sizes:
        yield []
        return
    for group in combinations(free.tolist(), sizes[0]):
        for rest in _every(np.setdiff1d(free, group), sizes[1:]):
            yield [np.array(group), *rest]


def _drawn(J: int, sizes: Sequence[int], draws: int, seed: int) -> Iterator[list[Ints]]:
    """Yield `draws` different ways at random."""
    rng = np.random.default_rng(derive_seed(seed, "SyntheticControl", "placebos"))
    seen: set[tuple[tuple[int, ...], ...]] = set()
    cuts = np.cumsum(sizes)
    while len(seen) < draws:
        groups = [np.sort(g) for g in np.split(rng.permutation(J)[: cuts[-1]], cuts[:-1])]
        key = tuple(tuple(g.tolist()) for g in groups)
        if key not in seen:
            seen.add(key)
            yield groups


@dataclass(frozen=True)
class Spread:
    """Error, interval and p-value that a placebo distribution gives an estimate."""

    std_error: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan


def spread_of(estimate: float, errors: Floats, level: float) -> Spread:
    """Compare an estimate with placebo effects, by rank of the absolute value.

    The estimate itself counts among the placebos, so with n of them the smallest p-value is 1 / (n + 1). The interval
    holds every constant effect that the same test does not reject, and is missing where none can be rejected.
    """
    n = len(errors)
    if n < 2 or not math.isfinite(estimate) or not np.isfinite(errors).all():
        return Spread()
    reach = distance_limit(np.abs(errors), level) if needed(level, n + 1) else math.nan
    return Spread(float(errors.std()), estimate - reach, estimate + reach, rank_p_value(estimate, errors))
