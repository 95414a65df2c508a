"""Two outcomes of one panel, imputed side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from svmodel.design import DesignArrays
from svmodel.did.cell_sums import CellSums
from svmodel.did.expected_linear import Predicted, impute_linear, lead_sums, linear_att, sums_of
from svmodel.did.expected_poisson import Imputed, impute, poisson_att, predicted_cells
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.two_way.imputation import CohortBlock, sum_cells


@dataclass(frozen=True, eq=False)
class TripleArrays(DesignArrays):
    """The arrays of a design with those of the comparison outcome.

    Attributes
    ----------
    comparison : ndarray, shape (N, T)
        NaN where missing.
    """

    comparison: Floats | None = None

    def take(self, rows: Ints) -> TripleArrays:
        """Return the arrays of some areas, in this order."""
        taken = super().take(rows)
        assert isinstance(taken, TripleArrays)
        return replace(taken, comparison=None if self.comparison is None else self.comparison[rows])

    def outcomes(self) -> tuple[DesignArrays, DesignArrays]:
        """Return the arrays of each outcome, on the cells where both are known.

        Raises
        ------
        EstimationError
            If there is no comparison outcome.
        """
        if self.comparison is None:
            raise EstimationError("these arrays hold no comparison outcome")
        lost = np.isnan(self.y) | np.isnan(self.comparison)
        shared = {f.name: getattr(self, f.name) for f in fields(DesignArrays)}
        one, other = (DesignArrays(**{**shared, "y": np.where(lost, np.nan, y)}) for y in (self.y, self.comparison))
        return one, other


@dataclass(frozen=True, eq=False)
class TripleSums(CellSums):
    """Sums of the outcome, its expected sum times the comparison's rate ratio.

    Attributes
    ----------
    comparison : CellSums
        The same cells of the comparison outcome.
    """

    comparison: CellSums | None = None

    def joined(self, others: Sequence[CellSums]) -> CellSums:
        """Return these cells and those of other sums over the same areas as one."""
        whole = super().joined(others)
        twins = [p.comparison for p in others if isinstance(p, TripleSums) and p.comparison is not None]
        if not isinstance(whole, TripleSums) or self.comparison is None:
            return whole
        return replace(whole, comparison=self.comparison.joined(twins))

    def pair(self, weights: Floats) -> tuple[float, float, Floats, Floats]:
        """Return weighted sums of observed and expected outcomes, and the influence on each, shape (N,)."""
        O, E, of_O, of_E = super().pair(weights)
        assert self.comparison is not None
        C, D, of_C, of_D = self.comparison.pair(weights)
        if not (E > 0 and C > 0 and D > 0):
            nothing = np.zeros_like(of_E)
            return O, 0.0, of_O, nothing
        expected = E * C / D
        return O, expected, of_O, expected * (of_E / E + of_C / C - of_D / D)


@dataclass(frozen=True, eq=False)
class Triple:
    """Sums of the treated cells and of those before a start.

    Attributes
    ----------
    sums : CellSums
    leads : list of CellSums
    target : ndarray of bool, shape (N, T)
    outcome, comparison : float
        Each outcome's own average effect: log rate ratios, or differences.
    expected : ndarray, shape (N, T)
        Of the outcome, as its own controls have it (Poisson) or less the comparison's (linear); zero off the target.
    """

    sums: CellSums
    leads: list[CellSums]
    target: Mask
    outcome: float
    comparison: float
    expected: Floats


def triple_att(arrays: TripleArrays, family: str) -> float:
    """Return the average effect alone; NaN where there is none."""
    one, other = arrays.outcomes()
    if family == "linear":
        return linear_att(replace(one, y=one.y - other.y))
    one, other = _same_cells(one, other)
    with np.errstate(invalid="ignore"):
        return float(np.subtract(poisson_att(one), poisson_att(other)))


def _same_cells(one: DesignArrays, other: DesignArrays) -> tuple[DesignArrays, DesignArrays]:
    """Leave out treated cells whose expected count is identified for one outcome only."""
    lost = one.treated & ~(predicted_cells(one) & predicted_cells(other))
    if not lost.any():
        return one, other
    return replace(one, y=np.where(lost, np.nan, one.y)), replace(other, y=np.where(lost, np.nan, other.y))


def linear_triple(arrays: TripleArrays, few: int) -> Triple:
    """Impute the outcome less the comparison."""
    one, other = arrays.outcomes()
    apart = replace(one, y=one.y - other.y)
    found = impute_linear(apart, few)
    target = found.target

    def named(part: Predicted) -> Predicted:
        gap = np.where(part.target, apart.y - part.expected, 0.0)
        return replace(part, arrays=one, expected=np.where(part.target, one.y - gap, 0.0))

    sums = sums_of(named(found))
    leads = [_renamed(s, one, found) for s in lead_sums(found)]
    fits = [impute_linear(a, few) for a in (one, other)]
    outcome, comparison = (float((f.arrays.y - f.expected)[f.target].mean()) for f in fits)
    return Triple(sums, leads, target, outcome, comparison, named(found).expected)


def _renamed(sums: CellSums, one: DesignArrays, found: Predicted) -> CellSums:
    """Put the outcome's own sums in the place of those of the difference; the effect stays."""
    with_cells: Mask = np.asarray(found.target.any(axis=1))
    y = np.where(found.arrays.untreated & with_cells[:, None], one.y, 0.0)
    own = np.array(
        [float(y[one.start == g, t].sum()) for g, t in zip(sums.cohort, sums.time, strict=True)], dtype=np.float64
    )
    return replace(sums, observed=own, expected=own - (sums.observed - sums.expected))


def poisson_triple(arrays: TripleArrays, few: int) -> Triple:
    """Impute each outcome by Poisson regression."""
    both = arrays.outcomes()
    one, other = _same_cells(*both)
    if not one.treated.any():
        # by itself, one of the outcomes says why none of its treated cells has an expected count
        for alone in both:
            impute(alone, few)
    found, compared = impute(one, few), impute(other, few)
    sums, placebo = _sums(found), _sums(compared)
    leads: list[CellSums] = []
    # a cohort may have cells before its start to compare in one outcome only
    twins = dict(compared.lead_blocks())
    for g, block in found.lead_blocks():
        if g in twins:
            mine, theirs = _cells(found, [(g, block)]), _cells(compared, [(g, twins[g])])
            shared = np.intersect1d(mine.time, theirs.time)
            if len(shared):
                leads.append(_joined(_only(mine, shared), _only(theirs, shared)))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = [float(np.log(s.observed.sum() / s.expected.sum())) for s in (sums, placebo)]
    expected = np.zeros(arrays.y.shape)
    for b in found.blocks:
        expected[b.areas] = b.expected
    return Triple(_joined(sums, placebo), leads, found.target, values[0], values[1], expected)


def _joined(one: CellSums, other: CellSums) -> TripleSums:
    held = {name: getattr(one, name) for name in CellSums.__dataclass_fields__}
    return TripleSums(**held, comparison=other)


def _only(sums: CellSums, times: Ints) -> CellSums:
    keep = np.isin(sums.time, times)
    short = {name: getattr(sums, name)[keep] for name in ("cohort", "time", "n", "observed", "expected")}
    wide = {name: getattr(sums, name)[:, keep] for name in ("of_observed", "of_expected")}
    return replace(sums, **short, **wide, exposure=None if sums.exposure is None else sums.exposure[keep])


def _sums(found: Imputed) -> CellSums:
    return _cells(found, [(int(g), b) for g, b in zip(found.cohorts, found.blocks, strict=True)])


def _cells(found: Imputed, blocks: list[tuple[int, CohortBlock]]) -> CellSums:
    """Return the sums by cohort and period of some blocks."""
    T = found.target.shape[1]
    parts, cohort, time, n, people = [], [], [], [], []
    exposure = found.arrays.exposure
    for g, block in blocks:
        times = np.flatnonzero(block.target.any(axis=0))
        parts.append(sum_cells([block], [np.eye(T)[times]]))
        cohort += [g] * len(times)
        time += times.tolist()
        n += block.target[:, times].sum(axis=0).tolist()
        if exposure is not None:
            people += np.where(block.target, exposure[block.areas], 0.0)[:, times].sum(axis=0).tolist()

    def end_to_end(name: str) -> Floats:
        return np.concatenate([getattr(p, name) for p in parts], axis=-1)

    return CellSums(
        family="poisson",
        cohort=np.array(cohort, dtype=np.int64),
        time=np.array(time, dtype=np.int64),
        n=np.array(n, dtype=np.float64),
        exposure=None if exposure is None else np.array(people, dtype=np.float64),
        observed=end_to_end("observed"),
        expected=end_to_end("expected"),
        of_observed=end_to_end("of_observed"),
        of_expected=end_to_end("of_expected"),
        pools=found.pools,
        size=np.array([float(len(b.areas)) for _, b in blocks]),
        factor=found.factor,
        n_clusters=found.n_clusters,
        clusters=found.arrays.units,
        spread=found.sizes,
    )
