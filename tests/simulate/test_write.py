import csv
import json
from pathlib import Path

import pytest

import svmodel as sv
from svmodel.errors import OutputError
from svmodel.simulate import merseyside, panel, truth_record, write

COMMITTED = Path(__file__).resolve().parents[2] / "data_synthetic" / "merseyside"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    write(merseyside(seed=2026), folder, csv=True)
    return folder


def test_every_file_says_that_it_is_synthetic(written):
    assert sv.read_panel(written / "panel.parquet").synthetic
    for name in ("starts.csv", "panel.csv"):
        with (written / name).open(encoding="utf-8") as file:
            assert {row["synthetic"] for row in csv.DictReader(file)} == {"yes"}
    assert json.loads((written / "truth.json").read_text(encoding="utf-8"))["synthetic"] is True
    assert (written / "datasheet.md").read_text(encoding="utf-8").startswith("# SYNTHETIC DATA")
    assert {p.name for p in written.iterdir()} == {
        "panel.parquet", "panel.csv", "starts.csv", "truth.json", "datasheet.md"
    }  # fmt: skip


def test_same_seed_same_bytes(tmp_path):
    for name in ("one", "two"):
        write(panel(n_areas=10, n_periods=24, cohorts=[(12, 3)], seed=5), tmp_path / name, csv=True)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


@pytest.mark.parametrize("name", ["starts.csv", "truth.json", "datasheet.md"])
def test_the_committed_files_are_what_the_recipe_writes(written, name):
    assert (written / name).read_text(encoding="utf-8") == (COMMITTED / name).read_text(encoding="utf-8")


def test_the_truth_can_be_read_back(written):
    simulation = merseyside(seed=2026)
    truth = json.loads((written / "truth.json").read_text(encoding="utf-8"))
    assert truth == json.loads(json.dumps(truth_record(simulation)))
    held = truth["outcomes"]["violence_with_injury"]
    effect = simulation.truth["violence_with_injury"].effect()
    # nine digits are kept
    assert held["effect"]["events"] == pytest.approx(effect.events, rel=1e-8)
    assert sum(a["events"] for a in held["by_area"].values()) == pytest.approx(effect.events, rel=1e-7)
    assert sum(a["events"] for a in held["by_reporting_area"].values()) == pytest.approx(effect.events, rel=1e-7)
    assert truth["starts"] == {a: str(p) for a, p in sorted(simulation.starts.items())}
    assert held["naive_before_after"]["regression_to_the_mean"] < 1


def test_other_files_in_the_folder_stay(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    write(panel(n_areas=10, n_periods=24, cohorts=[(12, 3)]), tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_a_place_that_cannot_be_written_gives_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError) as caught:
        write(panel(n_areas=10, n_periods=24, cohorts=[(12, 3)]), tmp_path / "file")
    assert "\n" not in str(caught.value)
