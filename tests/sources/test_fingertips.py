"""Fingertips exports: the website's, the API's, and the traps of both."""

import pandas as pd
import pytest
from cases import case, rules

from svmodel import Panel
from svmodel.errors import DataError
from svmodel.sources import detect_layout, fingertips

HEADER = (
    "Indicator ID,Indicator Name,Parent Code,Parent Name,Area Code,Area Name,Area Type,Sex,Age,Category Type,Category,"
    "Time period,Value,Lower CI 95.0 limit,Count,Denominator,Value note,Time period Sortable,Compared to goal"
)


def _row(area, time, count, parent="E92000001", **changes):
    row = {
        "id": "11201",
        "indicator": "Violence",
        "parent": parent,
        "pname": "",
        "area": area,
        "name": f"Area {area[-2:]}",
        "type": "Districts",
        "sex": "Persons",
        "age": "All ages",
        "ctype": "",
        "category": "",
        "time": time,
        "value": "1.5",
        "lower": "",
        "count": count,
        "denominator": "1000",
        "note": "",
        "sortable": "20230000",
        "goal": "",
    }
    return ",".join({**row, **changes}.values())


def _write(tmp_path, *rows, header=HEADER):
    path = tmp_path / "indicators.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def _entries(extract, rule):
    return [e for e in extract.ledger if e.rule == rule]


def test_the_websites_export():
    path = case("fingertips_compare_areas.csv")
    assert detect_layout(path) == "fingertips"
    extract = fingertips(path)
    frame = extract.frame.set_index("name")
    assert frame["count"].to_dict() == {
        "Darlington": 275,
        "North Tyneside": 505,
        "Northumberland": 675,
        "Isle of Wight": 230,
    }
    assert frame.loc["Darlington", "denominator"] == 18461
    assert set(frame["period"]) == {pd.Period("2024", "Y-MAR")}
    (whole,) = _entries(extract, "whole_not_area")
    assert "'England'" in whole.reason
    assert whole.rows == 1
    Panel.from_frame(extract.frame, area="area", period="period", counts=["count"], exposures=["denominator"])


def test_wholes_regions_categories_and_the_last_field_left_out(tmp_path):
    path = _write(
        tmp_path,
        _row("E92000001", "2022/23", "9,999".replace(",", ""), parent="", type="England"),
        _row("E12000002", "2022/23", "500", type="Regions (statistical)"),
        _row("E06000008", "2022/23", "12", parent="E12000002"),
        _row("E06000008", "2022/23", "12"),
        _row("E06000009", "2022/23", "", parent="E12000002", note="Value suppressed for disclosure control").rstrip(
            ","
        ),
        _row("E06000008", "2022/23", "3", ctype="Deprivation deciles", category="1"),
        _row("E06000008", "2022/23", "7", sex="Male"),
        _row("E06000008", "2023/24", '"1,012"', name='"Blackburn\nwith Darwen"'),
        _row("E06000009", "2023/24", "0"),
    )
    extract = fingertips(path)
    cells = extract.frame.set_index(["area", "period"])["count"].unstack()  # noqa: PD010
    assert cells.loc["E06000008"].tolist() == [12, 1012]
    assert cells.loc["E06000009"].isna().tolist() == [True, False]
    assert "disclosure control" in _entries(extract, "suppressed")[0].reason
    assert _entries(extract, "whole_not_area")[0].rows == 2
    assert _entries(extract, "category_rows")[0].rows == 1


def test_what_only_the_owner_can_know_is_asked_for(tmp_path):
    path = _write(
        tmp_path,
        _row("E06000008", "2022", "12"),
        _row("E06000009", "2022", "12", age="65+"),
        _row("E10000017", "2022", "40", type="Counties"),
    )
    with pytest.raises(DataError) as caught:
        fingertips(path)
    assert len([p for p in caught.value.problems if p.rule == "ask"]) == 2
    assert fingertips(path, age="All ages", area_type="districts").frame["area"].tolist() == ["E06000008"]
    two = _write(
        tmp_path, _row("E06000008", "2022", "12"), _row("E06000008", "2022", "9", id="90284", indicator="Injuries")
    )
    with pytest.raises(DataError, match="holds 2 indicators: '11201 Violence', '90284 Injuries'"):
        fingertips(two)
    assert fingertips(two, indicator="90284").frame["count"].tolist() == [9]
    assert fingertips(two, indicator="violence").frame["count"].tolist() == [12]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([_row("E06000008", "2020/21 - 22/23", "12")], {"pooled_period"}),
        ([_row("E06000008", "2018 - 20", "12")], {"pooled_period"}),
        ([_row("E06000008", "sometime", "12")], {"period_unreadable"}),
        ([_row("E06000008", "2022", "1"), _row("E06000009", "2022/23", "1")], {"period_mixed"}),
        ([_row("E06000008", "2022", "1"), _row("E06000008", "2022", "2")], {"duplicate_area_period"}),
        ([_row("E06000008", "2022", "many"), _row("E06000009", "2022", "-2")], {"text_count", "negative_count"}),
        (["1,2,3"], {"ragged_row"}),
    ],
)
def test_what_is_refused(tmp_path, rows, found):
    with pytest.raises(DataError) as caught:
        fingertips(_write(tmp_path, *rows))
    assert rules(caught) == found


def test_another_file(tmp_path):
    with pytest.raises(DataError, match="no export of Fingertips"):
        fingertips(_write(tmp_path, "1,2", header="a,b"))
    with pytest.raises(DataError, match="no rows"):
        fingertips(_write(tmp_path))
