import numpy as np
import pandas as pd
import pytest

from svmodel.adjacency import read_adjacency, rings
from svmodel.errors import DataError

AREAS = ("A", "B", "C", "D")
MATRIX = np.array([[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize(
    "given",
    [
        {"A": ["B"], "B": ["A", "C"], "C": ["B"]},
        {"B": ("A", "C")},
        {"A": "B", "C": "B"},
        [("A", "B"), ("C", "B")],
        iter([("A", "B"), ("B", "A"), ("B", "C")]),
        pd.Series({"A": ["B"], "B": ["A", "C"], "C": ["B"]}),
        np.array([("A", "B"), ("C", "B")]),
        pd.DataFrame(MATRIX * 0.5, AREAS, AREAS),
        pd.DataFrame(MATRIX, AREAS, AREAS).loc[list("DCBA"), list("BACD")],
    ],
)
def test_every_shape_tells_the_same_borders(given):
    found = read_adjacency(given, AREAS)
    assert found.pairs() == (("A", "B"), ("B", "C"))
    assert found.islands == ("D",)
    assert (found.borders == found.borders.T).all()
    assert "'D'" in found.notes[-1]


def test_areas_that_are_numbers_are_found_whatever_kind_of_number():
    areas = ("1", "10", "2")
    for given in ({1: [10]}, {1: 10}, {np.int64(1): [10.0]}, [(1, 10)], np.array([[1, 10]]), {"1": "10"}):
        assert read_adjacency(given, areas).pairs() == (("1", "10"),)


def test_borders_told_from_one_side_are_noted_and_pairs_have_no_side():
    assert "2 borders are told from one side only" in read_adjacency({"B": ["A", "C"]}, AREAS).notes[0]
    assert "one side" not in " ".join(read_adjacency([("A", "B")], AREAS).notes)
    assert read_adjacency({"A": ["A", "B"], "B": ["A"]}, ("A", "B")).notes == ()


def test_what_was_read_can_be_read_again_for_fewer_areas():
    whole = read_adjacency({"A": ["B"]}, AREAS)
    assert read_adjacency(whole, AREAS).pairs() == whole.pairs()


def test_every_unknown_area_is_told_with_the_nearest():
    with pytest.raises(DataError) as caught:
        read_adjacency({"Sefton": ["Wiral"], "Liverpol": ["Sefton"]}, ("Liverpool", "Sefton", "Wirral"))
    assert len(caught.value.problems) == 2
    assert "'Wirral'" in str(caught.value)
    assert "'Liverpool'" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (np.zeros((3, 3)), "shape"),
        (MATRIX, "shape"),
        (pd.DataFrame(-MATRIX, AREAS, AREAS), "weights"),
        (pd.DataFrame(np.where(MATRIX, np.nan, 0.0), AREAS, AREAS), "weights"),
        ({"A": 3}, "unknown_area"),
        ([("A", "B", "C")], "shape"),
        ("AB", "shape"),
        (7, "shape"),
        ({"A": []}, "no_border"),
        (pd.DataFrame(MATRIX, AREAS, list("ABCE")), "shape"),
    ],
)
def test_what_tells_no_borders_is_refused(given, rule):
    with pytest.raises(DataError) as caught:
        read_adjacency(given, AREAS)
    assert rule in [p.rule for p in caught.value.problems]


def test_many_unknown_areas_are_told_in_short():
    with pytest.raises(DataError) as caught:
        read_adjacency([(f"x{i}", f"y{i}") for i in range(50)], AREAS)
    assert len(caught.value.problems) == 11


def plain_distance(borders, treated):
    """Floyd and Warshall's distances, the least over treated areas."""
    n = len(borders)
    d = np.where(borders, 1.0, np.inf)
    np.fill_diagonal(d, 0)
    for k in range(n):
        d = np.minimum(d, d[:, [k]] + d[[k], :])
    least = d[:, treated].min(axis=1, initial=np.inf)
    return np.where(np.isfinite(least), least, -1).astype(int)


@pytest.mark.parametrize("seed", range(6))
def test_rings_are_the_shortest_ways_to_a_treated_area(seed):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((40, 40)) < 0.05, 1)
    borders = upper | upper.T
    treated = rng.random(40) < 0.1 * (seed > 0)
    np.testing.assert_array_equal(rings(borders, treated), plain_distance(borders, treated))
