"""The page for reviewers against the code: statuses, exit codes, files, and where each number stands in result.json."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from svmodel import cli
from svmodel.report import fits as contexts
from svmodel.report.pages.area import open_area
from svmodel.report.pages.numbers import estimates_csv
from svmodel.report.publish.verify import STATUSES, compare_number, read_published
from svmodel.report.run.manifest import VOLATILE
from svmodel.report.study import read_study

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reviewers.md").read_text(encoding="utf-8")


def section(heading):
    return PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


@pytest.fixture(scope="module")
def area(tmp_path_factory):
    """A real report of one area of a study of three, with one effect."""
    folder = tmp_path_factory.mktemp("study")
    months = pd.period_range("2022-01", periods=24, freq="M").astype(str)
    rows = [(a, m, 10 + (i + t * (1 + i)) % 7) for i, a in enumerate("ABCDEF") for t, m in enumerate(months)]
    frame = pd.DataFrame(rows, columns=["area", "month", "robbery"])
    frame.to_csv(folder / "data.csv", index=False)
    (folder / "small.yaml").write_text(
        "title: A study\ndata: {path: data.csv, area: area, period: month, counts: [robbery]}\n"
        "outcomes: [{column: robbery}]\nintervention: {name: P, starts: {A: 2023-06, B: 2023-06}}\n"
        "estimators: [{TwoWayFixedEffects: {lags: 1, leads: 2}}]\nchecks: []\nforecast: {horizon: 0}\n",
        encoding="utf-8",
    )
    context = contexts.prepare(read_study(folder / "small.yaml"))
    report = open_area(context, "A", folder / "out")
    report.happening()
    report.write()
    return report, folder / "out"


def test_statuses_and_exit_codes_are_those_of_the_code():
    assert re.findall(r"^\| `(\w+)` \|", section("svmodel verify"), re.MULTILINE) == list(STATUSES)
    codes = [int(c) for c in re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE)]
    assert codes == [cli.WELL, cli.AREA_FAILED, cli.BAD_INPUT, cli.MISMATCH, cli.INTERRUPTED]


def test_the_example_of_published_numbers_is_read(tmp_path):
    path = tmp_path / "published.yaml"
    path.write_text(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1], encoding="utf-8")
    numbers = read_published(path)
    assert len(numbers) == 2
    assert compare_number(numbers["value"].iloc[1], 0.7991) == "rounding"
    keys = section("svmodel verify").split("Keys: ")[1]
    assert set(re.findall(r"`(\w+)`", keys)) >= set(numbers.columns)


def test_files_that_differ_between_runs_are_named():
    told = section("What is the same in every run").split("\n\n")[0]
    assert {f for f in VOLATILE if f"`{f}`" in told} == set(VOLATILE)


def test_every_place_in_result_json_is_there(area):
    held = json.loads((area[1] / "result.json").read_text(encoding="utf-8"))
    places = re.findall(r"^\| [^|]* \| `([a-z_.<>]+)` \|$", section("Where the numbers are"), re.MULTILINE)
    assert len(places) > 5
    for place in places:
        inside = held
        for part in place.replace("<outcome>", "robbery").split("."):
            assert part in inside, f"{place} is not in result.json"
            inside = inside[part]
    told = {p.split(".")[-1] for p in places}
    assert set(held["outcomes"]["robbery"]) - told == {"label"}


def test_the_columns_of_estimates_csv_are_listed(area):
    row = next(line for line in PAGE.splitlines() if line.startswith("| `areas/<code>/estimates.csv`"))
    columns = estimates_csv(area[0].view).splitlines()[0].split(",")
    assert re.findall(r"`(\w+)`", row.split("concerns the area:")[1].split(". Rows")[0]) == columns
    assert {p.name for p in area[1].iterdir()} == {"report.html", "estimates.csv", "result.json", "figures"}
