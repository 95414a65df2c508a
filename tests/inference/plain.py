"""Small designs, and estimators so plain that a reader can check them, for tests of inference."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from svmodel import Design, Intervention, Panel
from svmodel.errors import EstimationError
from svmodel.result import Result
from svmodel.result.scales import estimates_frame, linear_row, log_row, provenance


def design(
    y, starts, *, ends=None, counts=False, parents=None, names=None, exposure=None, anticipation=0, covariate=None
):
    """A design on areas x periods; `starts` maps rows to periods."""
    n, length = y.shape
    names = names or [f"area {i:02d}" for i in range(n)]
    months = pd.period_range("2020-01", periods=length, freq="M")
    frame = pd.DataFrame(
        {"area": np.repeat(names, length), "period": np.tile(months.astype(str), n), "outcome": y.ravel()}
    )
    if exposure is not None:
        frame["people"] = exposure.ravel()
    if parents is not None:
        frame["parent"] = np.repeat(parents, length)
    if covariate is not None:
        frame["band"] = np.repeat(covariate, length)
    panel = Panel.from_frame(
        frame,
        area="area",
        period="period",
        counts=["outcome"] if counts else [],
        measures=[] if counts else ["outcome"],
        exposures=["people"] if exposure is not None else [],
        covariates=["band"] if covariate is not None else [],
        parent="parent" if parents is not None else None,
    )
    told = Intervention(
        "a thing",
        {names[i]: months[t] for i, t in starts.items()},
        {names[i]: months[t] for i, t in (ends or {}).items()},
    )
    return Design(
        panel,
        outcome="outcome",
        intervention=told,
        exposure="people" if exposure is not None else None,
        anticipation=anticipation,
    )


@dataclass(frozen=True)
class Averages:
    """Mean of treated cells less that of untreated ones, or the log of the ratio of both: no area or period effects."""

    ratio: bool = False

    @property
    def scale(self):
        return "log_rate_ratio" if self.ratio else "difference"

    def point(self, arrays):
        treated, rest = arrays.y[arrays.treated].mean(), arrays.y[arrays.untreated].mean()
        if not self.ratio:
            return float(treated - rest)
        return float(np.log(treated / rest)) if treated > 0 else -np.inf

    def fit(self, design, *, seed=0):
        arrays = design.arrays
        effect = self.point(arrays)
        if np.isnan(effect):
            raise EstimationError("nothing to compare")
        observed, cells = float(arrays.y[arrays.treated].sum()), int(arrays.treated.sum())
        expected = observed - cells * effect
        if self.ratio:
            expected = observed / np.exp(effect) if observed else cells * arrays.y[arrays.untreated].mean()
        row = log_row("att", effect, 0.1) if self.ratio else linear_row("att", "difference", effect, 0.1)
        return Result(
            estimates=estimates_frame([row]),
            design=design,
            estimator=self,
            diagnostics={"observed": observed, "expected": expected, "treated_cells_used": cells},
            provenance=provenance(design, seed),
            seed=seed,
        )


@dataclass(frozen=True)
class Changes(Averages):
    """Change of the treated areas' means less that of the others' (not staggered); or the log of its ratio."""

    def _means(self, arrays):
        treated = arrays.treated.any(axis=1)
        if not treated.any() or treated.all():
            return None
        after = arrays.treated[treated][0]
        y = arrays.y
        return y[treated][:, after], y[treated][:, ~after], y[~treated][:, after], y[~treated][:, ~after]

    def point(self, arrays):
        means = self._means(arrays)
        if means is None:
            return float("nan")
        a, b, c, d = (m.mean() for m in means)
        if not self.ratio:
            return float((a - b) - (c - d))
        return float(np.log(a / b / (c / d))) if a > 0 else -np.inf


@dataclass(frozen=True)
class WithPath(Changes):
    """The same with a counterfactual path, whose residuals are those of a two-way fit to untreated cells."""

    def path(self, arrays):
        treated = arrays.treated.any(axis=1)
        after = arrays.treated[treated][0]
        control = arrays.y[~treated].mean(axis=0)
        level = arrays.y[treated][:, ~after].mean(axis=1) - control[~after].mean()
        expected = np.full(arrays.y.shape, np.nan)
        expected[treated] = level[:, None] + control[None, :]
        return arrays.y, expected


@dataclass(frozen=True)
class RefitOnly:
    """An estimator without `point`, `scale` or a joint estimate."""

    inner: Averages = Changes()

    def fit(self, design, *, seed=0):
        made = self.inner.fit(design, seed=seed)
        return Result(estimates=made.estimates, design=design, estimator=self, diagnostics=made.diagnostics, seed=seed)
