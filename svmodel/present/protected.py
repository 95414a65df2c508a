"""What a study shows: its counts and its results after disclosure control. One place to read what is let out.

:class:`Protected` is made once for a study, from its panels and all its results together. Pages, figures, numbers and
files are made from it alone: in no frame that it gives can anything hidden be read or worked out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from svmodel import periods, profile
from svmodel.bayes.of_area import with_and_without
from svmodel.design import DesignArrays
from svmodel.design.meaning import HARMS, Meaning
from svmodel.errors import DataError, EstimationError
from svmodel.panel import Panel
from svmodel.present.facts import EffectFact
from svmodel.protect import CONFIDENTIAL, Disclosure
from svmodel.result import SCALES, Effect, Result
from svmodel.result.tables import ALL_TREATED

_COUNTERFACTUAL = ("observed", "expected", "low", "high", "difference")
_NUMBERS = ("estimate", "std_error", "conf_low", "conf_high", "p_value", "prob_reduction")


@dataclass(frozen=True, eq=False)
class ProtectedPanel:
    """The counts of a panel as they may be published.

    Parameters
    ----------
    panel : Panel
    disclosure : Disclosure
    """

    panel: Panel
    disclosure: Disclosure = field(default_factory=Disclosure)
    _rates: dict[tuple[str, str | None, int, float], pd.DataFrame] = field(default_factory=dict, repr=False)

    def monthly(self, outcome: str, area: str) -> pd.DataFrame:
        """Return one area's counts by period.

        Returns
        -------
        pandas.DataFrame
            Columns period, count, count_flag; T rows.

        Raises
        ------
        DataError
            If the panel has no such area.
        """
        if area not in self.panel.areas:
            raise DataError(f"{area!r} is no area of the panel")
        values = self.panel.matrix(outcome)[self.panel.areas.index(area)]
        frame = pd.DataFrame({"period": self.panel.periods, "count": values})
        if outcome not in self.panel.counts:
            return _unprotected(frame, "count")
        return self.disclosure.for_series(values).protect(frame, counts=["count"])

    def rolling_rates(
        self, outcome: str, exposure: str | None, *, width: int = 12, per: float = 100_000
    ) -> pd.DataFrame:
        """Return running sums over `width` periods, and their rates, for every area and for all together.

        Parameters
        ----------
        outcome : str
            A count.
        exposure : str or None
            Persons at risk; without it there are no rates.
        width : int
            Periods in one sum.
        per : float
            Persons to whom a rate refers; the rate is of the whole sum (a year's, for 12 months).

        Returns
        -------
        pandas.DataFrame
            Columns area, period, count, exposure, rate and their flags; the first `width` - 1 periods of
            each area are left out. The area ``"all areas"`` sums the others; a sum with a missing part is missing.
        """
        key = (outcome, exposure, width, per)
        if key not in self._rates:
            self._rates[key] = self._rolling(*key)
        return self._rates[key].copy()

    def _rolling(self, outcome: str, exposure: str | None, width: int, per: float) -> pd.DataFrame:
        panel, disclosure = self.panel, self.disclosure
        columns = ["area", "period", "count", "exposure", "rate"]
        frame = profile.rolling(panel, outcome, exposure, width=width, per=per).reindex(columns=columns)
        whole = panel.aggregate("all")
        total = profile.rolling(whole, outcome, exposure, width=width, per=per).reindex(columns=columns)
        total["area"] = "all areas"
        matrix = panel.matrix(outcome)
        rules = {area: disclosure.for_series(matrix[i]) for i, area in enumerate(panel.areas)}
        # exact areas and an exact total would give a rounded area back
        rules["all areas"] = disclosure.for_series(matrix)
        parts = {**dict(list(frame.groupby("area", sort=True))), "all areas": total}
        remade = {"rate": lambda f: f["count"] / f["exposure"] * per}
        shown = [rules[str(a)].protect(part, counts=["count"], derived=remade) for a, part in parts.items()]
        out = pd.concat(shown, ignore_index=True)
        return out[out["period"] >= panel.periods[min(width, len(panel.periods)) - 1]].reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class ProtectedResult:
    """The numbers of a result as they may be published.

    Parameters
    ----------
    result : Result
        What it says in words, and its posterior, are read from here; its numbers are not.
    disclosure : Disclosure
    """

    result: Result
    disclosure: Disclosure = field(default_factory=Disclosure)

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """The table of estimates as it may be published, with ``estimate_flag``.

        An estimate that rests on a small number of observed events is hidden, as it would give them back. Where a rule
        is in force, differences in events are rounded as counts are, and the two scales that are multiples of them (per
        100,000, outcome's units) are moved with them; their standard errors, which would undo
        this, are left out. Rate ratios stay as they are.

        Raises
        ------
        DataError
            If a rule is in force and the result was read without its design, so that nobody can tell which
            estimates rest on small numbers.
        """
        result, disclosure = self.result, self.disclosure
        frame = result.estimates.copy()
        frame["estimate_flag"] = ""
        is_count = result.design is None or result.design.is_count
        if not disclosure.active or not is_count:
            return frame
        if result.design is None:
            raise DataError("a result without its design cannot be published under a disclosure rule; give its design")
        hidden = disclosure.small(_events_behind(result, frame))
        rule = self._rule_for(ALL_TREATED, ())
        limits = ["estimate", "conf_low", "conf_high"]
        numbers = frame[limits].to_numpy(dtype=np.float64)
        keys = list(zip(*(frame[k].astype(str) for k in ("term", "area", "cohort", "period", "horizon")), strict=True))
        is_events = (frame["scale"] == "events").to_numpy()
        events = {key: value for key, value, own in zip(keys, numbers[:, 0], is_events, strict=True) if own}
        shown = numbers.copy()
        for i, (scale, key) in enumerate(zip(frame["scale"], keys, strict=True)):
            if scale == "rate_ratio":
                continue
            in_events = events.get(key, np.nan)
            if scale == "events":
                shown[i] = rule.model(numbers[i])
            elif np.isfinite(in_events) and in_events != 0 and numbers[i, 0] != 0:
                unit = numbers[i, 0] / in_events
                shown[i] = rule.model(numbers[i] / unit) * unit
            else:
                shown[i] = [float(f"{value:.2g}") for value in numbers[i]]
        frame[limits] = shown
        frame.loc[frame["scale"] != "rate_ratio", "std_error"] = np.nan
        frame.loc[hidden, list(_NUMBERS)] = np.nan
        frame.loc[hidden, "estimate_flag"] = CONFIDENTIAL
        return frame

    def effect(self, term: str = "att", scale: str = "rate_ratio", **which: Any) -> Effect | None:
        """Return one effect; None where it is not given or is hidden."""
        frame = self.estimates
        rows = frame[(frame["term"] == term) & (frame["scale"] == scale)]
        for column, value in which.items():
            rows = rows[rows[column] == value]
        if len(rows) != 1 or rows["estimate_flag"].iloc[0] == CONFIDENTIAL:
            return None
        row = rows.iloc[0]
        return Effect(term=term, scale=scale, **{name: float(row[name]) for name in (*_NUMBERS, "level")})

    def fact(self, area: str = ALL_TREATED, method: str = "") -> EffectFact | None:
        """Return the effect in an area, or over all treated ones; None where the method gives none.

        Parameters
        ----------
        area : str
            A treated area, a reporting area that holds some, or ``"all treated"``.
        method : str
            Label of the estimator.
        """
        which = {} if area == ALL_TREATED else {"area": area}
        term = "area" if which else "att"
        rows = self.estimates[self.estimates["term"] == term]
        rows = rows[rows["area"] == area] if which else rows
        if rows.empty:
            return None
        return EffectFact(
            method,
            **{scale: self.effect(term, scale, **which) for scale in SCALES},
            hidden=bool((rows["estimate_flag"] == CONFIDENTIAL).any()),
            posterior=self.result.is_posterior,
            area=area,
            in_doubt=self.result.uncertainty.in_doubt,
            meaning=self.meaning,
        )

    @property
    def meaning(self) -> Meaning:
        """What a change of the outcome means; one of harms where the result was read without its design."""
        return HARMS if self.result.design is None else self.result.design.meaning

    def counterfactual(self, area: str = ALL_TREATED) -> pd.DataFrame:
        """Return observed and expected counts by period.

        Parameters
        ----------
        area : str
            A treated area, a reporting area with treated areas in it (their sum), or ``"all treated"``.

        Returns
        -------
        pandas.DataFrame
            Columns area, period, observed, expected, low, high, difference (observed less expected; negative
            means fewer) and flags, in order of time. ``low`` and ``high`` are missing where the method gives none.

        Raises
        ------
        EstimationError
            If the method gives no counterfactual for the area.
        """
        result = self.result
        if result.counterfactual is None or not (result.counterfactual["area"] == area).any():
            raise EstimationError(f"{type(result.estimator).__name__} gives no expected counts for {area!r}")
        frame = result.counterfactual[result.counterfactual["area"] == area].sort_values("period", ignore_index=True)
        frame["difference"] = frame["observed"] - frame["expected"]
        if result.design is not None and not result.design.is_count:
            return _unprotected(frame, *_COUNTERFACTUAL)
        rule = self._rule_for(area, frame["observed"])
        modelled = {c: _coarse(frame[c], rule) for c in ("expected", "low", "high")}
        return rule.protect(
            frame, counts=["observed"], derived={**modelled, "difference": lambda f: f["observed"] - f["expected"]}
        )

    def with_and_without(self, area: str = ALL_TREATED) -> pd.DataFrame:
        """Return observed counts, and those that a Bayesian model expects with and without the intervention.

        Parameters
        ----------
        area : str
            As in :meth:`counterfactual`.

        Returns
        -------
        pandas.DataFrame
            Columns of :func:`svmodel.bayes.of_area.with_and_without`, with flags.

        Raises
        ------
        EstimationError
            If the result holds no posterior of it.
        """
        frame = with_and_without(self.result, area)
        rule = self._rule_for(area, frame["observed"])
        columns = [c for c in frame.columns if c not in ("period", "observed")]
        return rule.protect(frame, counts=["observed"], derived={c: _coarse(frame[c], rule) for c in columns})

    def totals(self, area: str = ALL_TREATED) -> dict[str, float]:
        """Return ``observed`` and ``expected`` counts summed over the treated cells; NaN where hidden or not given.

        Expected is observed less the effect in events, so that the two always agree with the table of effects.
        """
        result = self.result
        blank = {"observed": np.nan, "expected": np.nan}
        term = {"term": "att"} if area == ALL_TREATED else {"term": "area", "area": area}
        if result.design is None or not result.has(term["term"], "events"):
            return blank
        arrays = result.design.arrays
        observed = float(np.nansum(np.where(_treated_of(result, arrays, area), arrays.y, 0.0)))
        found = self.effect(term.pop("term"), "events", **term)
        if found is None or self.disclosure.small([observed])[0]:
            return blank
        path = result.counterfactual
        rule = self._rule_for(
            area, () if path is None else path.loc[path["area"] == area, "observed"].to_numpy(np.float64)
        )
        shown = rule.count(observed)
        return {"observed": shown, "expected": shown - found.estimate}

    def _rule_for(self, area: str, observed: ArrayLike) -> Disclosure:
        """Return the rule for sums over treated areas.

        A reporting area's total is published on its own page, and so is the part of it that was treated: the part
        that was not follows by subtraction. The sum over all treated areas is made of these parts.
        """
        result, disclosure = self.result, self.disclosure
        if not disclosure.active or disclosure.rounds or result.design is None:
            return disclosure
        panel, treated = result.design.panel, set(result.design.intervention.areas)
        matrix = panel.matrix(result.design.outcome)
        group = {a: panel.parents.get(a, a) for a in panel.areas}
        chosen = {group[a] for a in panel.areas if a in treated} if area == ALL_TREATED else {group.get(area, area)}
        series: list[ArrayLike] = [observed]
        for parent in sorted(chosen):
            for inside in (True, False):
                rows = [i for i, a in enumerate(panel.areas) if group[a] == parent and (a in treated) == inside]
                if rows:
                    series.append(matrix[rows].sum(axis=0))
        return disclosure.for_series(*series)


@dataclass(frozen=True, eq=False)
class Protected:
    """What a study shows, decided once from all its numbers together.

    Attributes
    ----------
    disclosure : Disclosure
    panel, reporting : ProtectedPanel
        Of the areas at which effects are estimated, and of reporting areas.
    results : mapping of str to mapping of str to ProtectedResult
        By outcome, then by estimator label.
    """

    disclosure: Disclosure
    panel: ProtectedPanel
    reporting: ProtectedPanel
    results: Mapping[str, Mapping[str, ProtectedResult]]

    @classmethod
    def of(
        cls, panel: Panel, reporting: Panel, results: Mapping[str, Mapping[str, Result]], disclosure: Disclosure
    ) -> Protected:
        """Return what may be shown of a study's panels and results."""
        shown = {o: {k: ProtectedResult(r, disclosure) for k, r in by.items()} for o, by in results.items()}
        for one in (r for by in shown.values() for r in by.values()):
            _ = one.estimates  # worked out here, so that it is not done again for every area
        return cls(disclosure, ProtectedPanel(panel, disclosure), ProtectedPanel(reporting, disclosure), shown)


def shown_of(result: Result | ProtectedResult, disclosure: Disclosure | None = None) -> ProtectedResult:
    """Return a result as it may be shown: by `disclosure`, unless that was settled when it was protected."""
    return result if isinstance(result, ProtectedResult) else ProtectedResult(result, disclosure or Disclosure())


def counts_of(panel: Panel | ProtectedPanel, disclosure: Disclosure | None = None) -> ProtectedPanel:
    """Return a panel's counts as they may be shown: by `disclosure`, unless they have been protected."""
    return panel if isinstance(panel, ProtectedPanel) else ProtectedPanel(panel, disclosure or Disclosure())


def mostly_hidden(frame: pd.DataFrame, column: str) -> bool:
    """Return whether more than a quarter of a protected column is hidden, so that a line of it would mislead."""
    return bool((frame[f"{column}_flag"] == CONFIDENTIAL).mean() > 0.25) if len(frame) else False


def _coarse(values: pd.Series, disclosure: Disclosure) -> Any:
    return lambda _: disclosure.model(values)


def _events_behind(result: Result, frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return the observed events that each estimate rests on, shape (len(frame),)."""
    if result.design is None:
        raise DataError("the result has no design")
    arrays = result.design.arrays
    last = len(arrays.periods)
    cohorts = [int(g) for g in np.unique(arrays.start) if g < last]
    y = np.nan_to_num(arrays.y)
    after = np.where(arrays.treated, y, 0.0)
    # sums by cohort and period, shape (cohorts, T): everything but single areas is a sum of these
    every = np.array([y[arrays.start == g].sum(axis=0) for g in cohorts]).reshape(len(cohorts), last)
    treated = np.array([after[arrays.start == g].sum(axis=0) for g in cohorts]).reshape(len(cohorts), last)
    by_horizon: dict[int, float] = {}
    for row, g in enumerate(cohorts):
        for t in range(last):
            by_horizon[t - g] = by_horizon.get(t - g, 0.0) + float(every[row, t])
    behind = []
    for record in frame[["term", "area", "cohort", "period", "horizon"]].to_dict(orient="records"):
        if record["term"] == "event":
            behind.append(by_horizon.get(int(record["horizon"]), 0.0))
        elif record["term"] == "area":
            behind.append(float(after[_rows_of(result, arrays, record["area"])].sum()))
        else:
            rows = [cohorts.index(_index_of(arrays, record["cohort"]))] if _given(record["cohort"]) else slice(None)
            columns = [_index_of(arrays, record["period"])] if _given(record["period"]) else slice(None)
            source = every if record["term"] == "cell" else treated
            behind.append(float(source[rows][:, columns].sum()))
    return np.array(behind, dtype=np.float64)


def _given(value: Any) -> bool:
    return value is not None and value == value  # noqa: PLR0124 - NaN alone differs from itself


def _rows_of(result: Result, arrays: DesignArrays, area: str) -> NDArray[np.bool_]:
    parents = result.design.panel.parents if result.design is not None else {}
    return np.array([a == area or parents.get(a) == area for a in arrays.areas])


def _treated_of(result: Result, arrays: DesignArrays, area: str) -> NDArray[np.bool_]:
    return arrays.treated if area == ALL_TREATED else arrays.treated & _rows_of(result, arrays, area)[:, None]


def _index_of(arrays: DesignArrays, period: Any) -> int:
    return int(periods.parse(period).ordinal - arrays.periods[0].ordinal)


def _unprotected(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Give a measure, which is no count of people, the flags that readers of the frame look for."""
    return Disclosure().protect(frame, counts=columns)
