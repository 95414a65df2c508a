import pandas as pd
import pytest

from svmodel.errors import DataError
from svmodel.sources.lsoa import LsoaLookup, claim_problems

LOOKUP = """LSOA11CD,LSOA11NM,LSOA21CD,LSOA21NM,CHGIND
E01000001,City 001A,E01000001,City 001A,U
E01000002,City 001B,E01034001,City 001F,S
E01000002,City 001B,E01034002,City 001G,S
E01000003,City 001C,E01034003,City 001H,M
E01000004,City 001D,E01034003,City 001H,M
E01000005,City 001E,E01034004,City 001J,X
E01000005,City 001E,E01034005,City 001K,X
E01000006,City 002A,E01034005,City 001K,X
"""


@pytest.fixture
def lookup(tmp_path):
    path = tmp_path / "lookup.csv"
    path.write_text("﻿" + LOOKUP)
    return LsoaLookup.read(path)


def test_common_areas_are_the_smallest_that_both_vintages_make_up(lookup):
    groups = {}
    for code, common in lookup.common.items():
        groups.setdefault(common, set()).add(code)
    assert groups == {
        "E01000001": {"E01000001"},
        "E01000002": {"E01000002", "E01034001", "E01034002"},
        "E01034003": {"E01000003", "E01000004", "E01034003"},
        "E01000005": {"E01000005", "E01000006", "E01034004", "E01034005"},
    }


def test_mapping_is_noted(lookup):
    codes = pd.Series(["E01000001", "E01034001", "E01034002", "E01007120", None])
    mapped, entries = lookup.to_common(codes, where="f")
    assert mapped[:4].tolist() == ["E01000001", "E01000002", "E01000002", "E01007120"]
    assert mapped.isna().tolist() == [False] * 4 + [True]
    assert [(e.action, e.rows, e.rule) for e in entries] == [
        ("altered", 2, "lsoa_mapped"),
        ("noted", 1, "lsoa_not_in_lookup"),
    ]


def test_claims(lookup):
    assert not claim_problems(["E01000002", "Liverpool"], "2011")
    assert not claim_problems(["E01000002"], "2021")
    (problem,) = claim_problems(["E01000002", "E01034001"], "2021", lookup)
    assert "not of 2021: 'E01000002'" in problem.what
    (problem,) = claim_problems(["E01000002", "E01034001", "W01001990"], "2011")
    assert "'E01034001', 'W01001990'" in problem.what
    with pytest.raises(DataError, match="'2011' or '2021'"):
        claim_problems([], "2001")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("LSOA11CD,CHGIND\nE01000001,U\n", "no column 'LSOA21CD'"),
        ("LSOA11CD,LSOA21CD\nE01000001,E01000001\nE01000002,Camden\n", "line 3"),
        ("LSOA11CD,LSOA21CD,CHGIND\nE01000001,E01034001,U\n", "says unchanged"),
    ],
)
def test_a_file_that_is_no_lookup(tmp_path, text, says):
    path = tmp_path / "l.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=says):
        LsoaLookup.read(path)


def test_the_old_name_of_the_column(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text("F_LSOA11CD,LSOA21CD\nE01000001,E01000001\n")
    assert LsoaLookup.read(path).codes_2011 == {"E01000001"}
