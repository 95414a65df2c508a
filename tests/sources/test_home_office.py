import csv
import io

import numpy as np
import pandas as pd
import pytest
from spreadsheets import write_ods, write_xlsx

from svmodel import Panel
from svmodel.errors import DataError
from svmodel.sources.home_office import home_office_csp, home_office_force

CSP = [
    "Financial Year",
    "Financial Quarter",
    "Force Name",
    "CSP Name",
    "Offence Description",
    "Offence Group",
    "Offence Subgroup",
    "Offence Code",
    "Offence Count",
]
INJURY = ("Violence against the person", "Violence with injury")
NOTE = 'Merseyside: in 2022/23 the offences of Wirral were recorded under "unassigned".'


def _row(year, quarter, force, csp, count, *, description="Assault", group=INJURY, code="8N"):
    return [year, quarter, force, csp, description, group[0], group[1], code, count]


def _year(year, force="Merseyside", csps=("Liverpool", "Wirral"), quarters=(1, 2, 3, 4)):
    """Liverpool has 101, 102, 103, 104 offences of one kind and as many of another; Wirral 200 and so on."""
    rows = []
    for i, csp in enumerate(csps, start=1):
        for quarter in quarters:
            number = int(str(quarter).upper().removeprefix("Q"))
            rows.append(_row(year, quarter, force, csp, 100 * i + number))
            rows.append(_row(year, quarter, force, csp, 1, description="Wounding", code="5D"))
    return rows


def _csp(path, sheets, write=write_xlsx, header=CSP):
    front = [["Police recorded crime Community Safety Partnership open data"], [], header]
    return write(path, {name: [*front, *rows] for name, rows in sheets.items()})


def _cells(extract, column="violence_with_injury"):
    return extract.frame.set_index(["area", "period"])[column].unstack()  # noqa: PD010


def _entries(extract, rule):
    return [e for e in extract.ledger if e.rule == rule]


@pytest.mark.parametrize("kind", ["xlsx", "ods", "csv"])
def test_quarters_are_financial(tmp_path, kind):
    path = tmp_path / f"prc-csp.{kind}"
    if kind == "csv":
        text = io.StringIO()
        csv.writer(text).writerows([CSP, *_year("2023/24")])
        path.write_text(text.getvalue())
    else:
        _csp(path, {"2023_24": _year("2023/24")}, write_ods if kind == "ods" else write_xlsx)
    extract = home_office_csp(path)
    assert list(extract.frame.columns) == ["area", "period", "parent", "violence_with_injury"]
    cells = _cells(extract)
    # Q1 of 2023/24 is April to June 2023; Q4 is January to March of 2024.
    assert [str(p) for p in cells.columns] == ["2023Q2", "2023Q3", "2023Q4", "2024Q1"]
    assert cells.loc["Liverpool"].tolist() == [102, 103, 104, 105]
    first, last = cells.columns[0], cells.columns[-1]
    assert (first.start_time.date().isoformat(), first.end_time.date().isoformat()) == ("2023-04-01", "2023-06-30")
    assert (last.start_time.date().isoformat(), last.end_time.date().isoformat()) == ("2024-01-01", "2024-03-31")
    assert set(extract.frame["parent"]) == {"Merseyside"}


@pytest.mark.parametrize(
    ("year", "quarter", "period"),
    [
        ("2002/03", 1, "2002Q2"),
        ("2002-03", "Q4", "2003Q1"),
        ("2025/26", "q2", "2025Q3"),
        ("1999/00", 4, "2000Q1"),
        ("2025/2026", "Quarter 3", "2025Q4"),
        ("2023_24", 4.0, "2024Q1"),
    ],
)
def test_every_way_of_naming_a_quarter(tmp_path, year, quarter, period):
    path = _csp(tmp_path / "a.xlsx", {"Data": [_row(year, quarter, "Merseyside", "Wirral", 5)]})
    assert str(home_office_csp(path).frame["period"].iloc[0]) == period


def test_one_sheet_for_each_year_and_column_drift(tmp_path):
    old = _csp(tmp_path / "a.ods", {"2002-03": _year("2002/03"), "2003-04": _year("2003/04")}, write_ods)
    assert _cells(home_office_csp(old)).shape == (2, 8)
    names = {"Force Name": "Police Force", "Offence Count": "Number of Offences", "Financial Year": "Financial\n year "}
    drifted = [names.get(c, c) for c in CSP]
    new = _csp(tmp_path / "b.xlsx", {"2025_26": _year("2025/26", quarters=("Q1", "Q2"))}, header=drifted)
    assert _cells(home_office_csp(new)).loc["Wirral"].tolist() == [202, 203]


def test_by_force_without_a_column_of_partnerships(tmp_path):
    at = CSP.index("CSP Name")
    header = [c.replace("Offence Count", "Number of Offences") for c in CSP if c != "CSP Name"]
    rows = [[v for i, v in enumerate(r) if i != at] for r in _year("2023/24", csps=("x",))]
    rows += [[v for i, v in enumerate(_row("2023/24", 1, "Action Fraud", "", 9e5)) if i != at]]
    path = _csp(tmp_path / "prc-pfa.xlsx", {"2023_24": rows}, header=header)
    extract = home_office_force(path)
    assert _cells(extract).loc["Merseyside"].tolist() == [102, 103, 104, 105]
    assert list(extract.frame.columns) == ["area", "period", "violence_with_injury"]
    with pytest.raises(DataError, match="there is no column 'CSP Name'"):
        home_office_csp(path)


def test_partnerships_add_up_to_forces_with_the_unassigned(tmp_path):
    rows = [*_year("2023/24"), _row("2023/24", 1, "Merseyside", "Unassigned", 40)]
    path = _csp(tmp_path / "a.xlsx", {"2023_24": rows})
    assert _cells(home_office_force(path)).loc["Merseyside"].tolist() == [102 + 202 + 40, 306, 308, 310]


def test_forces_without_an_area_are_dropped_and_told(tmp_path):
    rows = _year("2023/24")
    for name in (
        "Action Fraud",
        "British Transport Police",
        "CIFAS",
        "Cifas",
        "UK Finance",
        "Financial Fraud Action UK",
    ):
        rows.append(_row("2023/24", 1, name, name, 1000))
    extract = home_office_csp(_csp(tmp_path / "a.xlsx", {"2023_24": rows}))
    assert set(extract.frame["area"]) == {"Liverpool", "Wirral"}
    dropped = {e.where: e.rows for e in _entries(extract, "non_geographic")}
    assert dropped == {
        "Action Fraud": 1,
        "British Transport Police": 1,
        "CIFAS": 2,
        "UK Finance": 1,
        "Financial Fraud Action UK": 1,
    }


def test_unassigned_rows_are_unusable_and_the_note_is_quoted(tmp_path):
    rows = [*_year("2023/24"), _row("2023/24", 1, "Merseyside", "Unassigned", 40)]
    sheets = {"2022_23": _year("2022/23"), "2023_24": rows}
    front = [["title"], CSP]
    path = write_xlsx(
        tmp_path / "a.xlsx", {"Notes": [["Notes"], ["1", NOTE]], **{n: [*front, *r] for n, r in sheets.items()}}
    )
    extract = home_office_csp(path)
    assert "Unassigned" not in set(extract.frame["area"])
    (entry,) = _entries(extract, "unassigned")
    assert (entry.action, entry.rows, entry.where) == ("dropped", 1, "Merseyside")
    assert "40 offences are assigned to no partnership" in entry.reason
    assert NOTE in entry.reason
    (entry,) = _entries(extract, "recorded_unassigned")
    assert (entry.action, entry.rows) == ("missing", 4)
    assert NOTE in entry.reason
    cells = _cells(extract)
    assert cells.loc["Wirral"].isna().tolist() == [True] * 4 + [False] * 4
    assert cells.loc["Liverpool"].notna().all()


def test_a_note_may_name_a_range_of_years(tmp_path):
    note = "From 2021/22 to 2023/24 crimes of Wirral were recorded as Unassigned"
    years = ["2020/21", "2021/22", "2022/23", "2023/24", "2024/25"]
    sheets = {y.replace("/", "_"): [CSP, *_year(y, quarters=(1,))] for y in years}
    path = write_xlsx(tmp_path / "a.xlsx", {"Notes": [[note]], **sheets})
    assert _cells(home_office_csp(path)).loc["Wirral"].isna().tolist() == [False, True, True, True, False]


def test_labels_that_drift_are_harmonised_and_told(tmp_path):
    misc = "Miscellaneous crimes against society"
    rows = [
        _row("2023/24", 1, "London, City of", "London, City of", 3, group=(misc, misc)),
        _row(
            "2023/24", 2, "London, City of", "City of London", 4, group=("Miscellaneous crimes", "Miscellaneous crimes")
        ),
        _row("2023/24", 1, "Merseyside", "Wirral", 5, group=("Sexual offences", "Rape offences")),
        _row("2023/24", 2, "Merseyside", "Wirral", 6, group=("Sexual Offences", "Rape")),
        _row("2023/24", 1, "Merseyside", "Wirral", 7, group=("Theft offences", "Shoplifting")),
        _row("2023/24", 2, "Merseyside", "Wirral", 8, group=("Theft Offences", "Shoplifting")),
    ]
    path = _csp(tmp_path / "a.xlsx", {"2023_24": rows})
    by_subgroup = home_office_csp(path)
    assert _cells(by_subgroup, "rape").loc["Wirral"].tolist() == [5, 6]
    assert _cells(by_subgroup, "miscellaneous_crimes_against_society").loc["City of London"].tolist() == [3, 4]
    reasons = " ".join(e.reason for e in _entries(by_subgroup, "label_harmonised"))
    assert "'London, City of' to 'City of London'" in reasons
    by_group = home_office_csp(path, level="group")
    assert _cells(by_group, "theft_offences").loc["Wirral"].tolist() == [7, 8]
    assert _cells(by_group, "sexual_offences").loc["Wirral"].tolist() == [5, 6]


def test_levels_and_offences(tmp_path):
    path = _csp(tmp_path / "a.xlsx", {"2023_24": _year("2023/24")})
    extract = home_office_csp(path, level="description", offences=["wounding"])
    assert extract.frame["wounding"].tolist() == [1] * 8
    assert home_office_csp(path, level="code").frame.columns.tolist()[-2:] == ["5d", "8n"]
    with pytest.raises(DataError, match="there is no offence subgroup 'violence with injry'") as caught:
        home_office_csp(path, offences="violence with injry")
    assert "Did you mean 'Violence with injury'?" in str(caught.value)
    with pytest.raises(DataError, match="not 'family'"):
        home_office_csp(path, level="family")


def test_knife_crime_is_for_forces_only(tmp_path):
    path = _csp(tmp_path / "a.xlsx", {"2023_24": _year("2023/24")})
    with pytest.raises(DataError, match="for police forces only"):
        home_office_csp(path, offences="Knife-enabled robbery")
    with pytest.raises(DataError, match="there is no offence subgroup"):
        home_office_force(path, offences="Knife-enabled robbery")


def test_an_empty_count_is_missing_and_a_quarter_that_is_not_there_too(tmp_path):
    rows = _year("2023/24")
    rows[0][-1] = None
    rows = [r for r in rows if not (r[3] == "Wirral" and r[1] == 3)]
    extract = home_office_csp(_csp(tmp_path / "a.xlsx", {"2023_24": rows}))
    panel = Panel.from_frame(
        extract.frame, area="area", period="period", counts=["violence_with_injury"], parent="parent"
    )
    np.testing.assert_array_equal(
        panel.matrix("violence_with_injury"), [[np.nan, 103, 104, 105], [202, 203, np.nan, 205]]
    )


def test_corrections_below_zero(tmp_path):
    rows = [*_year("2023/24"), _row("2023/24", 1, "Merseyside", "Wirral", -2, description="Endangering life")]
    path = _csp(tmp_path / "a.xlsx", {"2023_24": rows})
    extract = home_office_csp(path)
    assert _cells(extract).loc["Wirral"].tolist() == [200, 203, 204, 205]
    assert _entries(extract, "negative_correction")[0].rows == 1
    with pytest.raises(DataError, match=r"sums are negative after corrections .Wirral 2023Q2."):
        home_office_csp(path, level="description")


def test_a_partnership_that_changed_its_force(tmp_path):
    path = _csp(
        tmp_path / "a.xlsx",
        {"2022_23": _year("2022/23", force="Old Force"), "2023_24": _year("2023/24", force="New Force")},
    )
    extract = home_office_csp(path)
    assert set(extract.frame["parent"]) == {"New Force"}
    assert len(_entries(extract, "force_changed")) == 2


def test_everything_wrong_at_once(tmp_path):
    sheets = {
        "2023_24": [
            *_year("2023/24"),
            _row("2023/24", 5, "Merseyside", "Wirral", 1),
            _row("2023/25", 1, "Merseyside", "Wirral", 1),
            _row("2023/24", 1, "Merseyside", "Wirral", "many"),
            _row("2023/24", 1, "Merseyside", None, 1),
            _row("2021/22", 1, "Merseyside", "Wirral", 1),
        ]
    }
    path = _csp(tmp_path / "a.xlsx", sheets)
    with pytest.raises(DataError) as caught:
        home_office_csp(path)
    rules = sorted(p.rule for p in caught.value.problems)
    assert rules == ["key_blank", "period_unreadable", "period_unreadable", "sheet_year", "text_count"]
    assert "sheet '2023_24'" in str(caught.value)
    assert next(p.line for p in caught.value.problems if p.rule == "text_count") == 22


def test_a_year_without_a_header_and_a_workbook_without_tables(tmp_path):
    path = write_xlsx(tmp_path / "a.xlsx", {"2023_24": [["a", "b"], [1, 2]], "Cover": [["hello"]]})
    with pytest.raises(DataError, match="no row holds the columns"):
        home_office_csp(path)
    path = write_xlsx(tmp_path / "b.xlsx", {"Cover": [["hello"]]})
    with pytest.raises(DataError, match="no sheet has a header"):
        home_office_csp(path)


def test_other_sheets_are_passed_over_and_told(tmp_path):
    path = write_xlsx(tmp_path / "a.xlsx", {"Cover": [["hello"]], "2023_24": [CSP, *_year("2023/24")]})
    assert _entries(home_office_csp(path), "sheet_passed_over")[0].where == "sheet 'Cover'"


def test_the_same_from_every_format(tmp_path):
    sheets = {"2022_23": _year("2022/23"), "2023_24": _year("2023/24")}
    one = home_office_csp(_csp(tmp_path / "a.xlsx", sheets))
    two = home_office_csp(_csp(tmp_path / "a.ods", sheets, write_ods))
    pd.testing.assert_frame_equal(one.frame, two.frame)
