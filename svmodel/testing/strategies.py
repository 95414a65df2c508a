"""Hypothesis strategies for panels and designs. Hypothesis is imported when a strategy is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from svmodel.design import Design, Intervention
from svmodel.errors import UserError
from svmodel.panel import Panel

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

_LEVELS = {"M": "2019-01", "Q-DEC": "2019Q1", "Y-DEC": "2001", "Y-MAR": "2001"}


def strategies() -> Any:
    """Return ``hypothesis.strategies``, or say how to get it."""
    try:
        from hypothesis import strategies as st
    except ImportError:
        raise UserError("Hypothesis is not installed: `pip install svmodel[dev]` brings it") from None
    return st


def frames(
    *, areas: tuple[int, int] = (2, 6), periods: tuple[int, int] = (3, 14), missing: bool = True
) -> SearchStrategy[pd.DataFrame]:
    """Return a strategy for long frames: area, borough, period, events (whole or missing), score, population."""
    st = strategies()

    @st.composite
    def build(draw: DrawFn) -> pd.DataFrame:
        n = draw(st.integers(*areas))
        freq = draw(st.sampled_from(sorted(_LEVELS)))
        length = draw(st.integers(*periods))
        index = pd.period_range(pd.Period(_LEVELS[freq], freq=freq), periods=length, freq=freq)
        count = st.integers(0, 400)
        cell = st.one_of(count, st.none()) if missing else count
        size = {"min_size": n * length, "max_size": n * length}
        score = st.floats(-1e6, 1e6, allow_nan=False, allow_infinity=False)
        return pd.DataFrame(
            {
                "area": [f"area {i:02d}" for i in range(n) for _ in range(length)],
                "borough": [f"borough {i % 2}" for i in range(n) for _ in range(length)],
                "period": pd.PeriodIndex([p for _ in range(n) for p in index], freq=freq),
                "events": pd.array(draw(st.lists(cell, **size)), dtype="Int64").to_numpy(float, na_value=float("nan")),
                "score": draw(st.lists(score, **size)),
                "population": draw(st.lists(st.integers(1, 10**6), **size)),
            }
        )

    return build()


def panels(
    *, areas: tuple[int, int] = (2, 6), periods: tuple[int, int] = (3, 14), missing: bool = True
) -> SearchStrategy[Panel]:
    """Return a Hypothesis strategy for sound panels.

    Parameters
    ----------
    areas, periods : (int, int)
        Least and greatest number of areas and of periods.
    missing : bool
        Whether counts may be missing.

    Returns
    -------
    SearchStrategy
        Of panels with the count ``events``, the measure ``score``, the exposure ``population`` and the
        reporting areas ``borough 0`` and ``borough 1``; months, quarters, years or financial years.

    Raises
    ------
    UserError
        If Hypothesis is not installed.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5)
    ... @given(panel=panels())
    ... def every_cell_stands_once(panel):
    ...     assert panel.matrix("events").shape == (panel.n_areas, panel.n_periods)
    >>> every_cell_stands_once()
    """
    return frames(areas=areas, periods=periods, missing=missing).map(panel_of)


def panel_of(frame: pd.DataFrame) -> Panel:
    """Return the panel of a frame from :func:`frames`."""
    return Panel.from_frame(
        frame,
        as_given=True,
        area="area",
        period="period",
        counts=["events"],
        measures=["score"],
        exposures=["population"],
        parent="borough",
        synthetic=True,
    )


def designs(
    *, areas: tuple[int, int] = (4, 8), periods: tuple[int, int] = (8, 16), missing: bool = False
) -> SearchStrategy[Design]:
    """Return a Hypothesis strategy for designs without problems.

    Parameters
    ----------
    areas, periods : (int, int)
        Least and greatest number; at least 4 areas and 6 periods.
    missing : bool
        Whether counts may be missing.

    Returns
    -------
    SearchStrategy
        Of designs on ``events`` with the exposure ``population``. At least two areas are never treated, and
        every treated area has at least three periods before and one period from its start.

    Raises
    ------
    UserError
        If Hypothesis is not installed, or fewer than 4 areas or 6 periods are asked for.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5)
    ... @given(design=designs())
    ... def nothing_is_wrong(design):
    ...     assert design.problems() == ()
    >>> nothing_is_wrong()
    """
    st = strategies()
    if areas[0] < 4 or periods[0] < 6:
        raise UserError("a design needs at least 4 areas and 6 periods")

    @st.composite
    def build(draw: DrawFn) -> Design:
        panel = draw(panels(areas=areas, periods=periods, missing=missing))
        treated = draw(st.integers(1, panel.n_areas - 2))
        chosen = draw(st.permutations(panel.areas))[:treated]
        start = st.integers(3, panel.n_periods - 1)
        starts = {area: panel.periods[draw(start)] for area in chosen}
        return Design(
            panel, outcome="events", exposure="population", intervention=Intervention("drawn at random", starts)
        )

    return build().filter(lambda design: not design.problems())
