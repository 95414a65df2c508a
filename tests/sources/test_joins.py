import os
import pickle
from pathlib import Path

import pandas as pd
import pytest

from svmodel import read_panel
from svmodel.errors import DataError, Problems
from svmodel.sources import Join
from svmodel.sources.joins import apply_joins

FRAME = pd.DataFrame({"borough": ["Camden", "Camden ", "Sutton"], "month": ["2020-07", "2020-08", "2020-07"], "n": 1})


def _write(tmp_path, text, name="other.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def _apply(join, frame=FRAME):
    problems = Problems()
    joined, entries = apply_joins(frame, (join,), period="month", problems=problems)
    return joined, entries, list(problems)


def test_columns_come_by_key_and_rows_stay(tmp_path):
    path = _write(tmp_path, "name,code,residents\nSutton,E09000029,200\nCamden,E09000007,100\n")
    join = Join(path, on={"borough": "name"}, columns={"residents": "population", "code": "code"})
    joined, entries, problems = _apply(join)
    assert not problems
    assert not entries
    assert joined["population"].tolist() == [100, 100, 200]
    assert joined["code"].tolist() == ["E09000007", "E09000007", "E09000029"]
    assert "population" not in FRAME


@pytest.mark.parametrize(
    ("months", "written"),
    [(["13/07/2020", "01/08/2020"], None), (["01/07/2020", "01/08/2020"], "day first"), ([44013, 44044], None)],
)
def test_the_year_of_a_period_is_read_as_the_column_is(tmp_path, months, written):
    path = _write(tmp_path, "name,year,p\nCamden,2020,5\n")
    join = Join(path, on={"borough": "name", "year": "year"}, columns={"p": "population"})
    problems = Problems()
    frame = pd.DataFrame({"borough": "Camden", "month": months})
    joined, _ = apply_joins(frame, (join,), period="month", problems=problems, written=written)
    assert not problems
    assert joined["population"].tolist() == [5, 5]


def test_by_area_and_year_of_the_period(tmp_path):
    path = _write(tmp_path, "name,year,p\nCamden,2020,5\nSutton,2020,6\nCamden,2021,7\n")
    joined, _, problems = _apply(Join(path, on={"borough": "name", "year": "year"}, columns={"p": "p"}))
    assert not problems
    assert joined["p"].tolist() == [5, 5, 6]


def test_mid_year_population_is_carried_to_months(tmp_path):
    path = _write(tmp_path, "name,year,p\nCamden,2020,1200\nCamden,2021,1440\nSutton,2020,10\nSutton,2021,10\n")
    join = Join(path, on={"borough": "name"}, columns={"p": "population"}, mid_year="year")
    joined, _, problems = _apply(join)
    assert not problems
    assert joined["population"].tolist() == pytest.approx([1210.0, 1230.0, 10.0])


@pytest.mark.parametrize(
    ("text", "options", "rule", "says"),
    [
        ("name,p\nCamden,1\nCamden,2\nSutton,3\n", {}, "join_key_twice", "Camden"),
        ("name,p\nCamden,1\n", {}, "join_unmatched", "Sutton"),
        ("name,q\nCamden,1\nSutton,2\n", {}, "unknown_column", "'p'"),
        ("name,p\nCamden,1\nSutton,2\n", {"columns": {"p": "n"}}, "join_overwrites", "already has a column 'n'"),
        ("name,p\nCamden,1\nSutton,2\n", {"on": {"boro": "name"}}, "unknown_column", "no column 'boro'"),
        ("name,p\n", {}, "join_unreadable", "only a header"),
    ],
)
def test_refusals(tmp_path, text, options, rule, says):
    join = Join(_write(tmp_path, text), **{"on": {"borough": "name"}, "columns": {"p": "p"}, **options})
    joined, _, problems = _apply(join)
    assert [p.rule for p in problems] == [rule]
    assert says in str(problems[0])
    assert rule == "join_unmatched" or list(joined.columns) == list(FRAME.columns)


def test_a_near_name_is_offered_for_an_area_that_is_not_matched(tmp_path):
    path = _write(tmp_path, "name,p\nCamden,1\nSuton,2\n")
    (problem,) = _apply(Join(path, on={"borough": "name"}, columns={"p": "p"}))[2]
    assert problem.fix == "Did you mean 'Suton'?"


def test_a_missing_key_may_be_left_missing_and_is_noted(tmp_path):
    path = _write(tmp_path, "name,p\nCamden,1\n")
    joined, entries, problems = _apply(Join(path, on={"borough": "name"}, columns={"p": "p"}, missing_ok=True))
    assert not problems
    assert joined["p"].isna().tolist() == [False, False, True]
    assert [(e.action, e.rows, e.rule) for e in entries] == [("missing", 1, "join_unmatched")]


def test_a_join_needs_a_key_and_a_column():
    with pytest.raises(DataError) as caught:
        Join("a.csv", on={}, columns={})
    assert len(caught.value.problems) == 2


def test_a_join_travels_to_another_process():
    join = Join("a.csv", on={"a": "b"}, columns={"c": "d"}, mid_year="year")
    assert pickle.loads(pickle.dumps(join)) == join


def test_join_problems_stand_beside_the_rows_problems(tmp_path):
    counts = _write(tmp_path, "area,month,n\nA,2024-01,-1\nB,2024-01,2\n", "counts.csv")
    other = _write(tmp_path, "code,p\nA,10\n")
    join = Join(other, on={"area": "code"}, columns={"p": "population"})
    with pytest.raises(DataError) as caught:
        read_panel(counts, area="area", period="month", counts=["n"], exposures=["population"], joins=[join])
    assert {p.rule for p in caught.value.problems} == {"negative_count", "join_unmatched"}


@pytest.mark.skipif("SVMODEL_REAL_DATA" not in os.environ, reason="SVMODEL_REAL_DATA is not set")
def test_the_london_boroughs_and_their_population():
    folder = Path(os.environ["SVMODEL_REAL_DATA"])
    join = Join(
        folder / "population_mid_year_2011_2023.csv",
        on={"area_code": "area_code"},
        columns={"population": "population"},
        mid_year="year",
    )
    knife = pd.read_csv(folder / "london_knife_crime_borough_monthly.csv")
    frame = pd.DataFrame({"area_code": knife["area_code"].unique(), "month": "2023-06"})
    joined, _, problems = _apply(join, frame)
    assert not problems
    mid = pd.read_csv(folder / "population_mid_year_2011_2023.csv")
    mid = mid[mid["area_code"].isin(joined["area_code"])].set_index(["year", "area_code"])["population"]
    # The middle of June is half a month before 30 June.
    expected = mid[2023] - (mid[2023] - mid[2022]) * 0.5 / 12
    assert joined.set_index("area_code")["population"].to_dict() == pytest.approx(expected.to_dict())
