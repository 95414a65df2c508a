"""Averages and sums of group-time effects, with the uncertainty of the weights.

Everything is a column: K cells go in, A averages come out, and the (N, A) contributions of the areas to
their errors come with them. A variance is the sum of squares of a column of contributions. Cells one by one are the
exception: of them there are too many, and their contributions stay with their cohorts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from svmodel.did.callaway_santanna.cells import Cells
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster import SmallSample, small_sample
from svmodel.numerics.two_way.before_start import Grouped
from svmodel.result import JointEstimate
from svmodel.result.tables import event_joint

#: Terms whose rows form one family of simultaneous intervals.
FAMILIES = ("cell", "event", "cohort", "calendar")


@dataclass(frozen=True, eq=False)
class Measured:
    """A estimates with what their intervals need.

    Attributes
    ----------
    estimate, std_error : ndarray, shape (A,)
    small : SmallSample
        How much wider than the standard error an interval is, and its degrees of freedom, each of shape (A,).
    """

    estimate: Floats
    std_error: Floats
    small: SmallSample

    def times(self, factor: Floats) -> Measured:
        """Return the same estimates in other units, `factor` above zero."""
        return Measured(self.estimate * factor, self.std_error * factor, self.small)


@dataclass(frozen=True, eq=False)
class Linear:
    """A estimates in one term: values and contributions to their errors.

    Attributes
    ----------
    estimate : ndarray, shape (A,)
    influence : ndarray, shape (G, A)
        Of each cluster of areas.
    """

    estimate: Floats
    influence: Floats

    @property
    def std_error(self) -> Floats:
        """Root of the sum of squared contributions; NaN where nothing varies."""
        spread = np.sqrt(np.einsum("na,na->a", self.influence, self.influence))
        return np.where(spread > 0, spread, np.nan)

    def measured(self, pools: Ints) -> Measured:
        """Return the errors, given the clusters that are held against one mean, shape (G,)."""
        return Measured(self.estimate, self.std_error, small_sample(self.influence, pools))


@dataclass(frozen=True, eq=False)
class Keys:
    """By what the rows of a term are known.

    Attributes
    ----------
    name : str
    cohort, time, horizon : ndarray of float, shape (A,)
        Period indices and horizons; NaN where they do not apply.
    """

    name: str
    cohort: Floats
    time: Floats
    horizon: Floats


@dataclass(frozen=True, eq=False)
class Term(Keys):
    """One term of averages.

    Attributes
    ----------
    difference : Linear
        In the outcome's units, for an average area-period.
    cells : ndarray of bool, shape (K, A), or None
        The cells that a row sums, for totals; None for averages of averages.
    summable : bool
        False for averages of averages, which are no total of anything.
    """

    difference: Linear
    cells: Mask | None = None
    summable: bool = True


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums over the area-periods of the cells of each row of a term.

    Attributes
    ----------
    events : Linear
        Sum of the effects; its error holds the number of area-periods fixed.
    observed : Linear
        Sum of the outcomes.
    """

    events: Linear
    observed: Linear

    @property
    def log_ratio(self) -> Linear:
        """Log of observed over expected events, by the delta method; NaN where either is not above zero."""
        O, X = observed_and_expected(self.observed.estimate, self.events.estimate)
        influence = self.observed.influence / O - (self.observed.influence - self.events.influence) / X
        return Linear(np.log(O) - np.log(X), influence)


def observed_and_expected(observed: Floats, events: Floats) -> tuple[Floats, Floats]:
    """Return the observed sum and what was expected without the `events`; NaN where either is not above zero."""
    expected = observed - events
    sound = (expected > 0) & (observed > 0)
    return np.where(sound, observed, np.nan), np.where(sound, expected, np.nan)


def average(cells: Cells, chosen: Mask) -> Linear:
    """Average ATT(g, t) over sets of cells, weighted by the number of areas in each cell.

    The weights n_k / sum of n_k are estimates of P(G = g | ...), and the second term carries their error:
    with balanced data it is the ``wif`` of R's did, summed over cells, which reduces to
    sum_k 1{area in k} (ATT_k - average) / sum_k n_k.

    Parameters
    ----------
    cells : Cells
    chosen : ndarray of bool, shape (K, A)
    """
    weights = chosen * cells.n_treated[:, None]
    total = weights.sum(axis=0)
    weights = weights / total
    estimate = cells.att @ weights
    deviation = np.where(chosen, (cells.att[:, None] - estimate) / total, 0.0)
    held = cells.contributions
    return Linear(estimate, held.weighted(weights) + held.added(deviation))


def plain_mean(part: Linear, rows: Mask) -> Linear:
    """Average with equal weights, which are known and so add no error."""
    return Linear(part.estimate[rows].mean(keepdims=True), part.influence[:, rows].mean(axis=1, keepdims=True))


def totals(cells: Cells, term: Term, outcome: Floats) -> Totals:
    """Sum effects and outcomes over the area-periods of each row of a term.

    Parameters
    ----------
    cells : Cells
    term : Term
        One whose rows sum cells.
    outcome : ndarray, shape (N, T)
    """
    assert term.cells is not None
    chosen = term.cells.astype(np.float64)
    area_periods = cells.n_treated @ chosen
    # A cohort's average weights its periods alike; its sum weights them by their areas, which may differ.
    mean = average(cells, term.cells) if term.name == "cohort" else term.difference
    observed = cells.observed(outcome) @ chosen
    spread = -cells.contributions.summed(chosen) * (observed / area_periods)
    for part, held in cells.treated_outcomes(outcome):
        spread[part.rows] += held.T @ chosen[part.cells]
    events = Linear(mean.estimate * area_periods, mean.influence * area_periods)
    return Totals(events, Linear(observed, cells.contributions.units.sums(spread)))


def aggregate(cells: Cells, *, balance: int | None = None) -> list[Term]:
    """Every average of identified cells in the result (Callaway and Sant'Anna 2021, Table 1).

    ``att`` weights every treated area-period alike; ``event_average`` is the mean over horizons from 0 on,
    ``cohort_average`` weights the cohorts by their areas and ``calendar_average`` is the mean over periods.
    """
    blank = np.array([np.nan])
    post = cells.horizon >= 0
    terms = [Term("att", blank, blank, blank, average(cells, post[:, None]), post[:, None])]

    horizons, of_horizon = _sets(cells.horizon, _balanced(cells, balance))
    if len(horizons):
        event = average(cells, of_horizon)
        empty = np.full(len(horizons), np.nan)
        terms.append(Term("event", empty, empty, horizons.astype(float), event, of_horizon))
        if (horizons >= 0).any():
            terms.append(Term("event_average", blank, blank, blank, plain_mean(event, horizons >= 0), summable=False))

    cohorts, of_cohort = _sets(cells.cohort, post)
    alike = of_cohort / of_cohort.sum(axis=0)
    cohort = Linear(cells.att @ alike, cells.contributions.weighted(alike))
    empty = np.full(len(cohorts), np.nan)
    terms.append(Term("cohort", cohorts.astype(float), empty, empty, cohort, of_cohort))
    belongs = (cells.contributions.summed(of_cohort.astype(np.float64)) > 0).astype(np.float64)
    if cells.contributions.weight is not None:
        belongs *= cells.contributions.weight[:, None]
    share = belongs.sum(axis=0) / belongs.sum()
    overall = cohort.estimate @ share
    of_share = cells.contributions.units.sums(belongs)
    influence = cohort.influence @ share + of_share @ (cohort.estimate - overall) / belongs.sum()
    both = Linear(np.array([overall]), influence[:, None])
    terms.append(Term("cohort_average", blank, blank, blank, both, summable=False))

    times, of_time = _sets(cells.time, post)
    calendar = average(cells, of_time)
    empty = np.full(len(times), np.nan)
    terms.append(Term("calendar", empty, times.astype(float), empty, calendar, of_time))
    everything = np.ones(len(times), dtype=bool)
    terms.append(Term("calendar_average", blank, blank, blank, plain_mean(calendar, everything), summable=False))
    return terms


def _sets(key: Ints, rows: Mask) -> tuple[Ints, Mask]:
    values = np.unique(key[rows])
    return values, (key[:, None] == values[None, :]) & rows[:, None]


def _balanced(cells: Cells, balance: int | None) -> Mask:
    """Cells of the event study; with `balance`, only cohorts seen at every horizon from 0 to it."""
    if balance is None:
        return np.ones(len(cells.att), dtype=bool)
    post = (cells.horizon >= 0) & (cells.horizon <= balance)
    complete = [g for g in np.unique(cells.cohort) if (post & (cells.cohort == g)).sum() == balance + 1]
    span = cells.time.max() - min(cells.time.min(), cells.base.min())
    in_window = (cells.horizon <= balance) & (cells.horizon >= balance - span)
    return np.isin(cells.cohort, complete) & in_window


@dataclass(frozen=True)
class PreTest:
    """Wald test that all effects before the start are zero; NaN with the reason where it cannot be made."""

    statistic: float
    df: int
    p_value: float
    reason: str = ""


#: How far W may lie above its law because the covariance is estimated, in standard deviations of that law.
TOLERATED_EXCESS = 0.25


def pre_test(cells: Cells, *, anticipation: int) -> PreTest:
    """Test ATT(g, t) = 0 jointly for all t before g - anticipation, with the covariance of the influence functions.

    W = a' V^-1 a has a chi-squared law with one degree of freedom a cell, if trends are parallel. R's did 2.5.1
    takes all t before g (anticipation 0 here), so that it tests the absence of anticipation as well.

    With q effects of a cohort of m areas, W is too large by a factor of about (m - 1) / (m - q - 2) (Hotelling),
    without limit as q nears m: trends are then rejected that are parallel. R prints W all the same. Here it is
    made only where the excess is below a quarter of the standard deviation, sqrt(2 df), of the chi-squared law.
    """
    from scipy import special

    rows = (cells.horizon < -anticipation) & (cells.contributions.variances > 0)
    df = int(rows.sum())
    if df == 0:
        return PreTest(np.nan, 0, np.nan, "no effect before the start is estimated")
    cohorts, effects = np.unique(cells.cohort[rows], return_counts=True)
    sizes = cells.sizes
    areas = np.array([sizes[int(g)] for g in cohorts])
    spare = areas - effects - 2
    excess = np.where(spare > 0, effects * ((areas - 1) / np.maximum(spare, 1) - 1), np.inf).sum()
    if excess > TOLERATED_EXCESS * np.sqrt(2 * df):
        reason = f"{df:,} effects in cohorts of {areas.min()} to {areas.max()} areas are too many for it"
        return PreTest(np.nan, df, np.nan, reason)
    att, influence = cells.att[rows], cells.contributions.columns(rows)
    covariance = influence.T @ influence
    scale = np.sqrt(np.diag(covariance))
    values = np.linalg.eigvalsh(covariance / np.outer(scale, scale))
    if values[0] <= np.finfo(float).eps * values[-1] * df:
        return PreTest(np.nan, df, np.nan, f"the covariance of the {df:,} effects before the start is singular")
    statistic = float(att @ np.linalg.solve(covariance, att))
    return PreTest(statistic, df, float(special.chdtrc(df, statistic)))


def pre_horizons(terms: list[Term], *, anticipation: int) -> Linear | None:
    """Events before any anticipation that have a standard error; None where there is none."""
    event = next((t for t in terms if t.name == "event"), None)
    if event is None:
        return None
    rows = (event.horizon < -anticipation) & ~np.isnan(event.difference.std_error)
    return Linear(event.difference.estimate[rows], event.difference.influence[:, rows]) if rows.any() else None


def joint(cells: Cells, terms: list[Term], *, base: str, before: Grouped | None = None) -> JointEstimate | None:
    """Return the events with the covariance of their influence functions; None where none has an error."""
    event = next((t for t in terms if t.name == "event"), None)
    if event is None:
        return None
    rows = ~np.isnan(event.difference.std_error) & (areas_behind(cells, event) > 1)
    if not rows.any():
        return None
    influence = event.difference.influence[:, rows]
    estimate = event.difference.estimate[rows]
    return event_joint("difference", event.horizon[rows], estimate, influence.T @ influence, base=base, before=before)


def areas_behind(cells: Cells, term: Term) -> Ints:
    """Return how many treated areas the cells of each row of a term rest on, shape (A,): the most of each cohort.

    Areas that share their noise count as one.
    """
    if term.cells is None:
        return np.full(len(term.horizon), len(term.difference.influence))
    held = cells.contributions
    if not held.units.single or held.weight is not None:
        return held.units.some(held.summed(term.cells.astype(np.float64)) > 0).sum(axis=0)
    first = np.flatnonzero(np.append(True, np.diff(cells.cohort) != 0))
    most = np.maximum.reduceat(term.cells * cells.n_treated[:, None], first, axis=0)
    return most.sum(axis=0).astype(np.int64)
