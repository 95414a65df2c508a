"""The shipped lists: LSOAs that ended in 2021, and the districts of each force."""

import csv
import os
from pathlib import Path

import pytest

from svmodel.areas import is_lsoa, lsoa_2021_only
from svmodel.registers import districts_of, force_of, lsoas_ended
from svmodel.registers.districts import all_forces

REAL = pytest.mark.skipif("SVMODEL_REAL_DATA" not in os.environ, reason="SVMODEL_REAL_DATA is not set")


def test_the_lsoas_that_ended():
    ended = lsoas_ended()
    assert len(ended) == 1106
    assert sum(c.startswith("E") for c in ended) == 1034
    assert all(is_lsoa(c) for c in ended)
    assert lsoa_2021_only(ended) == []


@REAL
def test_they_are_those_of_the_office_for_national_statistics():
    path = Path(os.environ["SVMODEL_REAL_DATA"]).parent / "cases" / "files" / "lsoa_codes_ended_in_2021.csv"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the real data")
    assert set(path.read_text().split()[1:]) == lsoas_ended()


@REAL
def test_every_district_of_the_lookup_has_its_force():
    path = Path(os.environ["SVMODEL_REAL_DATA"]) / "lad23_csp23_pfa23_lookup.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        pairs = {(r["LAD23NM"], r["PFA23NM"]) for r in csv.DictReader(file)}
    words = {"Metropolitan Police": "metropolitan", "London, City of": "city-of-london"}
    for district, force in pairs:
        expected = words.get(force, force.lower().replace(" & ", "-and-").replace(" ", "-"))
        assert force_of(district) == expected, district


def test_forces():
    assert len(all_forces()) == 43
    names = [n for f in all_forces() for n in districts_of(f)]
    assert len(names) == len(set(names))
    assert districts_of("btp") == ()
    assert force_of("bournemouth, christchurch & poole") == "dorset"
    assert force_of("King's Lynn and West Norfolk") == "norfolk"
    assert force_of("Kings Lynn & West Norfolk") == "norfolk"


@pytest.mark.parametrize(
    ("district", "force"),
    [
        ("Shepway", "kent"),
        ("Somerset West and Taunton", "avon-and-somerset"),
        ("Barrow-in-Furness", "cumbria"),
        ("Harrogate", "north-yorkshire"),
        ("Aylesbury Vale", "thames-valley"),
        ("Forest Heath", "suffolk"),
        ("Corby", "northamptonshire"),
        ("Weymouth and Portland", "dorset"),
    ],
)
def test_districts_that_were_joined_into_others(district, force):
    assert force_of(district) == force
