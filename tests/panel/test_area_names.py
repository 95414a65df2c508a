"""One area is one area however it is spelt, a total is none, and every name goes through one door."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel
from svmodel.area_names import AreaNames, spelling_key
from svmodel.errors import DataError, DesignError

MONTHS = [str(p) for p in pd.period_range("2022-01", periods=24, freq="M")]


def long(areas, value=lambda i, t: 5 + i + (t * (i + 2)) % 11):
    return pd.DataFrame(
        [(a, m, value(i, t)) for i, a in enumerate(areas) for t, m in enumerate(MONTHS)], columns=["area", "month", "n"]
    )


def panel_of(frame, **more):
    return Panel.from_frame(frame, area="area", period="month", counts=["n"], **more)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ynys M\u00f4n", unicodedata.normalize("NFD", "Ynys M\u00f4n")),
        ("Ynys M\u00f4n", "Ynys Mon"),
        ("St Helens", "St. Helens"),
        ("St Helens", "ST HELENS"),
        ("St Helens", "St\u00a0 Helens "),
        ("St Helens", "St Hel\u200bens"),
        ("King's Lynn and West Norfolk", "Kings Lynn & West Norfolk"),
        ("Stratford-on-Avon", "Stratford on Avon"),
        ("Bristol, City of", "City of Bristol"),
        ("Saint Helens", "St Helens"),
    ],
)
def test_spellings_of_one_area_are_one_area_and_said(one, other):
    frame = long([one, "Wirral"])
    later = (frame["area"] == one) & (frame["month"] >= "2023-01")
    frame.loc[later, "area"] = other
    panel = panel_of(frame)
    assert panel.n_areas == 2
    assert not np.isnan(panel.matrix("n")).any()
    same = unicodedata.normalize("NFC", " ".join(one.split())) == unicodedata.normalize(
        "NFC", " ".join(other.replace("\u200b", "").split())
    )
    assert panel.ledger.has("area_spelling") != same
    if not same:
        assert next(e.rows for e in panel.ledger if e.rule == "area_spelling") == 12


def test_spellings_with_rows_in_one_month_are_a_question():
    frame = long(["St Helens", "St. Helens", "Wirral"])
    with pytest.raises(DataError, match="differ in spelling alone, and Jan 2022 has rows of more than one"):
        panel_of(frame)
    assert panel_of(frame, as_given=True).n_areas == 3


@pytest.mark.parametrize(
    "names", [("1.1", "11"), ("Ward 1", "Ward 11"), ("A1", "A-2"), ("007", "7"), ("North", "North East")]
)
def test_other_areas_stay_other_areas(names):
    assert len({spelling_key(n) for n in names}) == 2
    assert panel_of(long(list(names))).areas == tuple(sorted(names))


def test_numbers_that_a_blank_made_decimal_are_whole_again():
    frame = long(["10", "9"])
    frame["area"] = frame["area"].astype(float)
    assert panel_of(frame).areas == ("10", "9")
    frame["area"] = frame["area"].astype(str)
    assert set(frame["area"]) == {"10.0", "9.0"}
    assert panel_of(frame).areas == ("10", "9")
    assert panel_of(long(["007", "7"])).areas == ("007", "7")


def with_total(frame, name):
    total = frame.groupby("month", as_index=False)["n"].sum().assign(area=name)
    return pd.concat([frame, total[["area", "month", "n"]]], ignore_index=True)


@pytest.mark.parametrize("name", ["Total", "TOTAL", "All areas", "England", "Merseyside", "Borough total"])
def test_a_total_of_the_others_is_no_area(name):
    areas = ["Knowsley", "Liverpool", "Sefton", "Wirral"]
    panel = panel_of(with_total(long(areas), name))
    assert panel.areas == tuple(areas)
    assert next(e.rows for e in panel.ledger if e.rule == "total_area") == 24


def test_totals_within_totals():
    regions = {"North East": ["Durham", "Gateshead"], "London": ["Barnet", "Bexley", "Brent"]}
    parts = [long(held) for held in regions.values()]
    frame = pd.concat(
        [*parts, *(with_total(p, r).query("area == @r") for p, r in zip(parts, regions, strict=True))],
        ignore_index=True,
    )
    whole = with_total(pd.concat(parts), "England").query("area == 'England'")
    panel = panel_of(pd.concat([frame, whole], ignore_index=True))
    assert panel.areas == ("Barnet", "Bexley", "Brent", "Durham", "Gateshead")


def test_a_country_beside_its_parts_is_known_by_its_code():
    codes = ["E92000001", "E12000002", "E08000012", "E08000014", "E06000001"]
    frame = long(codes)
    frame.loc[3, "n"] = np.nan
    assert panel_of(frame).areas == ("E06000001", "E08000012", "E08000014")
    # England's regions with Wales are areas of one level
    assert panel_of(long(["E12000001", "E12000002", "W92000004"])).n_areas == 3
    assert panel_of(long(["E92000001", "W92000004"])).n_areas == 2


def test_what_is_called_a_total_and_is_none_is_a_question():
    frame = with_total(long(["A", "B", "C"]), "Total")
    frame.loc[len(frame) - 1, "n"] += 1
    with pytest.raises(DataError, match=r"'Total' is called a total, but 'n' is \d+ in Dec 2023") as caught:
        panel_of(frame)
    assert "leave_out: [Total]" in str(caught.value)
    left = panel_of(frame, leave_out=["total"])
    assert left.areas == ("A", "B", "C")
    assert left.ledger.has("left_out")


def test_areas_that_happen_to_add_up_in_toy_data_stay():
    assert panel_of(long(["A", "B", "C", "D"], lambda i, t: [1, 2, 3, 6][i])).n_areas == 4
    assert panel_of(long(["A", "B"], lambda i, t: t)).n_areas == 2


def test_an_area_without_residents_can_be_left_out():
    frame = long(["Airport", "Hill", "Vale"]).assign(people=1000)
    frame.loc[frame["area"] == "Airport", "people"] = 0
    with pytest.raises(DataError, match="zero or negative"):
        panel_of(frame, exposures=["people"])
    assert panel_of(frame, exposures=["people"], leave_out="airport").areas == ("Hill", "Vale")
    with pytest.raises(DataError, match="Did you mean 'Airport'"):
        panel_of(frame, exposures=["people"], leave_out=["Airpot"])


CODED = {"E08000011": "Knowsley", "E08000012": "Liverpool", "E08000013": "St. Helens"}


def coded():
    frame = long(list(CODED))
    return panel_of(frame.assign(called=frame["area"].map(CODED)), name="called")


@pytest.mark.parametrize("given", ["E08000013", "St Helens", "st. helens", " ST  HELENS"])
def test_an_area_is_found_by_any_of_its_names(given):
    panel = coded()
    assert panel.select(areas=given).areas == ("E08000013",)
    design = Design(panel, outcome="n", intervention=Intervention("x", starts={given: "2023-01"}))
    assert dict(design.intervention.starts) == {"E08000013": pd.Period("2023-01", "M")}
    assert design.problems() == ()


def test_one_bare_area_is_one_area():
    panel = panel_of(long([str(i) for i in range(12)]))
    for given in ("10", 10, 10.0, np.int64(10), pd.Series(["10"]), ["10"]):
        assert panel.select(areas=given).areas == ("10",)


def test_a_borough_that_shares_its_name_with_a_ward_is_asked_about():
    frame = long(["Castle", "Hill", "Vale"]).assign(borough="Castle")
    frame.loc[frame["area"] == "Vale", "borough"] = "Downs"
    panel = panel_of(frame, parent="borough")

    def started(name):
        return dict(
            Design(panel, outcome="n", intervention=Intervention("x", starts={name: "2023-01"})).intervention.starts
        )

    with pytest.raises(DesignError, match=r"Write 'Castle \(area\)' or 'Castle \(parent\)'"):
        started("Castle")
    assert set(started("Castle (area)")) == {"Castle"}
    assert set(started("Castle (parent)")) == {"Castle", "Hill"}
    assert set(started("Downs")) == {"Vale"}


def test_a_design_that_is_made_again_looks_no_name_up():
    frame = long(["Castle", "Hill", "Vale"]).assign(borough="Castle")
    design = Design(
        panel_of(frame, parent="borough"),
        outcome="n",
        intervention=Intervention("x", starts={"Castle (area)": "2023-01"}),
    )
    again = design.reassigned(np.array([1, 0, 2]))
    assert set(again.intervention.starts) == {"Hill"}


def test_two_areas_of_one_name_are_not_guessed_between():
    names = AreaNames(("E1", "E2"), {}, {"E1": "Castle", "E2": "Castle"})
    with pytest.raises(DataError, match="may be 'E1', 'E2'"):
        names.find("castle")
    assert names.find("E2").code == "E2"
