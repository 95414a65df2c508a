import pytest

from svmodel.errors import DataError
from svmodel.report.describe import describe_data
from svmodel.sources.guess import Columns, guess_columns

PLANTED = """{header}
E01006412,2024-01,3,1500
E01006412,2024-02,-2,1500
E01006413,2024-01,seven,1500
E01006413,2024-02,4,1500
E01006413,2024-02,4,1500
E01006414,2024-01,1,1500
E01999999,2024-01,1,1500
E01999999,2024-02,1,1500
E01034000,2024-02,1,1500
E01006415,2024-01,1,1500
E01006415,2024-02,1,1500
"""
RULES = (
    "stand more than once",
    "negative ('-2')",
    "text, not numbers: 'seven'",
    "'E01006414 2024-02'",
    "'E01999999' is not a known area",
    "LSOA codes of 2011 and of 2021 are mixed",
)


def _write(tmp_path, header):
    path = tmp_path / "planted.csv"
    path.write_text(PLANTED.format(header=header))
    return path


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("area,period,n,population", ("area", "period", "n")),
        (
            "LSOA code,Month,Violence and sexual offences,Residents",
            ("LSOA code", "Month", "Violence and sexual offences"),
        ),
        ("where,when,what,pop", ("where", "when", "what")),
        ("lsoa21cd,date,n_viol,pop_2023", ("lsoa21cd", "date", "n_viol")),
    ],
)
def test_everything_wrong_is_named_whatever_the_columns_are_called(tmp_path, header, columns):
    path = _write(tmp_path, header)
    population = header.split(",")[3]
    assert guess_columns(path) == Columns(columns[0], columns[1], (columns[2],), (population,))
    with pytest.raises(DataError) as caught:
        describe_data(path)
    message = str(caught.value)
    assert f"area {columns[0]!r}" in message
    for rule in RULES:
        assert rule in message


def test_what_is_named_is_not_guessed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "code,lsoa,month,quarter,n,m\nE08000011,E01006412,2024-01,2024Q1,1,2\nE08000011,E01006413,2024-01,2024Q1,1,2\n"
    )
    assert guess_columns(path).area == "lsoa"
    assert guess_columns(path, area="code", period="quarter", counts=["m"]) == Columns("code", "quarter", ("m",))


def test_a_file_that_shows_nothing_says_what_to_name(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("foo,bar\nx,y\n")
    with pytest.raises(DataError, match="Name them with --area, --period, --counts; it has 'foo', 'bar'"):
        guess_columns(path)
