import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from svmodel import Panel, read_panel, write_panel
from svmodel.errors import DataError, OutputError
from svmodel.ledger import Ledger
from svmodel.sources import Join

# 2011 codes of Liverpool and Wirral, one code that came in 2021 and enters late, one code that is none.
DIRTY = """lsoa,month,viol,population
E01006512,2023-11,3,1500
E01006512,2023-12,4,1500
E01006512,2023-12,4,1500
E01006512,2024-01,2,1500
E01007120,2023-11,-2,1400
E01007120,2023-12,many,1400
E01007120,2024-01,1,1400
E01007121,2023-11,1,1400
E01007121,2024-01,1,1400
E01034000,2024-01,5,1600
E01999999,2023-11,1,1600
E01999999,2023-12,1,1600
E01999999,2024-01,1,1600
"""


def _panel(**options):
    frame = pd.DataFrame(
        {
            "area": ["A", "A", "B"],
            "month": ["2024-01", "2024-02", "2024-02"],
            "n": [3, np.nan, 0],
            "rate": [0.5, 1.5, 2.5],
            "people": 10,
            "boss": ["X", "X", "Y"],
            "called": ["Ay", "Ay", "Bee"],
        }
    )
    ledger = Ledger().add("dropped", 2, "no area", where="f.csv", rule="no_area")
    return Panel.from_frame(
        frame,
        area="area",
        period="month",
        counts=["n"],
        measures=["rate"],
        exposures=["people"],
        parent="boss",
        name="called",
        ledger=ledger,
        source="f.csv",
        **options,
    )


def test_everything_that_is_wrong_is_told_at_once_with_its_lines(tmp_path):
    path = tmp_path / "dirty.csv"
    path.write_text(DIRTY)
    with pytest.raises(DataError) as caught:
        read_panel(path, area="lsoa", period="month", counts=["viol"], exposures=["population"])
    found = {p.rule: str(p) for p in caught.value.problems}
    assert set(found) == {
        "duplicate_area_period",
        "negative_count",
        "text_count",
        "missing_period",
        "unknown_area",
        "mixed_lsoa_vintages",
    }
    assert "line 4" in found["duplicate_area_period"]
    assert "line 6" in found["negative_count"]
    assert "line 7" in found["text_count"]
    assert "'many'" in found["text_count"]
    assert "E01007121 2023-12" in found["missing_period"]
    assert "'E01999999'" in found["unknown_area"]
    assert "'E01034000'" in found["mixed_lsoa_vintages"]
    assert "E01999999" not in found["mixed_lsoa_vintages"]
    assert str(caught.value).startswith(f"{path} cannot be used: ")


def test_a_missing_month_alone_is_kept_as_missing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("area,month,n\nA,2024-01,3\nA,2024-03,4\nB,2024-01,0\nB,2024-02,1\nB,2024-03,\n")
    panel = read_panel(path, area="area", period="month", counts=["n"])
    np.testing.assert_array_equal(panel.matrix("n"), [[3, np.nan, 4], [0, 1, np.nan]])
    assert panel.ledger.has("missing_period")
    assert panel.ledger.has("missing_value")
    assert panel.source == "a.csv"


@pytest.mark.parametrize("synthetic", [False, True])
@pytest.mark.parametrize("suffix", ["parquet", "pq"])
def test_parquet_gives_the_same_panel_back(tmp_path, synthetic, suffix):
    panel = _panel(synthetic=synthetic)
    path = write_panel(panel, tmp_path / "new" / f"panel.{suffix}")
    back = read_panel(path)
    assert back.fingerprint == panel.fingerprint
    for part in ("areas", "counts", "measures", "exposures", "covariates", "ledger", "synthetic", "source"):
        assert getattr(back, part) == getattr(panel, part), part
    assert dict(back.parents) == dict(panel.parents)
    assert dict(back.names) == dict(panel.names)
    pd.testing.assert_frame_equal(back.to_frame(), panel.to_frame())


@pytest.mark.parametrize("first", ["2024-01", "2024Q1", "2024", "2023/24"])
def test_every_kind_of_period_comes_back(tmp_path, first):
    frame = pd.DataFrame({"a": ["A"], "p": [first], "n": [1]})
    panel = Panel.from_frame(frame, area="a", period="p", counts=["n"])
    for name in ("p.parquet", "p.csv"):
        back = read_panel(write_panel(panel, tmp_path / name), counts=["n"])
        assert back.periods.equals(panel.periods)
        assert back.periods.freqstr == panel.periods.freqstr


def test_two_writings_are_the_same_to_the_byte(tmp_path):
    for ending in ("parquet", "csv", "csv.gz"):
        one, two = tmp_path / f"1.{ending}", tmp_path / f"2.{ending}"
        write_panel(_panel(), one)
        write_panel(_panel(), two)
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_csv_keeps_the_columns_and_the_synthetic_mark(tmp_path, ending):
    path = write_panel(_panel(synthetic=True), tmp_path / f"p.{ending}")
    frame = pd.read_csv(path)
    assert frame["synthetic"].unique().tolist() == ["yes"]
    assert frame["parent"].tolist() == ["X", "X", "Y", "Y"]
    back = read_panel(path, counts=["n"], measures=["rate"], exposures=["people"], parent="parent", name="name")
    assert back.synthetic
    assert back.fingerprint == _panel().fingerprint


def test_roles_given_for_a_panel_file_go_before_its_own(tmp_path):
    path = write_panel(_panel(synthetic=True), tmp_path / "p.parquet")
    back = read_panel(path, counts=["people"], measures=["n"], exposures=["rate"])
    assert (back.counts, back.measures, back.exposures) == (("people",), ("n",), ("rate",))
    assert back.synthetic


def test_a_join_adds_to_a_panel_file(tmp_path):
    path = write_panel(_panel(), tmp_path / "p.parquet")
    (tmp_path / "o.csv").write_text("code,depr\nA,1.5\n")
    join = Join(tmp_path / "o.csv", on={"area": "code"}, columns={"depr": "depr"}, missing_ok=True)
    back = read_panel(path, covariates=["depr"], joins=[join])
    assert back.covariates == ("depr",)
    assert back.counts == ("n",)
    assert back.ledger.has("no_area")
    assert back.ledger.has("join_unmatched")


def test_a_plain_parquet_needs_roles(tmp_path):
    path = tmp_path / "plain.parquet"
    pd.DataFrame({"lsoa": ["A"], "month": ["2024-01"], "n": [1]}).to_parquet(path)
    with pytest.raises(DataError, match=r"does not say which column is the area. Give area= one of 'lsoa'"):
        read_panel(path)
    with pytest.raises(DataError, match="does not say which columns are counts"):
        read_panel(path, area="lsoa", period="month")
    assert read_panel(path, area="lsoa", period="month", counts=["n"]).areas == ("A",)


@pytest.mark.parametrize(
    ("mark", "says"), [(b"{", "write the panel again"), (json.dumps({"format": 99}).encode(), "panel format 99")]
)
def test_a_mark_that_cannot_be_read(tmp_path, mark, says):
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "p.parquet"
    table = pa.table({"area": ["A"], "period": ["2024-01"], "n": [1]}).replace_schema_metadata({b"svmodel": mark})
    parquet.write_table(table, path)
    with pytest.raises(DataError, match=says):
        read_panel(path)


def test_parquet_files_that_cannot_be_read(tmp_path):
    broken, empty, text = tmp_path / "a.parquet", tmp_path / "b.parquet", tmp_path / "c.parquet"
    broken.write_bytes(b"PAR1 and no more")
    pd.DataFrame({"area": [], "n": []}).to_parquet(empty)
    text.write_text("area,n\nA,1\n")
    for path, says in ((broken, "broken Parquet"), (empty, "has no rows"), (text, "it is text. Read it as .csv")):
        with pytest.raises(DataError, match=says) as caught:
            read_panel(path)
        assert "\n" not in str(caught.value)


def test_a_wrong_column_names_the_nearest(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("area,month,robbery\nA,2024-01,3\n")
    with pytest.raises(DataError, match="Did you mean 'robbery'"):
        read_panel(path, area="area", period="month", counts=["robery"])


def test_known_areas(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("area,month,n\nSefton,2024-01,3\nWiral,2024-01,3\n")
    with pytest.raises(DataError, match=r"line 3: 'Wiral' is not a known area. Did you mean 'Wirral'"):
        read_panel(path, area="area", period="month", counts=["n"], known_areas=["Sefton", "Wirral"])


def test_writing_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        write_panel(_panel(), tmp_path / "file" / "p.parquet")
    with pytest.raises(DataError, match="its name must end in"):
        write_panel(_panel(), tmp_path / "p.xlsx")


def test_a_claimed_vintage_is_checked(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("area,month,n\nE01006412,2024-01,3\nE01034000,2024-01,-3\n")
    read = {"area": "area", "period": "month", "counts": ["n"]}
    with pytest.raises(DataError) as caught:
        read_panel(path, **read, vintage="2011")
    assert {p.rule for p in caught.value.problems} == {"negative_count", "lsoa_vintage_claim"}
    assert "'E01034000'" in str(caught.value)
    path.write_text("area,month,n\nE01006412,2024-01,3\nE01034000,2024-01,3\n")
    claimed = read_panel(path, **read, vintage="2021")
    assert (claimed.n_areas, claimed.ledger.entries) == (2, ())
    lookup = tmp_path / "lookup.csv"
    lookup.write_text("LSOA11CD,LSOA21CD,CHGIND\nE01006412,E01034000,S\nE01006412,E01034001,S\n")
    with pytest.raises(DataError, match="not of 2021: 'E01006412'"):
        read_panel(path, **read, vintage="2021", lsoa_lookup=lookup)


@pytest.mark.skipif("SVMODEL_REAL_DATA" not in os.environ, reason="SVMODEL_REAL_DATA is not set")
def test_the_real_merseyside_file(tmp_path):
    folder = Path(os.environ["SVMODEL_REAL_DATA"])
    join = Join(
        folder / "merseyside_lsoa_covariates.csv",
        on={"id": "census_code"},
        columns={"residents": "population", "DistrictCode": "district"},
    )
    panel = read_panel(
        folder / "merseyside_lsoa_monthly.csv",
        area="id",
        period="month",
        counts=["viol", "pow"],
        exposures=["population"],
        parent="district",
        joins=[join],
    )
    assert (panel.n_areas, panel.n_periods) == (923, 58)
    assert panel.reporting_areas == ("E08000011", "E08000012", "E08000013", "E08000014", "E08000015")
    raw = pd.read_csv(folder / "merseyside_lsoa_monthly.csv")
    assert panel.matrix("viol").sum() == raw["viol"].sum()
    assert [e.rule for e in panel.ledger] == ["lsoa_vintage"]
    back = read_panel(write_panel(panel, tmp_path / "p.parquet"))
    assert back.fingerprint == panel.fingerprint
