"""A slow, plain Callaway-Sant'Anna straight from the papers; the fast one must agree with it.

Loops over cohorts, periods and areas; means over the N areas as in Sant'Anna and Zhao (2020) and in R's
DRDID; statsmodels for logit and least squares; the weights' influence function as R's did writes it.
"""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import svmodel as sv
from svmodel.did.callaway_santanna import CallawaySantAnna

PERIODS = pd.period_range("2020-01", periods=9, freq="M")
STARTS = {4: 8, 6: 9, 7: 7}  # cohort start (index of PERIODS) -> areas
NEVER = 18


def simulated(seed=5, *, missing=0, covariate=True, wandering=False):
    """A staggered panel as arrays: y (N, T), x (N, T), start (N,), -1 for never treated."""
    rng = np.random.default_rng(seed)
    start = np.repeat([*STARTS, -1], [*STARTS.values(), NEVER])
    n, T = len(start), len(PERIODS)
    x = rng.normal(size=n) + 0.4 * (start > 0)
    x = np.repeat(x[:, None], T, axis=1) + (0.3 * rng.normal(size=(n, T)) if wandering else 0)
    time = np.arange(T)
    y = 10 + rng.normal(size=n)[:, None] + 0.5 * time + 0.3 * x * time + rng.normal(size=(n, T))
    for g in STARTS:
        y += np.where((start == g)[:, None] & (time >= g), -1.0 - 0.2 * (time - g), 0.0)
    holes = rng.choice(n * T, size=missing, replace=False)
    y.ravel()[holes] = np.nan
    return y, x if covariate else None, start


def as_design(y, x, start, *, anticipation=0):
    n, T = y.shape
    names = [f"area {i:02d}" for i in range(n)]
    frame = pd.DataFrame({"area": np.repeat(names, T), "month": np.tile(PERIODS.astype(str), n), "y": y.ravel()})
    if x is not None:
        frame["x"] = x.ravel()
    panel = sv.Panel.from_frame(
        frame, area="area", period="month", measures=["y"], covariates=[] if x is None else ["x"]
    )
    starts = {names[i]: str(PERIODS[s]) for i, s in enumerate(start) if s >= 0}
    return sv.Design(
        panel,
        outcome="y",
        covariates=() if x is None else ("x",),
        intervention=sv.Intervention("i", starts=starts),
        anticipation=anticipation,
    )


def plain_two_by_two(after, before, D, x, method):
    """ATT and influence function (not divided by N) of one comparison."""
    change, n = after - before, len(D)
    X = np.ones((n, 1)) if x is None else np.column_stack([np.ones(n), x])
    ps = sm.Logit(D, X).fit(disp=0, method="newton", tol=1e-14).predict() if method != "reg" else np.zeros(n)
    gamma = sm.OLS(change[D == 0], X[D == 0]).fit().params if method != "ipw" else np.zeros(X.shape[1])
    rest = change - X @ gamma
    w1, w0 = D.astype(float), ps * (1 - D) / (1 - ps)
    eta1 = np.mean(w1 * rest) / np.mean(w1)
    ols = ((1 - D) * rest)[:, None] * X @ np.linalg.inv((X * (1 - D)[:, None]).T @ X / n)
    ols = ols if method != "ipw" else np.zeros_like(ols)
    treated = (w1 * (rest - eta1) - ols @ np.mean(w1[:, None] * X, axis=0)) / np.mean(w1)
    if method == "reg":
        return eta1, treated
    eta0 = np.mean(w0 * rest) / np.mean(w0)
    score = (D - ps)[:, None] * X @ np.linalg.inv((X * (ps * (1 - ps))[:, None]).T @ X / n)
    m2 = np.mean((w0 * (rest - eta0))[:, None] * X, axis=0)
    m3 = np.mean(w0[:, None] * X, axis=0)
    controls = (w0 * (rest - eta0) + score @ m2 - ols @ m3) / np.mean(w0)
    return eta1 - eta0, treated - controls


def plain_cells(y, x, start, *, control, method, base_period, anticipation):
    """Cells as rows (g, t, att, influence function, members); None for a reference period."""
    n, T = y.shape
    rows = []
    for g in sorted(set(start[start >= 0])):
        for t in range(0 if base_period == "universal" else 1, T):
            anchor = g - anticipation - 1
            base = anchor if base_period == "universal" or t >= g - anticipation else t - 1
            seen = ~np.isnan(y[:, t]) & ~np.isnan(y[:, base])
            member = (start == g) & seen
            if control == "never_treated":
                pool = start < 0
            else:
                pool = (start < 0) | ((start > max(t, base) + anticipation) & (start != g))
            keep = member | (pool & seen)
            if t == base:
                rows.append((g, t, 0.0, np.zeros(n), member))
                continue
            covariate = None if x is None else x[keep, min(t, base)]
            att, part = plain_two_by_two(y[keep, t], y[keep, base], member[keep].astype(int), covariate, method)
            influence = np.zeros(n)
            influence[keep] = part * n / keep.sum()
            rows.append((g, t, att, influence, member))
    return rows


def plain_weighted(rows):
    """Weighted average with R's ``wif``: probabilities, numerator and denominator one by one."""
    n = len(rows[0][3])
    p = [row[4].mean() for row in rows]
    total = sum(p)
    att = sum(pk * row[2] for pk, row in zip(p, rows, strict=True)) / total
    influence = np.zeros(n)
    for pk, row in zip(p, rows, strict=True):
        influence += pk / total * row[3]
        numerator = (row[4] - pk) / total
        denominator = sum(other[4] - q for q, other in zip(p, rows, strict=True)) * pk / total**2
        influence += (numerator - denominator) * row[2]
    return att, influence


def plain_mean(parts):
    return np.mean([a for a, _ in parts]), np.mean([i for _, i in parts], axis=0)


def plain_terms(rows):
    """Every (term, key) -> (estimate, standard error)."""
    post = [r for r in rows if r[1] >= r[0]]
    found = {("att", None): plain_weighted(post)}
    events = {e: plain_weighted([r for r in rows if r[1] - r[0] == e]) for e in {r[1] - r[0] for r in rows}}
    cohorts = {g: plain_mean([(r[2], r[3]) for r in post if r[0] == g]) for g in {r[0] for r in post}}
    times = {t: plain_weighted([r for r in post if r[1] == t]) for t in {r[1] for r in post}}
    found |= {("event", e): v for e, v in events.items()}
    found |= {("cohort", g): v for g, v in cohorts.items()} | {("calendar", t): v for t, v in times.items()}
    found["event_average", None] = plain_mean([v for e, v in events.items() if e >= 0])
    found["calendar_average", None] = plain_mean(list(times.values()))
    of_cohort = {g: np.any([r[4] for r in post if r[0] == g], axis=0) for g in cohorts}
    found["cohort_average", None] = plain_weighted([(g, None, *cohorts[g], of_cohort[g]) for g in cohorts])
    found |= {("cell", (r[0], r[1])): (r[2], r[3]) for r in rows}
    return {k: (a, np.sqrt(np.mean(i**2) / len(i))) for k, (a, i) in found.items()}


def fast_terms(result):
    index = {p: i for i, p in enumerate(PERIODS)}
    key = {
        "event": lambda r: int(r.horizon),
        "cohort": lambda r: index[r.cohort],
        "calendar": lambda r: index[r.period],
        "cell": lambda r: (index[r.cohort], index[r.period]),
    }
    rows = result.estimates[result.estimates["scale"] == "difference"].itertuples()
    return {(r.term, key.get(r.term, lambda _: None)(r)): (r.estimate, r.std_error) for r in rows}


@pytest.mark.parametrize("anticipation", [0, 1])
@pytest.mark.parametrize("base_period", ["varying", "universal"])
@pytest.mark.parametrize(
    ("data", "method"),
    [("plain", "dr"), ("missing", "dr"), ("wandering", "dr")]  # without covariates the three methods are one
    + [(data, method) for data in ("covariate", "missing covariate") for method in ("dr", "reg", "ipw")],
)
@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_agrees_with_the_plain_version(control, method, base_period, data, anticipation):
    choices = {"control": control, "method": method, "base_period": base_period}
    arrays = simulated(
        covariate=data not in ("plain", "missing"),
        missing=20 if "missing" in data else 0,
        wandering=data == "wandering",
    )
    design = as_design(*arrays, anticipation=anticipation)
    fast = fast_terms(CallawaySantAnna(**choices, simultaneous=False, n_boot=1).fit(design))
    plain = plain_terms(plain_cells(*arrays, **choices, anticipation=anticipation))
    assert set(fast) == set(plain)
    for name, (estimate, std_error) in plain.items():
        # Both are sums of some hundred doubles of order 10, and the logit converges to 1e-11 in the log odds.
        assert fast[name][0] == pytest.approx(estimate, rel=1e-8, abs=1e-9), name
        if std_error > 1e-12:
            assert fast[name][1] == pytest.approx(std_error, rel=1e-8), name
        else:
            assert np.isnan(fast[name][1]), name
