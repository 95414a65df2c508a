import pytest

from svmodel.economics import Money, deflate, gdp_deflators
from svmodel.errors import DataError


def test_the_official_deflators():
    table = gdp_deflators()
    assert table[2024] == 100
    assert table[2021] == 85.6358
    with pytest.raises(TypeError):
        table[2017] = 78.0  # nobody may fill the gap


def test_2015_to_2024_is_the_factor_that_is_published():
    # 1.3306 is printed to four digits.
    assert deflate(1, from_year=2015, to_year=2024) == pytest.approx(1.3306, abs=0.00005)
    assert deflate(14_050, from_year=2015, to_year=2024) == pytest.approx(18_695, abs=0.5)


def test_there_and_back_again():
    there = deflate(123.45, from_year=2016, to_year=2023)
    assert deflate(there, from_year=2023, to_year=2016) == pytest.approx(123.45)


def test_a_year_outside_the_table_is_an_error_and_never_a_guess():
    with pytest.raises(DataError, match="no GDP deflator for 2017; the table has 2015, 2016, 2018"):
        deflate(100, from_year=2017, to_year=2024)
    with pytest.raises(DataError, match="2014 and 2030"):
        deflate(100, from_year=2014, to_year=2030)
    assert deflate(100, from_year=2017, to_year=2024, deflators={2017: 50, 2024: 100}) == 200
    # no deflator is needed to stay where one is
    assert deflate(100, from_year=2017, to_year=2017) == 100


def test_money():
    assert str(Money(-1234.5, 2024)) == "-£1,234 (2024 prices)"
    assert Money(100, 2015).in_prices(2024).price_year == 2024
    with pytest.raises(DataError, match="no amount"):
        Money(float("nan"), 2024)
