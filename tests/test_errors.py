import pickle

import pytest

from svmodel.errors import DataError, Problem, Problems, StudyError, UserError, did_you_mean, nearest, shorten


def test_a_problem_says_where_what_and_what_to_do():
    problem = Problem("the window is empty", where="window", fix="Widen it.", line=7)
    assert str(problem) == "line 7, window: the window is empty. Widen it."
    assert str(Problem("is it there?")) == "is it there?"


def test_every_problem_stands_in_one_message():
    found = Problems()
    found.raise_if_any(DataError, "nothing is wrong")
    found.add("one")
    found.extend([Problem("two"), Problem("three")])
    with pytest.raises(DataError) as caught:
        found.raise_if_any(DataError, "x.csv cannot be used")
    lines = str(caught.value).splitlines()
    assert lines == ["x.csv cannot be used: 3 problems", "  1. one.", "  2. two.", "  3. three."]
    assert isinstance(caught.value, UserError)


def test_an_error_crosses_a_process_border_whole():
    error = StudyError("demo.yaml cannot be used", [Problem("no such key", line=3, rule="unknown_key")])
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is StudyError
    assert again.problems == error.problems
    assert str(again) == str(error)


def test_texts_become_problems():
    assert UserError("title", ["plain text"]).problems == (Problem("plain text"),)
    assert str(UserError("title alone")) == "title alone"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("VIOLENCE", "violence"), ("vilence", "violence"), ("homicid", "homicide"), ("zzz", None)],
)
def test_nearest(name, expected):
    assert nearest(name, ["violence", "homicide"]) == expected


def test_did_you_mean_lists_when_nothing_is_near():
    assert did_you_mean("robery", ["robbery"]) == "Did you mean 'robbery'?"
    assert did_you_mean("q", [f"name{i}" for i in range(10)], limit=2) == "Valid names: 'name0', 'name1' and 8 more."
    assert did_you_mean("q", []) == ""


def test_shorten_counts_what_it_leaves_out():
    assert shorten(range(7), limit=5) == "'0', '1', '2', '3', '4' and 2 more"
    assert shorten(["a"]) == "'a'"
