"""Demand ahead: quantiles for every area, beside what simple methods would have scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.breaks import Break
from svmodel.errors import DataError, DesignError, EstimationError, Problems, did_you_mean, shorten
from svmodel.forecast.backtest import past_scores, rolling_origins
from svmodel.forecast.methods import ALPHAS, History, LastValue, PooledSmoothing, SeasonalNaive
from svmodel.forecast.scores import check_quantiles
from svmodel.panel import Panel

QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
_YEARS_NEEDED = 2
_YEARS_WANTED = 3
#: Coverage outside these limits is said to be off; past origins overlap, so that less would be noise.
_COVERAGE_FINE = (0.90, 0.99)
_METHOD_WORDS = {"last_value": "the last value", "seasonal_naive": "the same season a year before"}


@dataclass(frozen=True, eq=False, repr=False)
class Forecast:
    """What :func:`forecast` answers.

    Attributes
    ----------
    outcome : str
    quantiles : pandas.DataFrame
        ``area, period, horizon, quantile, value``: predicted counts, whole numbers. An area that cannot be
        forecast has no rows, and a note says why.
    scores : pandas.DataFrame
        ``method, area, horizon, wis, coverage_50, coverage_95, n``: mean weighted interval score (in events;
        smaller is better) and coverage at past origins. ``method`` is ``pooled_smoothing``, ``last_value`` or
        ``seasonal_naive``; ``area`` and ``horizon`` are ``"all"`` where averaged over, a horizon is text.
    parameters : mapping
        ``alpha, dispersion`` (by horizon), ``season`` (by season), ``origins``, ``breaks``, ``seed``.
    notes : tuple of str
        What was left out or needs care, and where a simple method did better. Reports print them.
    """

    outcome: str
    quantiles: pd.DataFrame
    scores: pd.DataFrame
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def intervals(self, area: str | None = None) -> pd.DataFrame:
        """Return one row for each area and period, ready for a table or a plot.

        Parameters
        ----------
        area : str, optional
            One area; all of them where None.

        Returns
        -------
        pandas.DataFrame
            ``area, period, horizon, median, low_50, high_50, low_95, high_95``.

        Raises
        ------
        DataError
            If there is no forecast for that area.
        """
        rows = self.quantiles
        if area is not None:
            rows = rows[rows["area"] == area]
            if rows.empty:
                known = self.quantiles["area"].unique()
                raise DataError(f"there is no forecast for {area!r}. {did_you_mean(area, known)}")
        wide = rows.pivot_table(
            index=["area", "period", "horizon"], columns="quantile", values="value", aggfunc="first"
        )
        columns = {"median": 0.5, "low_50": 0.25, "high_50": 0.75, "low_95": 0.025, "high_95": 0.975}
        found = {name: wide.iloc[:, int(np.abs(wide.columns - p).argmin())] for name, p in columns.items()}
        return pd.DataFrame(found).reset_index()

    def past(self, area: str = "all") -> pd.DataFrame:
        """Return each method's mean past scores over all horizons, best first, for one area or for all."""
        rows = self.scores[(self.scores["area"] == area) & (self.scores["horizon"] == "all")]
        return rows.drop(columns=["area", "horizon"]).sort_values("wis", kind="stable", ignore_index=True)

    def __repr__(self) -> str:
        n = self.quantiles["area"].nunique()
        ahead = self.quantiles["horizon"].max() if n else 0
        return f"<Forecast of {self.outcome}: {n:,} areas, {ahead} periods ahead>"


def forecast(
    panel: Panel,
    outcome: str,
    *,
    horizon: int | None = None,
    breaks: Iterable[Break] = (),
    quantiles: Sequence[float] = QUANTILES,
    seed: int = 0,
) -> Forecast:
    """Forecast every area's counts by negative binomial exponential smoothing pooled over areas.

    Season, smoothing constant and dispersion by horizon are learnt from all areas together
    (:class:`svmodel.forecast.methods.PooledSmoothing`), the level from each area's own counts. The same method, the
    last value and the seasonal naive are scored at up to 24 past origins; every parameter is learnt anew at each
    origin from the counts up to it, so the scores are those that the method would have had.

    Parameters
    ----------
    panel : Panel
        Monthly, quarterly or yearly, of areas that are alike: parameters are shared.
    outcome : str
        A count of the panel.
    horizon : int, optional
        Periods ahead; one year where None (12 months, 4 quarters).
    breaks : iterable of Break
        Declared changes of recording (or of the world): the level is learnt anew from the period in which one starts,
        and again after a temporary one ends. Forecasts across a declared break teach nothing and are not scored. A
        break touches only origins at or after it, as if it had been declared then.
    quantiles : sequence of float
        Probabilities: rising, in pairs p and 1 - p, with 0.025, 0.25 and 0.5 among them.
    seed : int
        The method draws no random numbers; the seed is kept with the parameters so that all methods are called alike.

    Returns
    -------
    Forecast

    Raises
    ------
    DesignError
        If the question is wrong, with all faults at once.
    EstimationError
        If the panel is shorter than two years, or no area can be forecast.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from svmodel import Panel
    >>> months = pd.period_range("2018-01", periods=72, freq="M").astype(str)
    >>> rng = np.random.default_rng(1)
    >>> areas = np.repeat(["A", "B"], 72)
    >>> frame = pd.DataFrame({"area": areas, "month": np.tile(months, 2), "n": rng.poisson(40, 144)})
    >>> ahead = forecast(Panel.from_frame(frame, area="area", period="month", counts=["n"]), "n")
    >>> print(ahead.intervals("A")[["period", "median", "low_95", "high_95"]].head(2).to_string(index=False))
     period  median  low_95  high_95
    2024-01    40.0    27.0     53.0
    2024-02    40.0    27.0     53.0
    """
    changes = tuple(breaks)
    probabilities = _check_question(panel, outcome, horizon, changes, quantiles)
    per_year = periods.per_year(panel.periods)
    history = History(
        panel.matrix(outcome),
        _season_of(panel.periods, per_year),
        per_year,
        per_year if horizon is None else int(horizon),
        _jumps(panel.periods, changes),
    )
    _check_length(panel, outcome, history)
    ours = PooledSmoothing(history)
    methods = (ours, LastValue(history), SeasonalNaive(history))
    origins = rolling_origins(history.n_periods, per_year, history.horizon)
    now = history.n_periods - 1
    values = ours.at(now, probabilities)
    if np.isnan(values).all():
        raise EstimationError(f"{outcome} cannot be forecast in any area: " + " ".join(_area_notes(panel, ours)))
    scores = past_scores(methods, history, origins, probabilities, panel.areas)
    alpha = ours.alpha_at(now)
    parameters = {
        "method": ours.name,
        "alpha": float(ALPHAS[alpha]),
        "dispersion": tuple(float(k) for k in ours.dispersion_at(now, alpha)),
        "season": tuple(float(s) for s in ours.season[now]),
        "origins": tuple(str(panel.periods[o]) for o in origins),
        "breaks": tuple(str(c) for c in changes),
        "seed": int(seed),
    }
    notes = (*_data_notes(panel, history, ours, origins), *_area_notes(panel, ours), *_score_notes(panel, scores))
    return Forecast(outcome, _quantile_table(panel, values, probabilities), scores, parameters, notes)


def _check_question(
    panel: Panel, outcome: str, horizon: int | None, changes: tuple[Break, ...], quantiles: Sequence[float]
) -> NDArray[np.float64]:
    problems = Problems()
    if outcome not in panel.counts:
        fix = did_you_mean(outcome, panel.counts)
        problems.add(f"{outcome!r} is no count of the panel", fix=fix, rule="unknown_outcome")
    whole = isinstance(horizon, Integral) and not isinstance(horizon, bool)
    if horizon is not None and not (whole and horizon >= 1):
        problems.add(f"{horizon!r} is no number of periods ahead", fix="Write 12 for a year of months.", rule="horizon")
    if periods.has_weeks(panel.periods):
        word = periods.describe_frequency(panel.periods)
        fix = "Sum days to months: panel.aggregate('month')." if word == "day" else "Give counts by month."
        problems.add(f"a forecast knows the season of months and quarters, not that of {word}s", fix=fix, rule="season")
    for change in changes:
        if not isinstance(change, Break):
            problems.add(f"{change!r} is no break", fix="Write Break('2024-03', 'reason').", rule="not_a_break")
    try:
        check_quantiles(quantiles)
    except DataError as error:
        problems.extend(error.problems)
    problems.raise_if_any(DesignError, "the forecast cannot be asked for")
    return check_quantiles(quantiles)


def _season_of(index: pd.PeriodIndex, per_year: int) -> NDArray[np.int64]:
    if per_year == 1:
        return np.zeros(len(index), dtype=np.int64)
    return np.asarray(index.month if per_year == 12 else index.quarter, dtype=np.int64) - 1


def _jumps(index: pd.PeriodIndex, changes: tuple[Break, ...]) -> tuple[int, ...]:
    """Return the positions at which the level jumps: where a break starts, and after a temporary one."""
    places = {p for change in changes for p in change.within(index) if p is not None}
    return tuple(sorted(p for p in places if 0 < p < len(index)))


def _check_length(panel: Panel, outcome: str, history: History) -> None:
    least = _YEARS_NEEDED * history.per_year
    problems = Problems()
    if history.n_periods < least + 1:
        word = periods.describe_frequency(panel.periods)
        problems.add(f"the panel has {history.n_periods} {word}s and {least + 1} are needed", rule="panel_too_short")
    if np.nansum(history.counts) == 0:
        problems.add("every count is zero or missing", rule="all_zero")
    problems.raise_if_any(EstimationError, f"{outcome} cannot be forecast")


def _quantile_table(panel: Panel, values: NDArray[np.float64], probabilities: NDArray[np.float64]) -> pd.DataFrame:
    n_areas, horizon, n_q = values.shape
    ahead = pd.period_range(panel.periods[-1] + 1, periods=horizon, freq=panel.periods.freqstr)
    step = np.tile(np.repeat(np.arange(horizon), n_q), n_areas)
    frame = pd.DataFrame(
        {
            "area": np.repeat(np.array(panel.areas, dtype=object), horizon * n_q),
            "period": ahead[step],
            "horizon": step + 1,
            "quantile": np.tile(probabilities, n_areas * horizon),
            "value": values.ravel(),
        }
    )
    return frame[frame["value"].notna()].reset_index(drop=True)


def _data_notes(panel: Panel, history: History, ours: PooledSmoothing, origins: Sequence[int]) -> Iterable[str]:
    word = periods.describe_frequency(panel.periods)
    if history.per_year > 1 and (ours.season[-1] == 1).all():
        yield f"The {word}s show no season that could be told from chance, or too few years of it; none is forecast."
    if not origins:
        needed = _YEARS_WANTED * history.per_year + history.horizon
        yield (
            f"{history.n_periods} {word}s are too few to score forecasts on the past ({needed} are needed): how good "
            "these forecasts are is not known."
        )
    gaps = int(np.isnan(history.counts).sum())
    if gaps:
        yield f"{gaps:,} area-{word}s have no count; they were passed over, not taken as zero."


def _area_notes(panel: Panel, ours: PooledSmoothing) -> Iterable[str]:
    word = periods.describe_frequency(panel.periods)
    per_year = ours.history.per_year
    seen, stale = ours.levels.seen[:, -1], ours.levels.stale[:, -1]
    names = [panel.label(a) for a in panel.areas]

    def those(mask: NDArray[np.bool_]) -> str:
        return shorten([names[i] for i in np.flatnonzero(mask)])

    few = seen < per_year
    old = ~few & (stale >= per_year)
    if few.any():
        yield f"No forecast for {those(few)}: fewer than {per_year} observed {word}s."
    if old.any():
        yield f"No forecast for {those(old)}: no count in the latest {per_year} {word}s."
    short = ~few & ~old & (seen < _YEARS_WANTED * per_year)
    if short.any():
        yield (
            f"{those(short)}: fewer than {_YEARS_WANTED * per_year} observed {word}s; the forecast leans on the other "
            "areas' season and spread."
        )
    behind = ~few & ~old & (stale > 0)
    if behind.any():
        yield f"{those(behind)}: the latest {word}s are missing, so the forecast looks further ahead than it says."


def _score_notes(panel: Panel, scores: pd.DataFrame) -> Iterable[str]:
    overall = scores[scores["horizon"] == "all"]
    together = overall[overall["area"] == "all"].set_index("method")
    if together.empty or not together["n"].gt(0).all():
        return
    wis = together["wis"]
    for rival, words in _METHOD_WORDS.items():
        if wis[rival] < wis["pooled_smoothing"]:
            worse = 100 * (wis["pooled_smoothing"] / wis[rival] - 1)
            yield (
                f"On the past, over all areas together, forecasting {words} did better than our method: its weighted "
                f"interval score was "
                f"{wis[rival]:.3g} against {wis['pooled_smoothing']:.3g} ({worse:.0f}% worse)."
            )
    single = overall[(overall["area"] != "all") & (overall["n"] > 0)]
    by_area = single.pivot_table(index="area", columns="method", values="wis", aggfunc="first")
    beaten = by_area[by_area[list(_METHOD_WORDS)].min(axis=1) < by_area["pooled_smoothing"]]
    if len(beaten):
        yield (
            f"In {len(beaten):,} of {len(by_area):,} areas a simple method scored better on the past than ours: "
            f"{shorten(panel.label(str(a)) for a in beaten.index)}."
        )
    coverage = together.loc["pooled_smoothing", "coverage_95"]
    if coverage < _COVERAGE_FINE[0]:
        yield f"Over all areas together the 95% intervals held {coverage:.0%} of past counts: they were too narrow."
    elif coverage > _COVERAGE_FINE[1]:
        yield f"Over all areas together the 95% intervals held {coverage:.1%} of past counts: they were too wide."
