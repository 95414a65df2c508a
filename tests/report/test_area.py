"""One area's report, made from real fits of a small study."""

import csv
import filecmp
import json
import re
from dataclasses import replace

import nbformat
import pytest

from svmodel.errors import DataError
from svmodel.report import open_area
from svmodel.report.study.registry import default_notebook


@pytest.fixture(scope="module")
def context(small_study):
    return small_study.fitted()


@pytest.fixture
def north(plain_run):
    return plain_run / "areas" / "N"


@pytest.fixture
def west(plain_run):
    return plain_run / "areas" / "W"


def text_of(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8")).split())


def test_everything_that_was_promised_is_written(north):
    names = {p.relative_to(north).as_posix() for p in north.rglob("*") if p.is_file()}
    assert {"report.html", "result.json", "estimates.csv"} <= names
    figures = {n for n in names if n.startswith("figures/")}
    drawings = {n.removesuffix(".svg") for n in figures if n.endswith(".svg")}
    assert len(drawings) >= 8
    assert figures == {f"{d}.{ending}" for d in drawings for ending in ("svg", "csv", "txt")}


def test_two_runs_give_the_same_bytes(context, north, tmp_path, small_study):
    small_study.write_area(context, "N", tmp_path)
    names = [p.relative_to(north).as_posix() for p in north.rglob("*") if p.is_file()]
    _, different, missing = filecmp.cmpfiles(north, tmp_path, names, shallow=False)
    assert (different, missing) == ([], [])


def test_the_numbers_are_those_of_the_fits(context, north):
    held = json.loads((north / "result.json").read_text())
    result = context.headline_result()
    ratio = result.effect("att", "rate_ratio")
    method = context.study.estimators[0].label
    assert held["outcomes"]["violence"]["study_effects"][method]["rate_ratio"]["estimate"] == ratio.estimate
    own = result.effect("area", "rate_ratio", area="N")
    assert held["outcomes"]["violence"]["own_effect"]["rate_ratio"]["conf_low"] == own.conf_low
    year = context.reporting.matrix("violence")[context.reporting.areas.index("N")]
    assert held["outcomes"]["violence"]["last_year"]["count"] == year[-12:].sum()
    assert held["outcomes"]["violence"]["last_year"]["change"] == pytest.approx(
        100 * (year[-12:].sum() / year[-24:-12].sum() - 1)
    )
    median = context.forecasts["violence"].quantiles.query("area == 'N' and quantile == 0.5")["value"].tolist()
    assert [f["quantiles"]["0.5"] for f in held["outcomes"]["violence"]["forecast"]] == median
    worth = held["worth"][0]
    events = result.effect("att", "events").estimate
    assert worth["averted"] == -events
    assert worth["cost"] == 20_000
    # 10,000 pounds an event, discounted at 3.5% for the share of treated area-months after the first year
    assert 9_500 < worth["pounds"] <= 10_000
    assert worth["benefit"]["estimate"] == pytest.approx(-events * worth["pounds"])
    assert worth["break_even"] == pytest.approx(20_000 / worth["pounds"])


def test_the_headline_says_what_the_numbers_say(context, north):
    words = text_of(north / "report.html")
    own = context.headline_result().effect("area", "rate_ratio", area="N")
    middle, low, high = own.percent
    assert middle < 0
    assert high < 0
    assert f"{-middle:.1f}% fewer than expected without Patrols" in words
    assert f"between {-high:.1f}% and {-low:.1f}% fewer" in words
    assert "The whole 95% interval is on the side of a fall." in words
    assert "it had to prevent about" in words


def test_an_area_without_treatment_is_told_so_and_sees_the_study(context, west):
    words = text_of(west / "report.html")
    assert "No part of West &amp; Central received it" in words
    assert "Over the whole study" in words
    held = json.loads((west / "result.json").read_text())
    assert held["starts"] == {}
    assert held["outcomes"]["violence"]["own_effect"] is None
    assert not list(west.glob("figures/*_observed_expected.svg"))
    assert list(west.glob("figures/*_observed_expected_all.svg"))


def test_estimates_are_tidy_and_this_areas_own(north):
    with (north / "estimates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {r["outcome"] for r in rows} == {"violence", "robbery"}
    assert {r["area"] for r in rows if r["term"] == "area"} == {"N"}
    assert not {r["term"] for r in rows} & {"cell"}
    assert len({r["estimator"] for r in rows}) == 2


def test_a_study_without_an_intervention_invents_nothing(tmp_path, small_study):
    context = small_study.fitted(intervention=False)
    page = small_study.write_area(context, "S", tmp_path / "out")
    words = text_of(page)
    assert "This study declares no intervention, so there is no effect to estimate." in words
    assert "there is nothing to weigh" in words
    held = json.loads((tmp_path / "out" / "result.json").read_text())
    assert held["intervention"] is None
    assert held["worth"] == []
    assert held["outcomes"]["violence"]["study_effects"] == {}
    assert "figures/violence_event_study.svg" not in words
    assert len((tmp_path / "out" / "estimates.csv").read_text().splitlines()) == 1


def test_an_unknown_area_is_refused_with_the_nearest(context, tmp_path):
    with pytest.raises(DataError, match=r"no area 'n'\. Did you mean 'N'"):
        open_area(context, "n", tmp_path)


def test_a_report_without_sections_is_not_written(context, tmp_path):
    with pytest.raises(DataError, match="no section"):
        open_area(context, "N", tmp_path).write()
    assert not list(tmp_path.iterdir())


def test_a_section_that_is_not_asked_for_is_not_there_and_the_order_is_the_pages(context, tmp_path):
    report = open_area(context, "N", tmp_path)
    report.method()
    report.happening()
    assert [s.key for s in report.sections] == ["happening", "method"]
    html = report.html()
    assert 'id="effect"' not in html
    assert html.index('id="happening"') < html.index('id="method"')


def test_the_context_can_be_read_from_where_it_is_saved(context, tmp_path):
    path = context.save(tmp_path / "context.pickle")
    report = open_area(path, "N", tmp_path)
    assert "North" in report.happening().answer


def test_a_failed_estimator_is_shown_with_its_reason(context, tmp_path):
    head = context.study.estimators[0].label
    results = {"violence": {k: v for k, v in context.results["violence"].items() if k != head}}
    broken = replace(
        context, results=results, failures={"violence": {head: "no area is left to compare with"}}, checks={}
    )
    report = open_area(broken, "N", tmp_path)
    report.effect()
    report.worth()
    words = text_of(report.write())
    assert "overall effect could not be estimated: no area is left to compare with" in words
    assert "Extended two-way fixed effects (Poisson) gave no answer. No area is left to compare with." in words
    assert "could not be estimated, so it has no price" in words


def test_the_committed_notebook_is_calls_and_prose_without_output():
    notebook = nbformat.read(default_notebook(), as_version=4)
    nbformat.validate(notebook)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert all(c.outputs == [] and c.execution_count is None for c in code)
    assert [c.metadata.get("tags") for c in code if c.metadata.get("tags")] == [["parameters"]]
    parameters, opening, *calls = [c.source for c in code]
    assert {line.split(" = ")[0] for line in parameters.splitlines()} == {"context", "area_code", "output"}
    assert "open_area(context, area_code, output)" in opening
    names = ("happening", "coming", "effect", "worth", "quality", "method", "write")
    assert calls == [f"area.{name}()" for name in names]
    assert sum(c.cell_type == "markdown" for c in notebook.cells) >= len(code)


def test_an_effect_without_an_interval_says_so_and_prints_no_missing_number(tmp_path, small_study):
    """Six wards: too few that are not treated for any interval."""
    frame = small_study.make_frame()
    frame = frame[frame["ward"].isin(["N1", "N2", "N3", "S1", "E1", "W1"])]
    context = small_study.make_context(tmp_path / "study", frame=frame)
    words = text_of(small_study.write_area(context, "N", tmp_path / "out"))
    assert "No interval could be worked out, so how sure we can be is not known." in words
    assert "nobody can say whether it paid for itself" in words
    assert "nan" not in words.casefold().split()
    assert "£not available" not in words
    assert "not available to" not in words


def test_a_note_of_a_method_stands_once_with_the_outcomes_that_it_is_about(context):
    from svmodel.report.pages.area_view import AreaView
    from svmodel.report.pages.sections.method import method_notes

    results = {
        outcome: {label: replace(r, notes=(f"The sum of '{outcome}' is used.", f"own words {n}", "no cohort"))
                  for label, r in held.items()}
        for n, (outcome, held) in enumerate(context.results.items())
    }  # fmt: skip
    notes = method_notes(AreaView(replace(context, results=results), "N"))
    assert len(notes) == 8
    assert "Callaway and Sant'Anna, all outcomes: The sum of each of these outcomes is used." in notes
    assert "Callaway and Sant'Anna, violence with injury: own words 0." in notes
    assert "Extended two-way fixed effects (Poisson), all outcomes: no cohort." in notes


def test_provenance_is_in_words_with_one_row_a_source(context, tmp_path):
    told = replace(context, data_sources=("Police; all forces", "Census"))
    page = open_area(told, "N", tmp_path)
    page.method()
    html = page.html()
    assert '<th scope="row">Data</th><td>Police; all forces</td>' in html
    assert html.count('<th scope="row">Data</th>') == 2
    assert "Extended two-way fixed effects (family poisson); Callaway and Sant&#x27;Anna (its own default" in html
    assert "Jan 2019 to Dec 2023: all that the data hold" in html
    assert "3 months ahead" in html
    table = html[html.index("<caption>Provenance") : html.index("<caption>Files beside")]
    assert "null" not in table
    assert "{" not in table


def test_past_ranges_that_were_far_off_are_told_in_words():
    import pandas as pd

    from svmodel.report.pages.sections.coming import ranges_words

    def past(*held):
        names = ("coverage_50", "coverage_80", "coverage_95")
        return pd.DataFrame(
            [{"method": "last_value"}, {"method": "pooled_smoothing", **dict(zip(names, held, strict=True))}]
        )

    assert ranges_words(past(0.56, 0.85, 0.97)) == ""
    assert ranges_words(past(0.69, 0.9, 1.0)) == (
        "In the past these ranges were too wide here: the 50% range held 69%, the 80% range 90% and the 95% range 100% "
        "of what came, so what comes will probably be nearer the middle."
    )
    assert "too narrow here" in ranges_words(past(0.45, 0.7, 0.84))
    assert "wrong shape" in ranges_words(past(0.7, 0.8, 0.8))


def test_the_worth_of_one_event_says_that_it_is_discounted(north):
    held = json.loads((north / "result.json").read_text())["worth"][0]
    assert held["pounds"] < held["price"] == 10_000, "prices of 2022 in a page of 2022"
    words = text_of(north / "report.html")
    assert "Worth of one, discounted" in words
    assert f"£{held['pounds']:,.0f} (of £{held['price']:,.0f})" in words
