import pytest

from svmodel.economics import STPR, DiscountRate
from svmodel.economics.discounting import treated_years
from svmodel.errors import DataError, EstimationError
from svmodel.simulate import panel


def test_the_schedule_of_the_green_book():
    assert STPR.factor(0) == 1
    assert STPR.factor(1) == pytest.approx(1 / 1.035)
    assert STPR.factor(30) == pytest.approx(1.035**-30)
    assert STPR.factor(32) == pytest.approx(1.035**-30 * 1.03**-2)
    assert STPR.factor(80) == pytest.approx(1.035**-30 * 1.03**-45 * 1.025**-5)
    assert "3.5%" in STPR.describe()
    assert STPR.in_force in STPR.describe()


def test_a_year_beyond_the_schedule_is_an_error():
    with pytest.raises(DataError, match="reaches year 125"):
        STPR.factor(126)


def test_a_rate_in_per_cent_is_refused():
    with pytest.raises(DataError, match=r"Write 3.5% as 0\.035"):
        DiscountRate("mine", "2026-01-01", bands=((30, 3.5),))
    with pytest.raises(DataError, match="do not follow"):
        DiscountRate("mine", "2026-01-01", bands=((30, 0.035), (20, 0.03)))


def test_treated_cells_spread_over_years_since_the_first_start():
    # 4 areas from month 24 and 2 from month 30, to month 47: year 0 holds 4 * 12 + 2 * 6, year 1 holds 6 * 12.
    simulation = panel(n_areas=12, n_periods=48, cohorts=[(24, 4), (30, 2)])
    assert treated_years(simulation.design()) == pytest.approx({0: 60 / 132, 1: 72 / 132})


def test_without_a_design_the_years_are_not_known():
    with pytest.raises(EstimationError, match="give `design=`"):
        treated_years(None)
