"""A generator of designs with planted faults, apart from svmodel.simulate so that neither can hide the other's."""

import numpy as np
import pandas as pd
import pytest

from svmodel.design import Design, Intervention
from svmodel.panel import Panel


def make_design(
    seed=0,
    *,
    n=60,
    length=48,
    treated=12,
    starts=(30, 36),
    effect=1.0,
    drift=0.0,
    noise=0.1,
    shock=0.0,
    choose="lot",
    mean=20.0,
    freq="M",
    **choices,
):
    """Return a design on n areas; treated areas start in turn at `starts`.

    drift: change of the log rate per period in treated areas, all the time. noise: variance of the gamma factor
    of each cell. shock: standard deviation of a high that holds for the 12 periods before the first start and is
    gone afterwards. choose: "lot", "level" (highest permanent level) or "shock" (highest count in those 12 periods).
    """
    rng = np.random.default_rng(seed)
    level = rng.normal(0, 0.3, n)
    people = np.round(rng.uniform(8_000, 16_000, n))
    passing = np.zeros((n, length))
    passing[:, starts[0] - 12 : starts[0]] = rng.normal(0, shock, n)[:, None]
    season = 0.1 * np.sin(2 * np.pi * np.arange(length) / 12) - 0.004 * np.arange(length)
    rate = mean * np.exp(level[:, None] + passing + season[None, :])
    gamma = rng.gamma(1 / noise, noise, (n, length)) if noise else np.ones((n, length))
    base = rng.poisson(rate * people[:, None] / 12_000 * gamma)
    recent = base[:, max(starts[0] - 12, 0) : starts[0]].sum(axis=1) / people
    order = {"lot": rng.permutation(n), "level": np.argsort(-level), "shock": np.argsort(-recent)}[choose]
    chosen = order[:treated]
    start = np.full(n, length)
    start[chosen] = [starts[k % len(starts)] for k in range(treated)]
    time = np.arange(length)[None, :]
    ratio = np.where(time >= start[:, None], effect, 1.0)
    ratio = ratio * np.where(start[:, None] < length, np.exp(drift * (time - length / 2)), 1.0)
    counts = rng.poisson(rate * ratio * people[:, None] / 12_000 * gamma) if drift or effect != 1.0 else base
    months = pd.period_range({"M": "2018-01", "Q-DEC": "2010Q1"}[freq], periods=length, freq=freq)
    areas = [f"area {i:03d}" for i in range(n)]
    frame = pd.DataFrame(
        {
            "area": np.repeat(areas, length),
            "period": np.tile(months.astype(str), n),
            "events": counts.ravel(),
            "score": counts.ravel() / 3.0,
            "people": np.repeat(people, length),
        }
    )
    panel = Panel.from_frame(
        frame, area="area", period="period", counts=["events"], measures=["score"], exposures=["people"]
    )
    intervention = Intervention("patrols", {areas[i]: months[start[i]] for i in sorted(chosen)})
    choices = {"outcome": "events", "exposure": "people"} | choices
    return Design(panel, intervention=intervention, **choices)


@pytest.fixture(name="make_design", scope="session")
def _make_design():
    return make_design
