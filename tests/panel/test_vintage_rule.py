import itertools

import numpy as np
import pandas as pd
import pytest

from svmodel import Panel
from svmodel.errors import DataError
from svmodel.ledger import LedgerEntry

MONTHS = pd.period_range("2023-01", "2024-12", freq="M").astype(str).tolist()
OLD = ["E01006412", "E01006413", "E01006414"]


def _frame(spans, count=5):
    rows = [(a, m, count) for a, (first, last) in spans.items() for m in MONTHS if first <= m <= last]
    return pd.DataFrame(rows, columns=["area", "month", "n"])


def _make(frame):
    return Panel.from_frame(frame, area="area", period="month", counts=["n"])


def _fires(frame):
    with pytest.raises(DataError) as caught:
        _make(frame)
    return [str(p) for p in caught.value.problems if p.rule == "mixed_lsoa_vintages"]


WHOLE = (MONTHS[0], MONTHS[-1])
BEFORE, AFTER = (MONTHS[0], "2023-12"), ("2024-01", MONTHS[-1])


@pytest.mark.parametrize(
    "spans",
    [
        dict.fromkeys(OLD, WHOLE) | {"E01034000": AFTER},
        dict.fromkeys(OLD, WHOLE) | {"W01001990": BEFORE},
        # a split: the code of 2011 ends when those of 2021 begin
        {OLD[0]: WHOLE, OLD[1]: WHOLE, OLD[2]: BEFORE, "E01034000": AFTER, "E01034001": AFTER},
        # every code changed
        {OLD[0]: BEFORE, OLD[1]: BEFORE, "E01034000": AFTER},
    ],
)
def test_codes_that_begin_or_end_with_the_change(spans):
    (message,) = _fires(_frame(spans))
    assert "came into being in 2021" in message
    assert "2011-2021 lookup" in message


@pytest.mark.parametrize(
    "spans",
    [
        dict.fromkeys(OLD, WHOLE),
        dict.fromkeys([*OLD, "E01034000"], WHOLE),
        dict.fromkeys(["E01034000", "E01034001"], WHOLE),
        {OLD[0]: WHOLE, OLD[1]: WHOLE, OLD[2]: BEFORE, "E01034000": WHOLE},
        {"E01034000": WHOLE, "E01034001": AFTER},
    ],
)
def test_one_vintage_passes(spans):
    assert _make(_frame(spans)).n_areas == len(spans)


def test_a_sparse_file_of_one_vintage_passes():
    # rows without a crime left out, so that most areas enter late and end early by chance
    rng = np.random.default_rng(1)
    areas = [*OLD, *(f"E010070{i:02d}" for i in range(40)), *(f"E010340{i:02d}" for i in range(10))]
    rows = [(a, m, 1) for a, m in itertools.product(areas, MONTHS) if rng.random() < 0.3]
    frame = pd.DataFrame(rows, columns=["area", "month", "n"])
    assert _make(frame).n_areas == len(areas)


def test_a_grid_filled_with_zeros_over_two_vintages():
    frame = _frame(dict.fromkeys([*OLD, "E01034000"], WHOLE))
    before = frame["month"] < "2024-01"
    frame.loc[(frame["area"] == "E01034000") & before, "n"] = 0
    (message,) = _fires(frame)
    assert "nothing but zeros before Jan 2024" in message


def test_a_few_zeros_of_a_quiet_area_are_no_sign():
    frame = _frame(dict.fromkeys([*OLD, "E01034000"], WHOLE), count=0)
    frame.loc[frame["month"] >= "2024-01", "n"] = 1
    frame.loc[(frame["area"] != "E01034000"), "n"] = 1
    frame.loc[(frame["area"] == "E01034000") & (frame["month"] < "2023-04"), "n"] = 0
    frame.loc[(frame["area"] == "E01034000") & (frame["month"] >= "2023-04"), "n"] = 1
    assert _make(frame).n_areas == 4


def test_rows_left_out_by_chance_are_no_second_vintage():
    rng = np.random.default_rng(3)
    areas = [*(f"E010070{i:02d}" for i in range(60)), *(f"E010340{i:02d}" for i in range(6))]
    rows = [(a, m, 1) for a, m in itertools.product(areas, MONTHS) if rng.random() < 0.8]
    assert _make(pd.DataFrame(rows, columns=["area", "month", "n"])).n_areas == len(areas)


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_change_shows_where_rows_were_left_out(share):
    rng = np.random.default_rng(2)
    spans = {f"E010070{i:02d}": WHOLE for i in range(60)} | {f"E010340{i:02d}": AFTER for i in range(4)}
    frame = _frame(spans)
    (message,) = _fires(frame[rng.random(len(frame)) < share])
    assert "came into being in 2021" in message


def test_codes_of_both_censuses_side_by_side_are_noted():
    panel = _make(_frame(dict.fromkeys([*OLD, "E01034000"], WHOLE)))
    (note,) = (e for e in panel.ledger if e.rule == "lsoa_vintage")
    assert note.action == "noted"
    assert "1 of 4 LSOA codes came into being in 2021" in note.reason
    assert not [e for e in _make(_frame(dict.fromkeys(OLD, WHOLE))).ledger if e.rule == "lsoa_vintage"]


def test_a_file_refused_for_something_else_says_of_which_census_it_is():
    frame = _frame(dict.fromkeys([*OLD, "E01034000"], WHOLE))
    frame.loc[0, "n"] = -1
    with pytest.raises(DataError, match="so all are of the 2021 census") as caught:
        _make(frame)
    assert {p.rule for p in caught.value.problems} == {"negative_count", "lsoa_vintage"}


def test_a_code_that_ended_beside_one_that_began_proves_a_mixture_whatever_their_months():
    (message,) = _fires(_frame(dict.fromkeys(["E01006512", "E01006513", "E01034000"], WHOLE)))
    assert "'E01034000' came into being in 2021 and 'E01006513' ended then" in message
    (message,) = _fires(_frame(dict.fromkeys(["W01000017", "W01000020", "W01001990"], WHOLE)))
    assert "ended then" in message


def test_a_source_that_mapped_the_codes_is_believed():
    frame = _frame(dict.fromkeys(["E01006513", "E01034000"], WHOLE))
    mapped = [LedgerEntry("altered", 3, "mapped", rule="lsoa_mapped")]
    assert Panel.from_frame(frame, area="area", period="month", counts=["n"], ledger=mapped).n_areas == 2
