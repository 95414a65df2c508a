"""No published file of an area holds a small count, or a number that gives one back."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from svmodel.protect import Disclosure
from svmodel.report import open_area
from svmodel.result.check import CheckResult

#: Violence counts of one month in a ward (month number), far below the others and unlike any other number.
PLANTED = {
    ("N1", 20): 311,
    ("N2", 20): 7,
    ("N3", 20): 13,
    ("N4", 20): 6,
    ("N1", 44): 3,
    ("N2", 44): 409,
    ("N3", 44): 11,
    ("N4", 44): 16,
}
#: What North's page must not show: its totals in those months, and those of the wards that were treated in them.
SECRETS = (337.0, 439.0, 318.0, 412.0)
RULE = Disclosure("threshold", threshold=1000)
SCALE = 1500.0


@pytest.fixture(scope="module")
def frame(small_study):
    return small_study.make_frame(scale=SCALE, planted=PLANTED)


def published(folder):
    """Every number that a reader or a program finds in the folder, with where it stands."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
        elif path.suffix == ".json":
            cells = re.findall(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", json.dumps(json.loads(text)))
        else:
            # coordinates of drawings come from the very data that stand beside them
            text = re.sub(r'\b(?:d|x|y|points|transform|viewBox|id|href|xlink:href|style)="[^"]*"', "", text)
            cells = re.findall(r"\d[\d,]*(?:\.\d+)?", text)
        for cell in cells:
            try:
                found.append((float(str(cell).replace(",", "")), path.name))
            except ValueError:
                continue
    return found


def holders(numbers, secret, tolerance):
    return {name for value, name in numbers if abs(abs(value) - secret) < tolerance}


@pytest.fixture(scope="module")
def context(frame, tmp_path_factory, small_study):
    return replace(small_study.make_context(tmp_path_factory.mktemp("hidden"), frame=frame), disclosure=RULE)


@pytest.fixture(scope="module")
def folder(context, tmp_path_factory, small_study):
    out = tmp_path_factory.mktemp("hidden_out")
    small_study.write_area(context, "N", out)
    return out


@pytest.mark.parametrize("secret", SECRETS)
def test_a_planted_count_is_in_no_file(folder, secret):
    assert not holders(published(folder), secret, 0.5)


def test_nor_is_its_rate(folder, frame):
    people = frame[frame["borough"] == "N"].groupby("month")["people"].sum().iloc[0]
    for secret in SECRETS[:2]:
        assert not holders(published(folder), secret / people * 1e5, 0.05)


def test_nor_does_it_follow_from_running_years(folder):
    with (folder / "figures" / "violence_rolling_year.csv").open(newline="") as file:
        sums = np.array([float(r["count"]) for r in csv.DictReader(file)])
    assert (sums % 500 == 0).all(), "exact running years would give the hidden month back by subtraction"


def test_nor_from_expected_and_difference(folder):
    with (folder / "figures" / "violence_observed_expected.csv").open(newline="") as file:
        rows = {r["period"]: r for r in csv.DictReader(file)}
    for month in ("2020-09", "2022-09"):
        row = rows[month]
        assert row["observed_flag"] == "c"
        assert row["observed"] == row["expected"] == row["difference"] == ""
    for row in rows.values():
        if row["observed"] and row["difference"]:
            back = float(row["expected"]) + float(row["difference"])
            assert back == float(row["observed"])
            assert back % 500 == 0


def test_the_page_says_what_is_hidden(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "[c]" in page
    assert "Counts from 1 to 999 are hidden" in page


def test_the_search_would_find_them_without_the_rule(context, tmp_path, small_study):
    """The tests above can fail: without a rule every secret stands in the page."""
    small_study.write_area(replace(context, disclosure=Disclosure()), "N", tmp_path)
    numbers = published(tmp_path)
    for secret in SECRETS:
        assert holders(numbers, secret, 0.5) >= {"report.html"}, secret


def test_small_numbers_in_words_of_checks_and_methods_are_masked(context, tmp_path):
    told = replace(
        context,
        checks={"violence": (CheckResult("overdispersion", "informative", "One ward had 318 events in a month."),)},
        failures={"violence": {"CallawaySantAnna": "only 318 events are left"}},
    )
    report = open_area(told, "N", tmp_path)
    report.effect()
    report.write()
    assert "One ward had [c] events in a month." in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not holders(published(tmp_path), 318.0, 0.5)
