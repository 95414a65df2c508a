import pytest

from svmodel import areas


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("E01006412", "LSOA"),
        ("W01001990", "LSOA"),
        ("E08000012", "metropolitan district"),
        ("E09000033", "London borough"),
        ("E23000004", "police force area"),
        ("Liverpool", None),
        ("E0100641", None),
        ("Q99000001", None),
    ],
)
def test_kind(code, kind):
    assert areas.code_kind(code) == kind


@pytest.mark.parametrize(
    ("code", "known"),
    [("E09000033", True), ("E09000034", False), ("E01000000", False), ("S12000036", True), ("E99000001", False)],
)
def test_a_number_out_of_range_is_not_known(code, known):
    assert areas.is_known(code) is known


def test_vintages():
    # the last English LSOA of 2011 is E01033768; the next number came in 2021
    assert areas.lsoa_2021_only(["E01033768", "E01033769", "W01001958", "W01001959", "E02000001", "x"]) == [
        "E01033769",
        "W01001959",
    ]


def test_case_and_spaces_make_no_code():
    assert not areas.is_code("e01006412")
    assert not areas.is_code(" E01006412")
    assert not areas.is_lsoa("E02000001")
