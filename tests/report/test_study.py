import re
from pathlib import Path

import pandas as pd
import pytest

from svmodel.errors import StudyError
from svmodel.report.describe import describe_study
from svmodel.report.study import open_data, read_study
from svmodel.report.study.registry import checks, estimators

ROOT = Path(__file__).resolve().parents[2]


def problems_of(path, **given):
    with pytest.raises(StudyError) as caught:
        read_study(path, look_at_data=True, **given)
    return caught.value.problems


def found(problems):
    return {(p.line, p.rule) for p in problems}


def test_a_whole_study_is_read_with_every_key(write_study):
    study = read_study(
        write_study(
            more="""\
            description: What it is about
            areas: [South]
            covariates: [people]
            intervention:
              name: Patrols
              description: At night
              starts: {A2: 2024-03}
              ends: {A2: 2024-03}
              cost:
                - {item: Patrol, quantity: 2, unit_cost: 10.5, price_year: 2021, source: A paper}
            window: [2024-01, null]
            anticipation: 1
            breaks:
              - {period: 2024-02, until: 2024-03, reason: New system}
            forecast: {horizon: 3}
            economics:
              price_year: 2024
              unit_costs:
                - {outcome: violence, cost: 14050, price_year: 2015, source: RR99}
            seed: 2026
            disclosure: {rule: threshold, threshold: 5}
            notes: [One note]
            """
        )
    )
    assert study.key == "small"
    assert [(o.column, o.label, o.hospital) for o in study.outcomes] == [
        ("violence", "Violence", False),
        ("robbery", "robbery", False),
    ]
    assert study.areas == ("South",)
    assert study.intervention.starts == {"A2": pd.Period("2024-03", "M")}
    assert study.intervention.ends == {"A2": pd.Period("2024-03", "M")}
    assert study.intervention.cost[0].total == 21.0
    assert study.window == (pd.Period("2024-01", "M"), None)
    assert study.breaks[0].until == pd.Period("2024-03", "M")
    assert (study.horizon, study.seed, study.anticipation) == (3, 2026, 1)
    assert study.economics.unit_costs[0].price_year == 2015
    assert study.disclosure.build().threshold == 5
    assert study.data.names == {"N": "North", "S": "South"}
    assert study.line("seed") == 35


def test_six_planted_errors_are_told_at_once_each_with_its_line(write_study):
    path = write_study(
        text="""\
        title: A study
        data:
          path: data.csv
          area: code
          period: month
          counts: [robery, violence]
          exposures: [people]
          parent: district
        areas: [Nn, S]
        outcomes:
          - column: violence
        exposur: people
        window: [2024-13, 2024-03]
        estimators: [TwoWayFixedEffect]
        seed: many
        """
    )
    problems = problems_of(path)
    assert [(p.line, p.rule) for p in problems] == [
        (6, "unknown_column"),
        (9, "unknown_area"),
        (12, "unknown_key"),
        (13, "bad_period"),
        (14, "unknown_estimator"),
        (15, "wrong_type"),
    ]
    text = str(StudyError("it", problems))
    assert "6 problems" in text
    for nearest in ("'robbery'", "'exposure'"):
        assert f"Did you mean {nearest}?" in text
    if estimators():
        assert "Did you mean 'TwoWayFixedEffects'?" in text


COST = "item: a, unit_cost: 1, price_year: 2020"


@pytest.mark.parametrize(
    ("more", "line", "rule"),
    [
        ("seed: 1\nseed: 2\n", 17, "duplicate_key"),
        ("level: ward\n", 16, "unknown_level"),
        ("areas: {N: 1}\n", 16, "wrong_type"),
        ("areas: [N, N]\n", 16, "named_twice"),
        ("window: [2024-01]\n", 16, "bad_window"),
        ("window: [2024-03, 2024-01]\n", 16, "bad_window"),
        ("window: [2024, 2024-03]\n", 16, "bad_window"),
        ("window: [2025-01, null]\n", 16, "window"),
        ("window: [2024Q5, null]\n", 16, "bad_period"),
        ("anticipation: -1\n", 16, "out_of_range"),
        ("anticipation: 1.5\n", 16, "wrong_type"),
        ("checks: [pre_trend]\n", 16, "unknown_check"),
        ("covariates: [age]\n", 16, "unknown_covariate"),
        ("breaks:\n  - {period: 2024-02}\n", 17, "missing_key"),
        ("breaks:\n  - {period: 2024-02, until: 2024-01, reason: x}\n", 17, "bad_period"),
        ("breaks:\n  - {period: 2019-02, reason: x}\n", 17, "window"),
        ("forecast: 12\n", 16, "wrong_type"),
        ("forecast: {horizon: 700}\n", 16, "out_of_range"),
        ("notebook: none.ipynb\n", 16, "no_file"),
        ("published: none.yaml\n", 16, "no_file"),
        ("disclosure: {rule: treshold}\n", 16, "bad_disclosure"),
        ("disclosure: {rule: none, threshold: 9}\n", 16, "bad_disclosure"),
        ("economics:\n  unit_costs:\n    - {outcome: robbery, cost: 5}\n", 18, "missing_key"),
        ("economics:\n  unit_costs:\n    - {outcome: arson, cost: 5, price_year: 2015}\n", 18, "unknown_outcome"),
        ("intervention: {name: X, starts: {A9: 2024-02}}\n", 16, "unknown_area"),
        ("intervention: {name: X, starts: {A1: 2024}}\n", 16, "bad_period"),
        ("intervention: {name: X, starts: {}}\n", 16, "nobody_treated"),
        ("intervention: {name: X}\n", 16, "missing_key"),
        ("intervention: {name: X, starts: {column: treatd, period: 2024-02}}\n", 16, "unknown_column"),
        ("intervention: {name: X, starts: {column: robbery, period: 2024-02}}\n", 16, "not_an_indicator"),
        ("intervention: {name: X, starts: {file: none.csv}}\n", 16, "no_file"),
        (f"intervention: {{name: X, starts: {{A1: 2024-02}}, cost: [{{quantity: -1, {COST}}}]}}\n", 16, "wrong_type"),
        ("title: again\n", 16, "duplicate_key"),
        ("seed: !!python/object:os.system x\n", 16, "unreadable_value"),
    ],
)  # fmt: skip
def test_each_kind_of_mistake_is_named_with_its_line(write_study, more, line, rule):
    problems = problems_of(write_study(more=more))
    assert (line, rule) in {(p.line, p.rule) for p in problems}, problems


def test_wrong_choices_of_an_estimator_are_told(write_study):
    if "TwoWayFixedEffects" not in estimators():
        pytest.skip("the estimators are not there")
    more = """\
    estimators:
      - TwoWayFixedEffects: {famly: linear}
      - TwoWayFixedEffects: {family: cubic}
      - CallawaySantAnna
      - CallawaySantAnna
    """
    problems = problems_of(write_study(more=more))
    assert found(problems) >= {(17, "unknown_choice"), (18, "bad_choice"), (20, "estimator_twice")}
    assert "Did you mean 'family'?" in str(StudyError("it", problems))


def test_estimators_and_checks_of_the_package_are_known():
    assert {"TwoWayFixedEffects", "ExtendedTwoWayFixedEffects", "CallawaySantAnna"} <= set(estimators())
    assert len(checks()) >= 5


def test_a_missing_key_names_itself(write_study):
    problems = problems_of(write_study(text="description: nothing more\n"))
    assert {p.where for p in problems if p.rule == "missing_key"} == {"title", "data", "outcomes"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("- a\n- b\n", "this is a list"),
        ("title: [a\n", "line 2"),
        ("title: a\n\tdata: b\n", "line 2"),
    ],
)
def test_a_file_that_is_no_study_gets_one_clear_message(write_study, text, says):
    with pytest.raises(StudyError, match=re.escape(says)):
        read_study(write_study(text=text))


def test_a_study_that_is_not_there_names_the_nearest(write_study):
    path = write_study()
    with pytest.raises(StudyError, match=r"Did you mean 'small\.yaml'\?"):
        read_study(path.with_name("smal.yaml"))


def test_real_data_without_a_folder_say_how_to_give_it(write_study, monkeypatch):
    monkeypatch.delenv("SVMODEL_REAL_DATA", raising=False)
    path = write_study()
    path.write_text(path.read_text().replace("data:\n", "data:\n  root: real\n"))
    (problem,) = problems_of(path)
    assert problem.rule == "no_data_root"
    assert problem.line == 3
    assert "--data FOLDER" in problem.fix
    assert "SVMODEL_REAL_DATA" in problem.fix


def test_data_given_goes_before_the_variable_and_the_study(write_study, monkeypatch, tmp_path):
    path = write_study()
    monkeypatch.setenv("SVMODEL_REAL_DATA", str(tmp_path / "nowhere"))
    study = read_study(path)
    assert study.data_root() == path.parent
    assert study.data_root(tmp_path) == tmp_path
    with pytest.raises(StudyError, match="there is no folder"):
        study.data_root(tmp_path / "none")


def test_starts_come_from_a_file_or_a_column(write_study, tmp_path):
    (tmp_path / "studies" / "starts.csv").write_text("where,when\nA1,2024-02\nB1,\n")
    study = read_study(
        write_study(more="intervention: {name: X, starts: {file: starts.csv, area: where, period: when}}\n")
    )
    starts = open_data(study).intervention.starts
    assert dict(starts) == {"A1": pd.Period("2024-02", "M")}
    study = read_study(write_study(more="intervention: {name: X, starts: {column: treated, period: 2024-03}}\n"))
    starts = open_data(study).intervention.starts
    assert dict(starts) == {"A2": pd.Period("2024-03", "M")}


@pytest.mark.parametrize(
    ("rows", "more", "start"),
    [
        ("A1,01/02/2024\nB1,13/03/2024\n", "", "2024-02"),
        ("A1,Feb-24\nB1,May-24\nA2,Aug-24\n", "", "2024-02"),  # three months apart, and still months
        ("A1,01/02/2024\nB1,01/03/2024\n", ", period_written: day first", "2024-02"),
        ("A1,02/01/2024\nB1,03/01/2024\n", ", period_written: month first", "2024-02"),
    ],
)
def test_starts_in_a_file_are_read_as_a_column(write_study, tmp_path, rows, more, start):
    (tmp_path / "studies" / "starts.csv").write_text("area,period\n" + rows)
    study = read_study(write_study(more=f"intervention: {{name: X, starts: {{file: starts.csv{more}}}}}\n"))
    assert open_data(study).intervention.starts["A1"] == pd.Period(start, "M")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("A1,01/02/2024\nB1,01/03/2024\n", "period_written: day first, or period_written: month first"),
        ("A1,soon\nB1,2024-02\n", "starts.csv, line 2: 'soon' names no period"),
        ("A1,2024-02\nA1,2024-03\n", "'A1' stands twice in starts.csv, lines 2, 3"),
        ("A1,2024-02\nB1,2024Q2\n", "months and quarters are mixed in starts.csv"),
    ],
)
def test_starts_in_a_file_that_cannot_be_read_say_why(write_study, tmp_path, rows, says):
    (tmp_path / "studies" / "starts.csv").write_text("area,period\n" + rows)
    study = read_study(write_study(more="intervention: {name: X, starts: {file: starts.csv}}\n"))
    with pytest.raises(StudyError, match=says):
        open_data(study)


def test_check_of_wrong_data_says_first_what_was_understood(write_study, tmp_path):
    study = write_study()
    path = read_study(study).data_root() / read_study(study).data.path
    lines = path.read_text().split("\n")
    spoilt = lines[1].split(",")
    column = lines[0].split(",").index("robbery")
    spoilt[column] = "-4"
    path.write_text("\n".join([lines[0], ",".join(spoilt), *lines[2:]]))
    with pytest.raises(StudyError) as caught:
        describe_study(study)
    told = str(caught.value)
    assert 0 < told.index("areas,") < told.index("robbery: 20") < told.index("what is wrong") < told.index("negative")


def test_joins_populations_names_and_window_reach_the_panel(write_study, tmp_path):
    from svmodel.report.study.data import input_files

    folder = tmp_path / "studies"
    (folder / "more.csv").write_text("key,size\nA1,4\nA2,5\nB1,6\n")
    rows = "".join(f"{a},{a},{y},{n}\n" for a, n in (("A1", 100), ("A2", 200), ("B1", 300)) for y in (2023, 2024))
    (folder / "people.csv").write_text("area_code,area_name,year,population\n" + rows)
    path = write_study()
    text = path.read_text().replace(
        "  exposures: [people]\n",
        "  covariates: [size]\n"
        "  joins: [{path: more.csv, on: {code: key}, columns: [size]}]\n"
        "  population: {path: people.csv, column: residents}\n",
    )
    path.write_text(text.replace("exposure: people", "exposure: residents\nwindow: [2024-02, null]"))
    study = read_study(path)
    panel = open_data(study).panel
    assert panel.exposures == ("residents",)
    assert panel.matrix("size")[:, 0].tolist() == [4, 5, 6]
    assert panel.matrix("residents")[:, 0].tolist() == [100, 200, 300]
    assert panel.n_periods == 2
    assert (panel.label("N"), panel.label("A1")) == ("North", "Quay")
    assert [p.name for p in input_files(study, folder)] == ["data.csv", "more.csv", "people.csv"]


def test_level_area_reports_on_the_small_areas(write_study):
    assert open_data(read_study(write_study())).panel.reporting_areas == ("N", "S")
    assert open_data(read_study(write_study(more="level: area\n"))).panel.reporting_areas == ("A1", "A2", "B1")


def test_a_missing_data_file_names_the_nearest(write_study):
    path = write_study()
    path.write_text(path.read_text().replace("path: data.csv", "path: dat.csv"))
    (problem,) = problems_of(path)
    assert (problem.line, problem.rule) == (3, "no_file")
    assert "Did you mean 'data.csv'?" in problem.fix


@pytest.mark.parametrize("name", ["demo", "merseyside", "london"])
def test_the_shipped_studies_parse(name):
    study = read_study(ROOT / "pipelines" / f"{name}.yaml", look_at_data=name == "demo")
    assert study.key == name
    assert study.title


def test_an_option_that_the_layout_does_not_take_is_named_with_its_line(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "title: A study\ndata:\n  path: d.csv\n  area: a\n  period: p\n  counts: [n]\n  options: {vintge: 2021}\n"
        "outcomes: [{column: n}]\n",
        encoding="utf-8",
    )
    (tmp_path / "d.csv").write_text("a,p,n\nX,2024-01,1\n", encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        read_study(path)
    (problem,) = caught.value.problems
    assert problem.line == 7
    assert "Did you mean 'vintage'?" in str(problem)


def test_a_check_that_the_first_estimator_can_never_bear_is_refused_with_its_line(write_study):
    more = """
    intervention: {name: Patrols, starts: {A1: 2024-03}}
    estimators: [HierarchicalDiD]
    checks: [convergence, pre_trends]
    """
    with pytest.raises(StudyError, match=r"pre_trends.*does not give") as refused:
        read_study(write_study(more=more), look_at_data=False)
    (problem,) = refused.value.problems
    assert problem.rule == "check_lacks"
    assert problem.line is not None
    read_study(write_study(more=more.replace(", pre_trends", "")), look_at_data=False)
