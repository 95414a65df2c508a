"""Notes of Home Office tables, as published and in other words: which places, which quarters."""

import pandas as pd
import pytest
from cases import case
from spreadsheets import write_xlsx
from test_home_office import CSP, _row

from svmodel.sources.home_office import home_office_csp
from svmodel.sources.home_office_notes import unassigned_notes

KENT = (
    "Kent: Due to ongoing IT issues, crime data for Maidstone, Medway, Tonbridge and Malling, Dartford and Gravesham, "
    "and Tunbridge Wells are recorded under an unassigned CSP group from 2024 onwards."
)
DERBYSHIRE = (
    "For the year ending March 2025, data for some areas withinDerbyshirehave been recorded under an unassigned CSP "
    "group. This issue is expected to be corrected for the next publication."
)
FORCES = {
    "Kent": ["Medway", "Ashford", "Maidstone", "Dartford and Gravesham", "Tonbridge & Malling"],
    "Derbyshire": ["Derby", "Amber Valley", "Derbyshire Dales", "South Derbyshire"],
    "Merseyside": ["St. Helens", "Wirral", "Liverpool"],
    "Dorset": ["Dorset", "Bournemouth, Christchurch and Poole"],
    "City of London": ["City of London"],
}
FORCE_OF = {area: [force] for force, areas in FORCES.items() for area in areas}
ALL = pd.period_range("2019Q1", "2027Q4", freq="Q-DEC")


def _note(text):
    (note,) = unassigned_notes([text], FORCE_OF)
    return note


def _covered(note):
    inside = [str(p) for p in ALL if note.covers(p.ordinal)]
    return inside[0], inside[-1], len(inside)


def test_kent_as_published():
    note = _note(KENT)
    assert note.forces == {"Kent"}
    assert note.areas == {"Medway", "Maidstone", "Dartford and Gravesham", "Tonbridge & Malling"}
    assert _covered(note) == ("2024Q1", "2027Q4", 16)


def test_derbyshire_as_published_without_blanks_around_it():
    note = _note(DERBYSHIRE)
    assert note.forces == {"Derbyshire"}
    assert note.areas == set(FORCES["Derbyshire"])
    assert _covered(note) == ("2024Q2", "2025Q1", 4)


@pytest.mark.parametrize(
    ("when", "first", "last", "many"),
    [
        ("in 2022/23", "2022Q2", "2023Q1", 4),
        ("in 2022-23", "2022Q2", "2023Q1", 4),
        ("from 2022/23 onwards", "2022Q2", "2027Q4", 23),
        ("since 2022/23", "2022Q2", "2027Q4", 23),
        ("from 2021/22 to 2023/24", "2021Q2", "2024Q1", 12),
        ("between 2021/22 and 2023/24", "2021Q2", "2024Q1", 12),
        ("up to 2019/20", "2019Q1", "2020Q1", 5),
        ("for the year ending June 2024", "2023Q3", "2024Q2", 4),
        ("for the year ending 31 March 2024", "2023Q2", "2024Q1", 4),
        ("for the years ending March 2024 and March 2025", "2023Q2", "2025Q1", 8),
        ("from the year ending March 2024 onwards", "2023Q2", "2027Q4", 19),
        ("since April 2023", "2023Q2", "2027Q4", 19),
        ("from 1 October 2023 to March 2024", "2023Q4", "2024Q1", 2),
        ("between April 2023 and June 2024", "2023Q2", "2024Q2", 5),
        ("in Q3 2023/24", "2023Q4", "2023Q4", 1),
        ("in 2023/24 Q4", "2024Q1", "2024Q1", 1),
        ("in 2024", "2024Q1", "2025Q1", 5),
        ("", "2019Q1", "2027Q4", 36),
    ],
)
def test_every_way_of_naming_a_time(when, first, last, many):
    note = _note(f"Merseyside: offences of Wirral {when} were recorded under an unassigned CSP.")
    assert note.areas == {"Wirral"}
    assert _covered(note) == (first, last, many)


@pytest.mark.parametrize(
    ("text", "areas"),
    [
        ("Merseyside: St Helens and Wirral were unassigned", {"St. Helens", "Wirral"}),
        ("Data for St. Helens were Unassigned. Wirral is whole.", {"St. Helens"}),
        ("Derbyshire: Derby was recorded as unassigned", {"Derby"}),
        ("South Derbyshire was recorded as unassigned", {"South Derbyshire"}),
        ("Dorset: Bournemouth, Christchurch & Poole were unassigned", {"Bournemouth, Christchurch and Poole"}),
        ("Dorset: crimes were recorded under unassigned", set(FORCES["Dorset"])),
        ("CITY OF LONDON: crimes were recorded under unassigned", {"City of London"}),
        ("Essex: some crimes were unassigned", set()),
    ],
)
def test_places(text, areas):
    assert _note(text).areas == areas


def test_medway_in_the_tables():
    extract = home_office_csp(case("prc-csp-note-from-2024.xlsx"))
    cells = extract.frame.set_index(["area", "period"])["violence_with_injury"].unstack()  # noqa: PD010
    assert cells.loc["Medway", :"2023Q1"].tolist() == [510] * 4
    assert cells.loc["Medway", "2023Q2":"2023Q4"].tolist() == [520] * 3
    assert cells.loc["Medway", "2024Q1":].isna().all()
    assert cells.loc["Ashford"].notna().all()


def test_each_force_has_its_own_note(tmp_path):
    years = ("2023/24", "2024/25", "2025/26")
    front = [CSP]
    sheets = {}
    for year in years:
        rows = [_row(year, 1, f, a, 50) for f in ("Kent", "Derbyshire", "Merseyside") for a in FORCES[f]]
        rows += [_row(year, 1, f, f"Unassigned {f}", 7) for f in ("Kent", "Derbyshire", "Merseyside")]
        sheets[year.replace("/", "_")] = [*front, *rows]
    path = write_xlsx(tmp_path / "a.xlsx", {"Notes": [["Force Notes"], [DERBYSHIRE], [KENT]], **sheets})
    extract = home_office_csp(path)
    said = {e.where: e.reason for e in extract.ledger if e.rule == "unassigned"}
    assert KENT in said["Kent"]
    assert DERBYSHIRE not in said["Kent"]
    assert DERBYSHIRE in said["Derbyshire"]
    assert "The publisher notes" not in said["Merseyside"]
    cells = extract.frame.set_index(["area", "period"])["violence_with_injury"].unstack()  # noqa: PD010
    assert cells.loc["Amber Valley"].isna().tolist() == [False, True, False]
    assert cells.loc["Maidstone"].isna().tolist() == [False, True, True]
    assert cells.loc["Wirral"].notna().all()
