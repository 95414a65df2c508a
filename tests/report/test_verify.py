import pytest

from svmodel.errors import DataError
from svmodel.report.publish.verify import compare_number, parse_printed, read_published, verify


def published(tmp_path, text, name="published.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("printed", "computed", "status"),
    [
        ("0.8173", 0.8173, "match"),
        ("0.82", 0.8173, "rounding"),
        ("0.82", 0.825, "rounding"),
        ("0.82", 0.82501, "mismatch"),
        ("0.820", 0.8173, "mismatch"),
        ("0.8200", 0.82, "match"),
        ("-1,204", -1203.6, "rounding"),
        ("−1204", -1204.6, "mismatch"),
        ("-18.3%", 0.8173, "rounding"),
        ("-18%", 0.8173, "rounding"),
        ("-18.2%", 0.8173, "mismatch"),
        ("1.2e3", 1204.0, "rounding"),
        ("1.2e3", 1251.0, "mismatch"),
        ("3", float("nan"), "mismatch"),
    ],
)
def test_the_decimals_as_printed_decide(printed, computed, status):
    assert compare_number(printed, computed) == status


@pytest.mark.parametrize("printed", ["about 3", "", "nan", "1.2.3"])
def test_what_is_no_number_is_refused(printed):
    with pytest.raises(DataError, match="is no number"):
        parse_printed(printed)


def test_every_status_is_told(finished_run, tmp_path):
    run = finished_run
    text = """\
    study: a study
    source: Table 2
    numbers:
      - {outcome: violence, estimator: M, term: att, scale: rate_ratio, value: 0.8173, low: 0.70, high: 0.97}
      - {outcome: violence, estimator: M, term: event, scale: rate_ratio, horizon: 0, value: "1.0"}
      - {outcome: violence, estimator: M, term: event, scale: rate_ratio, horizon: 9, value: "1.0"}
      - {outcome: violence, estimator: M, term: area, scale: rate_ratio, area: N, value: 0.5}
    """
    found = verify(run, published(tmp_path, text.replace("    ", "", 1).replace("\n    ", "\n")))
    table = found.table.set_index(["term", "horizon", "area", "number"])["status"]
    assert table[("att", "", "", "value")] == "match"
    assert table[("att", "", "", "low")] == "rounding"
    assert table[("att", "", "", "high")] == "mismatch"
    assert table[("event", "0", "", "value")] == "match"
    assert table[("event", "9", "", "value")] == "missing"
    assert table[("area", "", "N", "value")] == "match"
    extra = found.table[found.table["status"] == "extra"]
    # once each, though study-wide estimates stand in the reports of both areas
    assert sorted(extra["found"]) == [0.6, 0.9, 1.1]
    assert not found.holds
    assert str(found) == "3 match, 1 rounding, 1 mismatch, 1 missing, 3 extra"


def test_csv_holds_the_same(finished_run, tmp_path):
    text = "outcome,estimator,term,scale,horizon,value\nviolence,M,event,rate_ratio,1,0.90\n"
    found = verify(finished_run, published(tmp_path, text, "published.csv"))
    assert found.holds
    assert found.count("match") == 1


def test_a_number_that_several_estimates_fit_asks_which(finished_run, tmp_path):
    text = "numbers: [{outcome: violence, estimator: M, term: event, scale: rate_ratio, value: 1}]\n"
    with pytest.raises(DataError, match="say which by horizon"):
        verify(finished_run, published(tmp_path, text))


def test_a_published_file_with_mistakes_tells_all_of_them(tmp_path):
    text = """\
numbers:
  - {outcome: violence, estimator: M, term: att, scale: rate_ratio, value: about 1}
  - {outcom: violence, estimator: M, term: att, scale: rate_ratio, value: 1}
"""
    with pytest.raises(DataError) as caught:
        read_published(published(tmp_path, text))
    assert {(p.line, p.rule) for p in caught.value.problems} == {
        (2, "not_a_number"),
        (3, "unknown_key"),
        (3, "missing_key"),
    }


def test_a_folder_without_a_finished_run_is_refused(tmp_path):
    text = "numbers: [{outcome: v, estimator: M, term: att, scale: rate_ratio, value: 1}]\n"
    with pytest.raises(DataError, match="no such folder"):
        verify(tmp_path / "none", published(tmp_path, text))
    with pytest.raises(DataError, match=r"no manifest\.json"):
        verify(tmp_path, published(tmp_path, text))
