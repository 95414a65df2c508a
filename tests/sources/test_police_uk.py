import numpy as np
import pandas as pd
import pytest

from svmodel import Panel, read_panel
from svmodel.errors import DataError
from svmodel.sources.police_uk import CRIME_TYPES, police_uk, police_uk_to_parquet

HEADER = (
    "Crime ID,Month,Reported by,Falls within,Longitude,Latitude,Location,LSOA code,LSOA name,Crime type,"
    "Last outcome category,Context"
)
VIOLENCE = "Violence and sexual offences"
NAMES = {
    "merseyside": "Merseyside Police",
    "devon-and-cornwall": "Devon & Cornwall Police",
    "cheshire": "Cheshire Constabulary",
}
LIVERPOOL = [("E01006512", "Liverpool 031A"), ("E01006513", "Liverpool 060A"), ("E01006514", "Liverpool 060B")]
WIRRAL = [("E01007120", "Wirral 001A")]
HALTON = [("E01012420", "Halton 001A")]


class Folder:
    """Street files of the true shape, written row by row."""

    def __init__(self, path):
        self.path = path
        self.serial = 0

    def rows(self, month, force, areas, kind=VIOLENCE, each=1, **changes):
        out = []
        for code, name in areas:
            for _ in range(each):
                self.serial += 1
                row = {
                    "id": f"{self.serial:064x}",
                    "month": month,
                    "by": NAMES.get(force, force),
                    "within": NAMES.get(force, force),
                    "x": "-2.9",
                    "y": "53.4",
                    "at": "On or near Parade",
                    "code": code,
                    "name": name,
                    "kind": kind,
                    "outcome": "",
                    "context": "",
                }
                out.append(",".join({**row, **changes}.values()))
        return out

    def write(self, month, force, rows, header=HEADER):
        file = self.path / month / f"{month}-{force}-street.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join([header, *rows]) + "\n")
        return file

    def fill(self, months, force, areas, **options):
        for month in months:
            self.write(month, force, self.rows(month, force, areas, **options))


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path / "street")
    made.path.mkdir()
    return made


def _months(first, last):
    return pd.period_range(first, last, freq="M").astype(str).tolist()


def _cells(extract, column="violence_and_sexual_offences"):
    return extract.frame.set_index(["area", "period"])[column].unstack()  # noqa: PD010


def _entries(extract, rule):
    return [e for e in extract.ledger if e.rule == rule]


def test_rows_are_counted_by_lsoa_month_and_type(folder):
    months = _months("2023-01", "2023-03")
    folder.fill(months, "merseyside", LIVERPOOL, each=2)
    more = folder.rows("2023-02", "merseyside", LIVERPOOL[:1], kind="Robbery")
    folder.write("2023-02", "merseyside", [*folder.rows("2023-02", "merseyside", LIVERPOOL[:2], each=3), *more])
    extract = police_uk(folder.path)
    assert list(extract.frame.columns[:2]) == ["area", "period"]
    assert len([c for c in extract.frame.columns if c not in ("area", "period", "name", "parent")]) == 14
    # E01006514 had no violence in February, and Merseyside has a file: that is a zero.
    np.testing.assert_array_equal(_cells(extract), [[2, 3, 2], [2, 3, 2], [2, 0, 2]])
    np.testing.assert_array_equal(_cells(extract, "robbery"), [[0, 1, 0], [0, 0, 0], [0, 0, 0]])
    assert set(extract.frame["parent"]) == {"Liverpool"}
    assert "Liverpool 060A" in set(extract.frame["name"])


def test_a_missing_file_is_missing_and_never_zero(folder):
    months = _months("2023-01", "2023-04")
    folder.fill(months, "merseyside", LIVERPOOL)
    folder.fill([m for m in months if m != "2023-02"], "cheshire", HALTON)
    extract = police_uk(folder.path)
    cells = _cells(extract)
    assert cells.loc["E01012420"].isna().tolist() == [False, True, False, False]
    assert cells.loc["E01006512"].notna().all()
    (entry,) = _entries(extract, "force_month_missing")
    assert (entry.action, entry.rows, entry.where) == ("missing", 1, "cheshire")
    assert "Feb 2023" in entry.reason


@pytest.mark.parametrize("content", ["", HEADER + "\n"])
def test_a_file_without_rows_is_a_missing_file(folder, content):
    folder.fill(_months("2023-01", "2023-03"), "merseyside", LIVERPOOL)
    (folder.path / "2023-02" / "2023-02-merseyside-street.csv").write_text(content)
    cells = _cells(police_uk(folder.path))
    assert cells["2023-02"].isna().all()
    assert cells.drop(columns=["2023-02"]).notna().all(axis=None)


def test_a_month_with_next_to_nothing_is_no_count(folder):
    folder.fill(_months("2023-01", "2023-06"), "merseyside", LIVERPOOL, each=20)
    folder.write("2023-04", "merseyside", folder.rows("2023-04", "merseyside", LIVERPOOL[:1], each=2))
    extract = police_uk(folder.path)
    assert _cells(extract)["2023-04"].isna().all()
    (entry,) = _entries(extract, "force_month_near_zero")
    assert "Apr 2023" in entry.reason
    assert entry.rows == 3


MANCHESTER = [("E01005061", "Manchester 001A"), ("E01005062", "Manchester 001B")]


def test_greater_manchester_since_july_2019_is_near_zero_and_not_zero(folder):
    months = _months("2019-04", "2019-10")
    folder.fill(months, "cheshire", HALTON, each=5)
    folder.fill(_months("2019-04", "2019-06"), "greater-manchester", MANCHESTER, each=5)
    for month in _months("2019-07", "2019-10"):
        # a few crimes in Manchester stand in the file of the neighbour
        rows = folder.rows(month, "cheshire", [*HALTON * 5, MANCHESTER[0]])
        folder.write(month, "cheshire", rows)
    extract = police_uk(folder.path)
    cells = _cells(extract)
    assert (cells.loc["E01005061", :"2019-06"] == 5).all()
    assert cells.loc[["E01005061", "E01005062"], "2019-07":].isna().all(axis=None)
    assert cells.loc["E01012420"].notna().all()
    assert any("Greater Manchester" in e.reason for e in _entries(extract, "recording_break"))


def test_greater_manchester_seen_only_through_other_forces(folder):
    for month in _months("2021-01", "2021-03"):
        folder.write(month, "cheshire", folder.rows(month, "cheshire", [*HALTON * 5, MANCHESTER[0]]))
    extract = police_uk(folder.path)
    assert _cells(extract).loc["E01005061"].isna().all()
    assert _entries(extract, "force_month_near_zero")[0].where == "greater-manchester"


def test_a_district_seen_only_through_other_forces_files(folder):
    months = _months("2023-01", "2023-12")
    for month in months:
        stray = [("E01005100", "Stray 001A")] if month == "2023-05" else []
        folder.write(month, "merseyside", folder.rows(month, "merseyside", [*LIVERPOOL * 5, *WIRRAL * 5, *stray]))
    extract = police_uk(folder.path)
    assert _cells(extract).loc["E01005100"].isna().all()
    assert _cells(extract).loc["E01007120"].notna().all()
    (entry,) = _entries(extract, "residue")
    assert "Stray" in entry.reason


def test_rows_without_an_lsoa_are_counted_by_force(folder):
    folder.fill(["2023-01", "2023-02"], "merseyside", LIVERPOOL, each=20)
    blank = folder.rows("2023-01", "merseyside", [("", "")], each=3)
    folder.write("2023-01", "merseyside", [*folder.rows("2023-01", "merseyside", LIVERPOOL, each=20), *blank])
    folder.fill(["2023-01", "2023-02"], "cheshire", HALTON, each=100)
    extra = folder.rows("2023-02", "cheshire", [("", "")])
    folder.write("2023-02", "cheshire", [*folder.rows("2023-02", "cheshire", HALTON, each=100), *extra])
    extract = police_uk(folder.path)
    assert {e.where: e.rows for e in _entries(extract, "blank_lsoa")} == {"merseyside": 3, "cheshire": 1}
    # 3 of 123 rows are 2.4 per cent, 1 of 201 half of one: both are usual
    assert not _entries(extract, "blank_lsoa_high")
    rows = folder.rows("2023-02", "cheshire", [("", "")], each=9)
    folder.write("2023-02", "cheshire", [*folder.rows("2023-02", "cheshire", HALTON, each=100), *rows])
    (entry,) = _entries(police_uk(folder.path), "blank_lsoa_high")
    assert entry.where == "cheshire"
    assert "4.3%" in entry.reason


def test_notes_on_falls_within_repeated_ids_and_months(folder):
    rows = folder.rows("2023-01", "merseyside", LIVERPOOL)
    rows += folder.rows("2023-01", "merseyside", WIRRAL, within="Cheshire Constabulary")
    rows += folder.rows("2023-01", "merseyside", LIVERPOOL[:1], id="a" * 64) * 2
    rows += folder.rows("2022-12", "merseyside", LIVERPOOL)
    folder.write("2023-01", "merseyside", rows)
    extract = police_uk(folder.path)
    assert _entries(extract, "falls_within_differs")[0].rows == 1
    assert _entries(extract, "crime_id_repeated")[0].rows == 1
    assert _entries(extract, "month_mismatch")[0].rows == 3
    assert _cells(extract)["2023-01"].tolist() == [3, 1, 1, 1]


def test_the_name_of_a_force_is_known_in_both_spellings(folder):
    folder.fill(["2023-01"], "devon-and-cornwall", [("E01018760", "Cornwall 001A")])
    assert not _entries(police_uk(folder.path), "falls_within_differs")


def test_the_transport_police_is_left_out_unless_asked_for(folder):
    folder.fill(["2023-01"], "merseyside", LIVERPOOL, each=2)
    folder.fill(["2023-01"], "btp", LIVERPOOL)
    extract = police_uk(folder.path)
    assert _cells(extract).sum(axis=None) == 6
    assert _entries(extract, "transport_police")[0].rows == 3
    assert _cells(police_uk(folder.path, transport_police=True)).sum(axis=None) == 9


def test_known_breaks_are_noted(folder):
    folder.fill(_months("2022-09", "2023-02"), "devon-and-cornwall", [("E01018760", "Cornwall 001A")])
    extract = police_uk(folder.path)
    assert [e.where for e in _entries(extract, "recording_break")] == ["devon-and-cornwall, Nov 2022 to Dec 2022"]


NEW = [("E01034001", "Liverpool 062F"), ("E01034002", "Liverpool 062G")]


def _change_of_codes(folder):
    folder.fill(_months("2023-10", "2023-12"), "merseyside", LIVERPOOL, each=5)
    folder.fill(_months("2024-01", "2024-03"), "merseyside", [*LIVERPOOL[:2], *NEW], each=5)


def test_the_change_to_codes_of_2021_is_refused_without_a_lookup(folder):
    _change_of_codes(folder)
    with pytest.raises(DataError, match="LSOA codes of 2011 and of 2021 are mixed") as caught:
        police_uk(folder.path)
    assert "lookup=" in str(caught.value)


def test_a_lookup_maps_both_vintages_to_common_areas(folder, tmp_path):
    _change_of_codes(folder)
    lookup = tmp_path / "lookup.csv"
    pairs = [("E01006512", "E01006512", "U"), ("E01006513", "E01006513", "U")]
    pairs += [("E01006514", code, "S") for code, _ in NEW]
    lookup.write_text("LSOA11CD,LSOA21CD,CHGIND\n" + "\n".join(map(",".join, pairs)) + "\n")
    extract = police_uk(folder.path, lookup=lookup)
    assert _cells(extract).loc["E01006514"].tolist() == [5, 5, 5, 10, 10, 10]
    assert _entries(extract, "lsoa_mapped")[0].rows == 30
    with pytest.raises(DataError, match="not of 2021: 'E01006514'"):
        police_uk(folder.path, lookup=lookup, vintage="2021")
    with pytest.raises(DataError, match="not of 2011: 'E01034001', 'E01034002'"):
        police_uk(folder.path, vintage="2011")


def test_problems_of_all_files_at_once(folder):
    folder.fill(["2023-01"], "merseyside", LIVERPOOL, kind="Violence and sexual offence")
    folder.fill(["2023-01"], "cheshire", HALTON, kind="Violent crime")
    outcomes = HEADER.replace("Crime type,Last outcome category,Context", "Outcome type")
    folder.write("2023-02", "cheshire", ["a,2023-02,b,c,1,2,d,E01012420,Halton 001A,Under investigation"], outcomes)
    drifted = HEADER.replace("LSOA code", "LSOA_Code").replace("Crime type", "Crime Type").replace("Month", " Month")
    folder.write("2023-03", "merseyside", folder.rows("2023-03", "merseyside", LIVERPOOL), drifted)
    folder.write("2023-04", "merseyside", ["a,2023-04,short"])
    with pytest.raises(DataError) as caught:
        police_uk(folder.path)
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    assert "'Violence and sexual offence' is no crime type. Did you mean 'Violence and sexual offences'?" in text
    assert "before May 2013" in text
    assert "it is a file of outcomes, not of crimes" in text
    assert "3 fields where the header has 12" in text
    assert "2023-03" not in text


def test_file_names(folder):
    folder.fill(["2023-01"], "merseyside", LIVERPOOL)
    wrong = folder.path / "2023-02"
    wrong.mkdir()
    (wrong / "2023-03-merseyside-street.csv").write_text(HEADER)
    (wrong / "Merseyside-street.csv").write_text(HEADER)
    twice = folder.path / "again" / "2023-01-merseyside-street.csv"
    twice.parent.mkdir()
    twice.write_text(HEADER)
    with pytest.raises(DataError) as caught:
        police_uk(folder.path)
    assert sorted(p.rule for p in caught.value.problems) == ["file_name", "file_name", "file_twice"]


def test_a_folder_without_street_files(tmp_path):
    with pytest.raises(DataError, match=r"Unpack a data.police.uk download"):
        police_uk(tmp_path)
    with pytest.raises(DataError, match="there is no folder"):
        police_uk(tmp_path / "no")


def test_names_that_are_not_there(folder):
    folder.fill(["2023-01"], "merseyside", LIVERPOOL)
    with pytest.raises(DataError, match="Did you mean 'Robbery'"):
        police_uk(folder.path, crime_types=["robery"])
    with pytest.raises(DataError, match="Did you mean 'merseyside'"):
        police_uk(folder.path, forces="mersyside")


def test_to_a_parquet_panel(folder, tmp_path):
    months = _months("2023-01", "2023-03")
    folder.fill(months, "merseyside", [*LIVERPOOL, *WIRRAL])
    folder.fill(months[:2], "cheshire", HALTON)
    path = police_uk_to_parquet(folder.path, tmp_path / "panel.parquet", crime_types=[VIOLENCE, "robbery"])
    panel = read_panel(path)
    assert isinstance(panel, Panel)
    assert panel.counts == ("violence_and_sexual_offences", "robbery")
    assert panel.reporting_areas == ("Halton", "Liverpool", "Wirral")
    assert panel.label("E01006512") == "Liverpool 031A"
    assert panel.ledger.has("force_month_missing")
    assert np.isnan(panel.matrix("robbery")).sum() == 1


def test_the_fourteen_types():
    assert len(CRIME_TYPES) == 14
