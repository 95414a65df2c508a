"""Street files as data.police.uk gives them: LSOA codes of two censuses, neighbours, the Transport Police, gaps."""

import numpy as np
import pandas as pd
import pytest
from cases import case, rules
from test_police_uk import HALTON, LIVERPOOL, VIOLENCE, Folder

from svmodel import Panel, read_panel
from svmodel.errors import DataError
from svmodel.sources import LsoaLookup
from svmodel.sources.police_uk import CRIME_TYPES, police_uk, police_uk_to_parquet

COUNTS = [t.lower().replace(" ", "_").replace("-", "_") for t in CRIME_TYPES]
DORSET = [("E01015272", '"Bournemouth, Christchurch and Poole 035A"'), ("E01020389", "Dorset 043A")]
FOREST = ("E01023047", "New Forest 004A")


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path / "street")
    made.path.mkdir()
    return made


def _months(first, last):
    return pd.period_range(first, last, freq="M").astype(str).tolist()


def _total(extract):
    return extract.frame[COUNTS].sum(axis=None)


def _entries(extract, rule):
    return [e for e in extract.ledger if e.rule == rule]


def _cells(extract, column="violence_and_sexual_offences"):
    return extract.frame.set_index(["area", "period"])[column].unstack()  # noqa: PD010


# -- codes of two censuses ----------------------------------------------------------------------------------------


def test_a_clean_folder_of_2021_needs_no_lookup():
    extract = police_uk(case("police_uk_2021_only"))
    frame = extract.frame
    assert _total(extract) == 29
    assert frame["violence_and_sexual_offences"].sum() == 17
    assert frame["anti_social_behaviour"].sum() == 12
    assert frame.groupby("period")[COUNTS].sum().sum(axis=1).tolist() == [10, 10, 9]
    march = frame[(frame["area"] == "E01033798") & (frame["period"] == "2024-03")]
    assert march[COUNTS].sum(axis=None) == 0
    assert march[COUNTS].notna().all(axis=None)
    assert police_uk(case("police_uk_2021_only"), vintage="2021").frame.equals(frame)
    Panel.from_frame(frame, area="area", period="period", counts=COUNTS, ledger=extract.ledger)


def test_both_codes_of_one_ground_in_one_month():
    path = case("police_uk_mixed_in_one_month")
    with pytest.raises(DataError, match="LSOA codes of 2011 and of 2021 are mixed") as caught:
        police_uk(path)
    assert rules(caught) == {"mixed_lsoa_vintages"}
    assert "'E01003927', 'E01003964', 'E01003967' (Mar 2023 to May 2023) ended in 2021" in str(caught.value)
    for vintage in ("2021", "2011"):
        with pytest.raises(DataError) as caught:
            police_uk(path, vintage=vintage)
        assert "lsoa_vintage_claim" in rules(caught)


def test_a_code_that_began_and_was_quiet_for_months_is_no_mixture(folder):
    # Wales, with a force's file missing in the first month
    new = ("W01001990", "Cardiff 049A")
    folder.fill(["2024-03"], "south-wales", [("W01001700", "Cardiff 010A")])
    folder.fill(["2024-05"], "south-wales", [("W01001700", "Cardiff 010A"), new])
    folder.fill(_months("2024-02", "2024-05"), "gwent", [("W01001300", "Newport 010A")], each=30)
    extract = police_uk(folder.path)
    np.testing.assert_array_equal(_cells(extract).loc["W01001990"], [np.nan, 0, np.nan, 1])
    panel = Panel.from_frame(extract.frame, area="area", period="period", counts=COUNTS, ledger=extract.ledger)
    assert panel.n_areas == 3


@pytest.mark.parametrize(
    ("spans", "says"),
    [
        ({"E01006513": ("2023-04", "2023-04"), "E01033756": ("2023-04", "2023-08")}, "'E01006513' (Apr 2023)"),
        ({"E01033999": ("2023-02", "2023-08"), "E01033756": ("2022-01", "2023-08")}, "before Mar 2022"),
        ({"E01006513": ("2023-04", "2023-05"), "E01033756": ("2023-04", "2023-08")}, "after May 2023"),
    ],
)
def test_the_months_of_the_change(folder, spans, says):
    for month in _months(min(a for a, _ in spans.values()), max(b for _, b in spans.values())):
        here = [(c, "Liverpool 060A") for c, (first, last) in spans.items() if first <= month <= last]
        folder.write(month, "merseyside", folder.rows(month, "merseyside", here))
    with pytest.raises(DataError) as caught:
        police_uk(folder.path)
    assert rules(caught) == {"mixed_lsoa_vintages"}
    assert says in str(caught.value)


def test_a_folder_of_2011_codes_throughout(folder):
    folder.fill(_months("2019-01", "2019-03"), "merseyside", LIVERPOOL)
    assert _total(police_uk(folder.path, vintage="2011")) == 9
    with pytest.raises(DataError, match="not of 2021: 'E01006513'"):
        police_uk(folder.path, vintage="2021")


def test_common_areas_survive_the_panel_and_its_file(folder, tmp_path):
    # a split keeps its code of 2011, a merger has its code of 2021: both stand side by side, and rightly
    for month in _months("2023-01", "2023-12"):
        old = [LIVERPOOL[1], ("E01006441", "Knowsley 001A"), ("E01006463", "Knowsley 001B")]
        new = [("E01034001", "Liverpool 060F"), ("E01034002", "Liverpool 060G"), ("E01034003", "Knowsley 001F")]
        folder.write(month, "merseyside", folder.rows(month, "merseyside", old if month < "2023-06" else new))
    lookup = tmp_path / "lookup.csv"
    pairs = [("E01006513", "E01034001"), ("E01006513", "E01034002")]
    pairs += [("E01006441", "E01034003"), ("E01006463", "E01034003")]
    lookup.write_text("LSOA11CD,LSOA21CD\n" + "\n".join(map(",".join, pairs)) + "\n")
    extract = police_uk(folder.path, lookup=lookup)
    assert set(extract.frame["area"]) == {"E01006513", "E01034003"}
    assert _total(extract) == 36
    path = police_uk_to_parquet(folder.path, tmp_path / "panel.parquet", lookup=lookup)
    assert read_panel(path).n_areas == 2
    tidy = tmp_path / "tidy.csv"
    extract.frame[["area", "period", "robbery"]].to_csv(tidy, index=False)
    read = {"area": "area", "period": "period", "counts": ["robbery"]}
    with pytest.raises(DataError, match="are mixed"):
        read_panel(tidy, **read)
    assert read_panel(tidy, **read, lsoa_lookup=lookup).n_areas == 2
    assert LsoaLookup.read(lookup).common["E01034001"] == "E01006513"


# -- neighbours ---------------------------------------------------------------------------------------------------


def test_the_neighbours_of_a_force_are_neither_zero_nor_its_own():
    extract = police_uk(case("police_uk_neighbours"))
    assert _total(extract) == 72
    assert extract.frame["area"].nunique() == 6
    assert set(extract.frame["parent"]) == {"Bournemouth, Christchurch and Poole", "Dorset"}
    assert {(e.action, e.rows, e.where) for e in _entries(extract, "neighbour")} == {
        ("dropped", 1, "hampshire"),
        ("dropped", 1, "devon-and-cornwall"),
    }
    assert "New Forest" in " ".join(e.reason for e in _entries(extract, "neighbour"))


def test_a_neighbours_crimes_count_where_its_own_force_has_a_file(folder):
    for month in ("2024-01", "2024-02"):
        folder.write(month, "dorset", folder.rows(month, "dorset", [*DORSET, FOREST], each=2))
    folder.fill(["2024-01"], "hampshire", [FOREST], each=5)
    cells = _cells(police_uk(folder.path))
    np.testing.assert_array_equal(cells.loc["E01023047"], [7, np.nan])
    alone = police_uk(folder.path, forces="dorset")
    assert "E01023047" not in set(alone.frame["area"])
    assert _entries(alone, "neighbour")[0].rows == 4


@pytest.mark.parametrize(
    ("force", "name", "owner"),
    [
        ("city-of-london", "Tower Hamlets 021A", "metropolitan"),
        ("north-yorkshire", "Stockton-on-Tees 001A", "cleveland"),
        ("cumbria", "South Lakeland 001A", None),
        ("avon-and-somerset", "Taunton Deane 001A", None),
        ("gwent", "The Vale of Glamorgan 001A", "south-wales"),
        ("norfolk", "Waveney 001A", "suffolk"),
        ("west-mercia", "Herefordshire 001A", None),
    ],
)
def test_whose_district_it_is(folder, force, name, owner):
    homes = {"city-of-london": "City of London 001A", "gwent": "Newport 001A", "norfolk": "Norwich 001A"}
    own = homes.get(force, {"north-yorkshire": "Craven 001A"}.get(force, name))
    for month in _months("2021-01", "2021-03"):
        rows = folder.rows(month, force, [("E01000001", own)], each=9)
        folder.write(month, force, [*rows, *folder.rows(month, force, [("E01000005", name)])])
    extract = police_uk(folder.path)
    assert [e.where for e in _entries(extract, "neighbour")] == ([owner] if owner else [])
    assert extract.frame["area"].nunique() == (1 if owner else 2)


def test_crimes_of_neighbours_alone(folder):
    folder.fill(["2024-01"], "dorset", [FOREST])
    with pytest.raises(DataError, match="in the area of a force that has a file there") as caught:
        police_uk(folder.path)
    assert rules(caught) == {"neighbour"}


# -- the British Transport Police ---------------------------------------------------------------------------------


def test_the_transport_police_alone():
    extract = police_uk(case("police_uk_btp_alone"), transport_police=True)
    assert _total(extract) == 6
    assert extract.frame["violence_and_sexual_offences"].sum() == 4
    assert extract.frame["robbery"].sum() == 2
    by_area = extract.frame.set_index(["area", "period"])[COUNTS].sum(axis=1).unstack()  # noqa: PD010
    assert by_area.loc["E01006412"].tolist() == [2, 2]
    assert by_area.loc["E01006413"].tolist() == [1, 1]
    with pytest.raises(DataError, match="transport_police=True") as caught:
        police_uk(case("police_uk_btp_alone"))
    assert "\n" not in str(caught.value)


def test_the_transport_police_beside_a_force(folder):
    months = _months("2024-10", "2025-03")
    folder.fill(months, "merseyside", LIVERPOOL[:1] + LIVERPOOL[2:], each=3)
    folder.fill([m for m in months if m < "2025-02"], "btp", [LIVERPOOL[0], *HALTON])
    extract = police_uk(folder.path, transport_police=True)
    cells = _cells(extract)
    # without its file a part of the sum is missing, where it has crimes; Halton's own force has no file at all
    np.testing.assert_array_equal(cells.loc["E01006512"], [4, 4, 4, 4, np.nan, np.nan])
    assert cells.loc["E01006514"].tolist() == [3] * 6
    assert set(cells.index) == {"E01006512", "E01006514"}
    assert [(e.rows, e.where) for e in _entries(extract, "force_month_missing")] == [(2, "btp")]
    assert [(e.rows, e.where) for e in _entries(extract, "neighbour")] == [(4, "cheshire")]
    assert any(e.where.startswith("btp") for e in _entries(extract, "recording_break"))
    assert _cells(police_uk(folder.path)).loc["E01006512"].tolist() == [3] * 6


# -- gaps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("force", "name", "months", "missing"),
    [
        ("dyfed-powys", "Powys 001A", _months("2024-01", "2024-04"), 4),
        ("greater-manchester", "Wigan 001A", _months("2021-01", "2021-02"), 2),
        ("devon-and-cornwall", "Torbay 001A", ["2022-11", "2023-01"], 1),
        ("city-of-london", "City of London 001A", _months("2022-05", "2022-06"), 1),
        ("merseyside", "Wirral 001A", _months("2024-01", "2024-04"), 0),
    ],
)
def test_forces_near_zero_throughout(folder, force, name, months, missing):
    folder.fill(months, force, [("E01000001", name)], each=40)
    folder.fill(months, "cheshire", HALTON, each=200)
    extract = police_uk(folder.path)
    own = _cells(extract).loc["E01000001"]
    span = [str(p) for p in own.index]
    gone = [m for m in span if m in months and np.isnan(own[m])]
    assert len(gone) == missing
    assert bool(_entries(extract, "force_month_near_zero")) == (missing > 0)
    assert _cells(extract).loc["E01012420", months].notna().all()


def test_a_month_of_a_known_gap_that_was_given_after_all_stays(folder):
    folder.fill(_months("2022-11", "2022-12"), "devon-and-cornwall", [("E01000001", "Torbay 001A")], each=1000)
    assert _cells(police_uk(folder.path)).loc["E01000001"].tolist() == [1000, 1000]


def test_northern_ireland_has_no_lsoa(folder):
    folder.fill(["2024-01"], "northern-ireland", [("", "")], each=5)
    with pytest.raises(DataError, match="None of the rows of 'northern-ireland' has an LSOA"):
        police_uk(folder.path)
    folder.fill(["2024-01"], "cheshire", HALTON)
    assert _total(police_uk(folder.path)) == 1


# -- files --------------------------------------------------------------------------------------------------------


def test_folders_behind_links(folder, tmp_path):
    folder.fill(["2024-01", "2024-02"], "cheshire", HALTON)
    linked = tmp_path / "linked"
    linked.mkdir()
    for month in ("2024-01", "2024-02"):
        (linked / month).symlink_to(folder.path / month, target_is_directory=True)
    assert _total(police_uk(linked)) == 2
    (linked / "2024-01" / "round").symlink_to(linked, target_is_directory=True)
    assert _total(police_uk(linked)) == 2


def test_files_side_by_side_windows_ends_blanks_and_hidden_files(folder):
    text = (folder.write("2024-01", "cheshire", folder.rows("2024-01", "cheshire", HALTON, each=2))).read_bytes()
    file = folder.path / "2024-01-cheshire-street.csv"
    file.write_bytes(text.replace(b"\n", b"\r\n").replace(b"E01012420", b"E01012420 "))
    (folder.path / "2024-01" / "2024-01-cheshire-street.csv").unlink()
    (folder.path / "._2024-01-cheshire-street.csv").write_bytes(b"\x00\x05")
    extract = police_uk(folder.path)
    assert _cells(extract).loc["E01012420"].tolist() == [2]


def test_a_quote_that_is_never_closed(folder):
    rows = folder.rows("2024-01", "cheshire", HALTON, each=4)
    rows[1] = rows[1].replace("On or near Parade", '"On or near Parade')
    folder.write("2024-01", "cheshire", rows)
    with pytest.raises(DataError, match="cannot be used"):
        police_uk(folder.path)


def test_a_download_of_2012(folder):
    header = "Month,Reported by,Falls within,Easting,Northing,Location,Crime type,Context"
    folder.write("2012-01", "cheshire", ["2012-01,Cheshire Constabulary,Cheshire Constabulary,1,2,x,Burglary,"], header)
    with pytest.raises(DataError, match="a download of 2012, which gives no LSOA"):
        police_uk(folder.path)


def test_types_asked_for(folder):
    folder.fill(["2024-01"], "cheshire", HALTON, kind="Robbery")
    extract = police_uk(folder.path, crime_types=[VIOLENCE, "robbery"])
    assert extract.frame[["violence_and_sexual_offences", "robbery"]].to_numpy().tolist() == [[0, 1]]
