"""Lists of methods in a study file: what is read, and what is refused with its line and the nearest name."""

import pytest

from svmodel.errors import StudyError
from svmodel.report.study import open_study, read_study
from svmodel.report.study.read import parse_study
from svmodel.report.study.registry import checks, notebooks

BASE = """title: A study
data: {path: data.csv, counts: [violence, robbery]}
outcomes: [{column: violence}]
intervention: {name: Patrols, starts: {A: 2020-03}}
"""


@pytest.fixture
def parsed(tmp_path):
    def parse(more):
        path = tmp_path / "study.yaml"
        path.write_text(BASE + more, encoding="utf-8")
        return parse_study(path)

    return parse


def test_inference_with_its_choices_is_built(parsed):
    study, problems = parsed("inference:\n  - Jackknife\n  - RandomisationInference: {draws: 19}\n")
    assert list(problems) == []
    assert [s.label for s in study.inference] == ["Jackknife", "RandomisationInference(draws=19)"]
    assert study.inference[1].build().draws == 19


def test_default_among_checks_stands_for_all_in_their_order(parsed):
    study, problems = parsed("checks:\n  - default\n  - placebo_in_space: {draws: 99}\n")
    assert list(problems) == []
    assert study.checks == checks()
    assert study.check_options == {"placebo_in_space": {"draws": 99}}
    assert parsed("checks: default\n")[0].checks is None
    assert parsed("checks: [default]\n")[0].checks is None
    assert parsed("checks: []\n")[0].checks == ()
    assert parsed("checks: [overdispersion, pre_trends]\n")[0].checks == ("overdispersion", "pre_trends")


def test_specifications_and_power_are_read(parsed):
    more = "specifications: {first_periods: [2019-04, 2019Q3], anticipation: [0, 2]}\npower: {effects: [1, 0.5]}\n"
    study, problems = parsed(more)
    assert list(problems) == []
    assert [str(p) for p in study.specifications.first_periods] == ["2019-04", "2019Q3"]
    assert study.specifications.anticipation == (0, 2)
    assert study.power.effects == (1.0, 0.5)


@pytest.mark.parametrize(
    ("more", "what", "fix", "line"),
    [
        ("inference: [Jacknife]\n", "there is no method of inference 'Jacknife'", "Did you mean 'Jackknife'", 5),
        ("inference:\n  - Jackknife: {n: 3}\n", "Jackknife has no choice 'n'", "level", 6),
        ("inference:\n  - ClusterBootstrap: {draws: 0}\n", "ClusterBootstrap refuses its choices", "", 6),
        ("inference: [Jackknife, Jackknife]\n", "the method of inference Jackknife stands twice", "", 5),
        ("checks: [pretrends]\n", "there is no check 'pretrends'", "Did you mean 'pre_trends'", 5),
        ("checks: [overlap, overlap]\n", "'overlap' stands twice", "", 5),
        ("checks:\n  - spillover: {neighbors: b.csv}\n", "spillover has no option 'neighbors'", "neighbours", 6),
        ("checks:\n  - recording_practice: {breaks: []}\n", "recording_practice has no option 'breaks'", "outcome", 6),
        ("checks:\n  - overlap: 3\n", "the options of overlap have to be a group of keys", "", 6),
        ("checks:\n  - [overlap]\n", "this has to be the name of a check, or `name: {key: value}`", "", 6),
        ("specifications: {anticipation: [-1]}\n", "this has to be a list of whole numbers", "", 5),
        ("power: {effects: [much]}\n", "this has to be a list of numbers", "", 5),
        ("power: {draws: 3}\n", "this has to be 20 or more, and is 3", "", 5),
        ("notebook: did_evaluaton\n", "no notebook 'did_evaluaton' is shipped", "Did you mean 'did_evaluation'", 5),
    ],
)
def test_what_is_wrong_is_told_with_line_and_fix(parsed, more, what, fix, line):
    _, problems = parsed(more)
    (problem,) = problems
    assert problem.what.startswith(what)
    assert fix in problem.fix
    assert problem.line == line


def test_shipped_notebooks_go_by_name(parsed):
    for name, path in notebooks().items():
        study, problems = parsed(f"notebook: {name}\n")
        assert list(problems) == []
        assert study.notebook == path


def test_what_checks_are_told_is_looked_up_in_the_data(tmp_path):
    rows = [f"{a},2020-0{m},{m},1" for a in "AB" for m in range(1, 7)]
    (tmp_path / "data.csv").write_text("area,period,violence,robbery\n" + "\n".join(rows) + "\n")
    path = tmp_path / "study.yaml"
    more = "checks:\n  - negative_controls: {outcomes: [robery]}\n  - spillover: {neighbours: borders.csv}\n"
    path.write_text(BASE + more)
    with pytest.raises(StudyError) as caught:
        read_study(path, look_at_data=True)
    assert [p.line for p in caught.value.problems] == [7]
    assert "no file" in caught.value.problems[0].what
    (tmp_path / "borders.csv").write_text("a,b\nA,B\n")
    with pytest.raises(StudyError) as caught:
        read_study(path, look_at_data=True)
    (problem,) = caught.value.problems
    assert problem.what == "'robery' is neither among the data's counts nor its measures"
    assert "Did you mean 'robbery'" in problem.fix
    assert problem.line == 6
    path.write_text(BASE + more.replace("robery", "robbery"))
    from svmodel.report.study.data import input_files

    opened = open_study(path)
    study = opened.study
    assert opened.told_to_checks["spillover"]["neighbours"] == [("A", "B")]
    assert tmp_path / "borders.csv" in input_files(study, tmp_path), "a changed file of borders makes reports anew"
    (tmp_path / "borders.csv").write_text("a\nA\n")
    opened = open_study(path)
    with pytest.raises(StudyError, match="two columns"):
        _ = opened.told_to_checks
