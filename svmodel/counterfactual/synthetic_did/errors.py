"""Uncertainty of synthetic difference-in-differences: placebos in space, jackknife, bootstrap.

Algorithms 4, 3 and 2 of Arkhangelsky et al. (2021). All give errors of effects summed in the outcome's units.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np

from svmodel.counterfactual.noise_by_level import levels, own_variance
from svmodel.counterfactual.synthetic_did.blocks import FEWEST_DONORS, Block, Index, data_order
from svmodel.counterfactual.synthetic_did.estimate import Estimate, Terms, estimate, terms_of
from svmodel.counterfactual.synthetic_did.weights import gaps, target_of, time_weights_without, weigh
from svmodel.design import DesignArrays
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats
from svmodel.numerics.resampling.conley_taber import widening
from svmodel.numerics.resampling.permutations import distance_limit, rank_p_value
from svmodel.result.rule import choose
from svmodel.result.scales import critical_value


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Errors and limits of K terms, in the outcome's units summed over a term's cells.

    Attributes
    ----------
    std_error, half, p_value : ndarray, shape (K,)
        `half` is half the length of the interval: infinite where the data bound nothing.
    draws : int
        Placebo sets, areas left out, or resamples.
    df : float
        Degrees of freedom; NaN where there are none in use.
    """

    std_error: Floats
    half: Floats
    p_value: Floats
    draws: int
    df: float = math.nan


@dataclass(frozen=True, eq=False)
class Placebos:
    """Effects that would have been found had donors been treated in the treated areas' place.

    Attributes
    ----------
    effects : ndarray, shape (P, K)
    enumerated : bool
        Whether these are all sets there are.
    rescaled : bool
        Whether effects were brought to the noise of areas of the treated areas' size.
    """

    effects: Floats
    enumerated: bool
    rescaled: bool

    def uncertainty(self, value: Floats, level: float) -> Uncertainty:
        """Compare the estimates with the placebos.

        p is the rank of the estimate's size among placebos, itself counted. The interval holds the effects that this
        test does not reject once they are taken off, so that the two always agree.
        """
        size = np.abs(self.effects)
        half = np.array([distance_limit(column, level) for column in size.T])
        p = np.array([rank_p_value(float(v), column) for v, column in zip(value, size.T, strict=True)])
        return Uncertainty(self.effects.std(axis=0), half, p, len(size))


def pool_of(est: Estimate) -> Index:
    """Return the donors that can stand in for any treated area, in an order that their data give."""
    pool = est.blocks[0].donors
    for block in est.blocks[1:]:
        pool = np.intersect1d(pool, block.donors)
    return data_order(pool, est.held)


def placebos(
    est: Estimate, terms: Terms, rng: np.random.Generator, most: int, numbers: Floats | None = None
) -> Placebos | None:
    """Return placebo effects of every term, or None where too few donors are left to stand in.

    All sets of donors are gone through where there are at most `most`; else that many are drawn. Treated areas take no
    part. Donors' and periods' weights are found again for each set, with the ridge of the estimate itself, as in R's
    synthdid; coefficients of covariates are held.

    Of rates, those of small areas stray more. A placebo's gaps are scaled by the square root of
    ``(a + b / size of the treated area) / (a + b / size of the donor)``, with a and b from donors treated one at a time
    (Ferman and Pinto 2019). Of numbers, those of large areas stray more, and gaps are scaled by how far each area
    strayed before the start: :func:`~svmodel.counterfactual.noise_by_level.own_variance`.

    Parameters
    ----------
    numbers : ndarray, shape (N, T), optional
        The outcome, where it is a count that is compared by its numbers.
    """
    pool = pool_of(est)
    sizes = [len(b.treated) for b in est.blocks]
    if len(pool) < sum(sizes) + FEWEST_DONORS:
        return None
    chosen, enumerated = _sets(len(pool), sizes, most, rng)
    largest = int(np.argmax([len(b.treated) * len(b.after) for b in est.blocks]))
    scaling: _ByRate | _ByNumber | None = None
    alone: list[Stand] = []
    if numbers is not None:
        scaling = _ByNumber(est, levels(numbers[:, est.blocks[largest].before]))
    elif est.held.rates:
        alone = [_stand_in(est, largest, pool[[k]], pool[[k]]) for k in range(len(pool))]
        scaling = _ByRate.learn(est, est.blocks[largest], pool, [found for found, _ in alone])
    reuse = sum(sizes) == 1 and bool(alone)
    effects = np.empty((len(chosen), len(terms.keys)))
    for row, places in enumerate(chosen):
        taken = pool[places]
        columns = []
        for which, group in enumerate(np.split(taken, np.cumsum(sizes)[:-1])):
            # unlike areas: no donor may stand for the largest because of its own size
            own = rng.permutation(group) if scaling is not None and len(group) > 1 else group
            stand = alone[int(places[0])] if reuse else _stand_in(est, which, own, taken)
            factor = 1.0 if scaling is None else scaling.factor(which, own, stand)[:, None]
            columns.append((est.blocks[which].size * stand[0] * factor).sum(axis=0))
        effects[row] = terms.chosen @ np.concatenate(columns)
    return Placebos(effects, enumerated, scaling is not None)


#: Gaps of areas, shape (areas, periods), and the weights of all donors of their block.
Stand: TypeAlias = tuple[Floats, Floats]


def _stand_in(est: Estimate, which: int, own: Index, taken: Index) -> Stand:
    """Return the gaps of donors in the place of a block's treated areas, and the weights of all donors."""
    block, fit = est.blocks[which], est.weights[which]
    stays = ~np.isin(block.donors, taken)
    donors = est.held.y[np.ix_(block.donors[stays], block.periods)]
    y = est.held.y[np.ix_(own, block.periods)]
    before = y[:, : len(block.before)]
    target = target_of(before, block) if len(own) == len(block.treated) else before[0]
    rest = fit.omega[stays]
    first = rest / rest.sum() if rest.sum() > 0 else None
    n_after, n_treated = len(block.after), len(block.treated)
    weights = weigh(donors, target, n_after, n_treated, est.how, noise=fit.noise, start=fit, omega_start=first)
    omega = np.zeros(len(block.donors))
    omega[stays] = weights.omega
    return gaps(y, donors, weights), omega


def _sets(n: int, sizes: list[int], most: int, rng: np.random.Generator) -> tuple[list[Index], bool]:
    """Return places in the pool for every block's areas, one row a set, and whether they are all there are."""
    count, left = 1, n
    for k in sizes:
        count *= math.comb(left, k)
        left -= k
    if count <= most:
        return [np.array(s) for s in _every(tuple(range(n)), sizes)], True
    cuts = np.cumsum(sizes)[:-1]
    drawn = []
    for _ in range(most):
        parts = np.split(rng.permutation(n)[: sum(sizes)], cuts)
        drawn.append(np.concatenate([np.sort(p) for p in parts]))
    return drawn, False


def _every(left: tuple[int, ...], sizes: list[int]) -> Iterator[tuple[int, ...]]:
    if not sizes:
        yield ()
        return
    for first in combinations(left, sizes[0]):
        rest = tuple(i for i in left if i not in first)
        for others in _every(rest, sizes[1:]):
            yield first + others


@dataclass(frozen=True, eq=False)
class _ByRate:
    """Variance ``a + b / size`` of an area's effect on its rate."""

    est: Estimate
    a: float
    b: float

    @classmethod
    def learn(cls, est: Estimate, block: Block, pool: Index, alone: list[Floats]) -> _ByRate | None:
        """Fit ``a + b / size`` to the squared gaps of donors treated alone; None where nothing can be learnt."""
        from scipy.optimize import nnls  # slow to load

        miss = np.array([found[0, len(block.before) :].mean() for found in alone])
        size = est.held.size[np.ix_(pool, block.after)].mean(axis=1)
        design = np.column_stack([np.ones(len(pool)), size.mean() / size])
        weight = np.ones(len(pool))
        fitted = np.zeros(2)
        # the variance of a squared miss goes with the square of its mean
        for _ in range(20):
            fitted = nnls(design * weight[:, None], miss**2 * weight)[0]
            expected = design @ fitted
            if not (expected > 0).all():
                return None
            weight = 1 / expected
        return cls(est, float(fitted[0]), float(fitted[1] * size.mean()))

    def factor(self, which: int, own: Index, _: Stand) -> Floats:
        """Return what the gaps of donors in the place of a block's areas are multiplied with."""
        block = self.est.blocks[which]
        theirs = self.est.held.size[np.ix_(own, block.after)].mean(axis=1)
        return np.asarray(np.sqrt((self.a + self.b / block.after_size.mean(axis=1)) / (self.a + self.b / theirs)))


@dataclass(frozen=True, eq=False)
class _ByNumber:
    """Every area's own noise before the start, at its level at the least.

    Attributes
    ----------
    est : Estimate
    level : ndarray, shape (N,)
    """

    est: Estimate
    level: Floats

    def factor(self, which: int, own: Index, stand: Stand) -> Floats:
        """Return what the gaps of donors in the place of a block's areas are multiplied with."""
        block = self.est.blocks[which]
        wanted = self._variances(which, block.treated, (self.est.gaps[which], self.est.weights[which].omega))
        wide = widening(len(block.donors), sum(len(b.treated) for b in self.est.blocks))
        return np.asarray(wide * np.sqrt(wanted / self._variances(which, own, stand)))

    def _variances(self, which: int, areas: Index, stand: Stand) -> Floats:
        block, (found, omega) = self.est.blocks[which], stand
        donors, centred = self.level[block.donors], self.est.how.method != "sc"
        before = found[:, : len(block.before)]
        return np.array(
            [
                own_variance(gap, self.level[[i]], omega, donors, centred=centred, fitted=not centred)
                for gap, i in zip(before, areas, strict=True)
            ]
        )


def can_jackknife(est: Estimate) -> bool:
    """Return whether an area can be left out of every block on either side."""
    return all(len(b.treated) > 1 and w.omega.max() < 1 for b, w in zip(est.blocks, est.weights, strict=True))


def jackknife(est: Estimate, terms: Terms, *, level: float, out_of_sample: bool) -> Uncertainty:
    """Leave out one area at a time, with the weights held (algorithm 3).

    Time weights are those under which donors change least, so donors seem to stray less than areas do that took no part
    in finding them, the more so the more periods there are. With `out_of_sample` each donor's change is taken with time
    weights that were found without it, as the treated areas' are.

    Limits and p-values take Student's t. Its degrees of freedom are Satterthwaite's, from how much of the variance is
    the treated areas' (their number less one a block) and how much the donors' (their effective number less one).
    """
    value = terms.chosen @ est.events
    treated = np.concatenate([b.treated for b in est.blocks])
    areas = np.union1d(treated, np.concatenate([b.donors for b in est.blocks]))
    strays = [_strays(est, k, out_of_sample=out_of_sample) for k in range(len(est.blocks))]
    without = _without(est, areas, strays) @ terms.chosen.T
    n = len(areas)
    square = (n - 1) / n * (without - value) ** 2
    std_error = np.sqrt(square.sum(axis=0))
    own = np.isin(areas, treated)
    theirs, others = float(square[own, 0].sum()), float(square[~own, 0].sum())
    effective = max(1 / float((w.omega**2).sum()) for w in est.weights)
    below = theirs**2 / max(len(treated) - len(est.blocks), 1) + others**2 / max(effective - 1, 1.0)
    df = (theirs + others) ** 2 / below if below > 0 else math.nan
    return _by_t(value, std_error, df, n, level)


def _strays(est: Estimate, which: int, *, out_of_sample: bool) -> Floats:
    """Return how far each donor strays from the weighted donors, shape (donors, periods)."""
    block, fit = est.blocks[which], est.weights[which]
    donors = est.held.y[np.ix_(block.donors, block.periods)]
    strays = gaps(donors, donors, fit)
    if not out_of_sample or est.how.method != "sdid" or len(donors) <= FEWEST_DONORS:
        return strays
    weighted = np.flatnonzero(fit.omega > 0)
    lam = time_weights_without(donors, len(block.after), weighted, fit, solver=est.how.solver)
    apart = donors[weighted] - fit.omega @ donors
    strays[weighted] = apart - (apart[:, : len(block.before)] * lam).sum(axis=1, keepdims=True)
    return strays


def _without(est: Estimate, areas: Index, strays: list[Floats]) -> Floats:
    """Return the effects by column with each of the areas left out, scaled to the size of all; (areas, columns)."""
    parts = []
    for block, fit, found, apart in zip(est.blocks, est.weights, est.gaps, strays, strict=True):
        size = block.size
        every = np.repeat((size * found).sum(axis=0)[None, :], len(areas), axis=0)
        # the others' weights are scaled up to sum to one, so their mean moves away from this area
        weighted = np.flatnonzero(fit.omega > 0)
        moved = (fit.omega[weighted] / (1 - fit.omega[weighted]))[:, None] * apart[weighted]
        every[np.searchsorted(areas, block.donors[weighted])] += size.sum(axis=0) * moved
        stay = size.sum(axis=0) - size
        every[np.searchsorted(areas, block.treated)] = (
            ((size * found).sum(axis=0) - size * found) * size.sum(axis=0) / stay
        )
        parts.append(every)
    return np.hstack(parts)


def bootstrap(
    arrays: DesignArrays, est: Estimate, terms: Terms, rng: np.random.Generator, *, level: float, draws: int
) -> Uncertainty:
    """Draw areas with replacement and do everything again (algorithm 2); limits are normal."""
    order = data_order(np.arange(len(arrays.start)), est.held)
    order = order[np.argsort(arrays.start[order], kind="stable")]
    shuffled = arrays.take(order)
    place = {_key(k): j for j, k in enumerate(terms.keys)}
    values = np.full((draws, len(place)), np.nan)
    for row in range(draws):
        again = shuffled.take(rng.integers(0, len(order), len(order)))
        try:
            other = estimate(again, est.how, rates=est.held.rates)
        except EstimationError:
            continue
        if not other.blocks:
            continue
        its = terms_of(again, other.blocks)
        mean = its.chosen @ other.events / its.size
        for key, m in zip(its.keys, mean, strict=True):
            if (j := place.get(_key(key))) is not None:
                values[row, j] = m * terms.size[j]
    seen = (~np.isnan(values)).sum(axis=0)
    std_error = np.array([np.nanstd(v, ddof=1) if n > 1 else np.nan for v, n in zip(values.T, seen, strict=True)])
    return _by_t(terms.chosen @ est.events, std_error, math.inf, int(seen[0]), level)


def _key(key: dict[str, object]) -> tuple[object, ...]:
    return tuple(sorted(key.items()))


def _by_t(value: Floats, std_error: Floats, df: float, draws: int, level: float) -> Uncertainty:
    from scipy import special  # slow to load

    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(std_error > 0, np.abs(value) / std_error, np.nan)
    tail = special.ndtr(-ratio) if math.isinf(df) else special.stdtr(df, -ratio)
    return Uncertainty(std_error, critical_value(level, df) * std_error, 2 * tail, draws, df)


@dataclass(frozen=True, eq=False)
class Chosen:
    """Errors of the kind that a design can bear.

    Attributes
    ----------
    errors : Uncertainty
    kind : {"placebo", "jackknife", "bootstrap", "none"}
    why : str
    in_doubt : bool
    """

    errors: Uncertainty
    kind: str
    why: str
    in_doubt: bool


def choose_uncertainty(
    arrays: DesignArrays,
    est: Estimate,
    terms: Terms,
    rng: np.random.Generator,
    *,
    asked: str,
    level: float,
    most: int,
    counts: bool,
) -> Chosen:
    """Return errors of the kind that is asked for, or that the rule chooses, where the design can bear them.

    Parameters
    ----------
    asked : {"auto", "placebo", "cluster", "jackknife", "bootstrap", "none"}
    level : float
    most : int
        Placebo sets; the bootstrap takes a fifth as many resamples.
    counts : bool
        Whether the outcome is a count.
    """
    if asked == "none":
        return Chosen(_no_errors(terms), "none", "No errors were asked for.", in_doubt=True)
    choice = choose(arrays, asked if asked in ("auto", "placebo") else "cluster")
    areas = f"{choice.n_treated} treated and {choice.n_never} never treated areas"
    if choice.kind == "placebo":
        done = placebos(est, terms, rng, most, arrays.y if counts and not est.held.rates else None)
        if done is None:
            why = f"{areas}: too few donors to stand in for the treated. No interval is given."
            return Chosen(_no_errors(terms), "none", why, in_doubt=True)
        errors = done.uncertainty(terms.chosen @ est.events, level)
        return Chosen(errors, "placebo", f"{areas}: {_placebos_rest_on(done, errors, level)}", in_doubt=False)
    if choice.kind == "none":
        why = choice.why
        if choice.n_treated == 1 and asked not in {"auto", "placebo"} and choice.n_controls > 1:
            why = f"{areas}: inference={asked!r} takes the noise from how several treated areas differ."
            why += " No interval is given; inference='placebo' can give one."
        return Chosen(_no_errors(terms), "none", why, in_doubt=True)
    kind = "bootstrap" if asked == "bootstrap" or not can_jackknife(est) else "jackknife"
    if kind == "jackknife":
        errors = jackknife(est, terms, level=level, out_of_sample=asked != "jackknife")
        why = f"{areas}: errors come from leaving out one area at a time, with the weights held (algorithm 3)."
        more = " Each donor's change is taken with time weights that were found without it."
    else:
        errors = bootstrap(arrays, est, terms, rng, level=level, draws=max(most // 5, 20))
        why = f"{areas}: errors come from drawing areas anew {errors.draws} times (algorithm 2)."
        more = " The jackknife would need two treated areas and two weighted donors in every cohort."
    if asked != kind:
        why += more
    if choice.warn:
        why += " So few areas on one side make such errors too small at times; read the interval as the least there is."
    return Chosen(errors, kind, why, choice.warn)


def _no_errors(terms: Terms) -> Uncertainty:
    blank = np.full(len(terms.keys), np.nan)
    return Uncertainty(blank, blank, blank, 0)


def _placebos_rest_on(done: Placebos, errors: Uncertainty, level: float) -> str:
    how = f"all {errors.draws:,} sets of" if done.enumerated else f"{errors.draws:,} drawn sets of"
    size = ", allowing for size" if done.rescaled else ""
    text = (
        f"errors come from putting {how} donors in the treated areas' place. They suppose that treated areas "
        f"would have strayed as donors did{size}. "
        f"The smallest p-value that can come out is {1 / (errors.draws + 1):.2g}."
    )
    if math.isinf(errors.half[0]):
        text += f" That is too coarse for a {level:.0%} interval, which is therefore not given."
    return text
