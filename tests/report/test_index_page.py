from types import SimpleNamespace

from svmodel.report.run.index import failed_page, index_page
from svmodel.report.run.manifest import AreaOutcome
from svmodel.report.study import OutcomeSpec

STUDY = SimpleNamespace(
    title="Knives & streets",
    description="About <it>",
    outcomes=(OutcomeSpec("v", "Violence"), OutcomeSpec("r", "Robbery")),
)


def test_failures_come_first_are_counted_and_say_why(read_outline):
    outcomes = [
        AreaOutcome("E1", "Sefton", "made"),
        AreaOutcome("E2", "Wirral", "failed", "no <period> is treated"),
        AreaOutcome("E3", "Halton", "skipped"),
    ]
    html = index_page(STUDY, outcomes, synthetic=False)
    read_outline(html)
    assert "1 area without a report" in html
    assert "2 reports" in html
    assert html.index("Wirral") < html.index("Halton") < html.index("Sefton")
    assert "no &lt;period&gt; is treated" in html
    assert "Knives &amp; streets" in html
    assert 'href="areas/E1/report.html"' in html
    assert "SYNTHETIC" not in html
    assert html.count("<h1") == 1


def test_no_failures_no_section_about_them():
    html = index_page(STUDY, [AreaOutcome("E1", "Sefton", "made")], synthetic=True)
    assert "without a report" not in html
    assert "1 report<" in html
    assert "SYNTHETIC DATA" in html


def test_the_page_of_a_failed_area_says_so_and_why(read_outline):
    html = failed_page(title="Study", code="E2", name="Wirral", message="ValueError: <bad>\nsecond line")
    read_outline(html)
    assert "<h1>Wirral: no report</h1>" in html
    assert "ValueError: &lt;bad&gt;\nsecond line" in html
    assert 'href="run.log"' in html
    assert "no reason was given" in failed_page(title="S", code="E", name="W", message=" ")


def test_codes_have_a_column_only_where_they_say_more_than_names():
    column = '<th scope="col">Code</th>'
    assert column in index_page(STUDY, [AreaOutcome("E1", "Sefton", "made")], synthetic=False)
    assert column not in index_page(STUDY, [AreaOutcome("Barnet", "Barnet", "made")], synthetic=False)
