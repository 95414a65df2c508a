import pytest

from svmodel.economics import UnitCost, read_unit_costs, shipped_unit_costs, unit_cost
from svmodel.errors import DataError

#: DOMAIN section 4: pounds of 2015/16, and the same in 2024 prices as it prints them.
PUBLISHED = {
    "rape": (39_360, 52_373),
    "violence_with_injury": (14_050, 18_695),
    "robbery": (11_320, 15_062),
    "vehicle_theft": (10_290, 13_692),
    "arson": (8_420, 11_204),
    "other_sexual_offences": (6_520, 8_676),
    "other_criminal_damage": (1_350, 1_796),
    "theft_from_vehicle": (870, 1_158),
    "cyber_crime": (550, 732),
}


@pytest.mark.parametrize(("offence", "pounds"), PUBLISHED.items())
def test_shipped_figures(offence, pounds):
    then, now = pounds
    cost = unit_cost(offence)
    assert (cost.amount, cost.price_year, cost.perspective, cost.verified) == (then, 2015, "social", True)
    # The printed figures use the factor 1.3306, whose rounding moves the largest by 0.6 pounds.
    assert unit_cost(offence, price_year=2024).amount == pytest.approx(now, abs=1)


def test_every_shipped_figure_has_its_source():
    assert all("Home Office" in c.source and c.verified for c in shipped_unit_costs())
    assert {c.offence for c in shipped_unit_costs()} == {*PUBLISHED, "homicide"}


def test_an_unverified_figure_is_not_shipped():
    with pytest.raises(DataError, match="not been read in the source; give it in your own table"):
        unit_cost("violence_without_injury")


def test_an_unknown_offence_names_the_nearest():
    with pytest.raises(DataError, match="Did you mean 'violence_with_injury'"):
        unit_cost("violence_with_injry")


def test_the_users_own_table(tmp_path):
    path = tmp_path / "costs.csv"
    path.write_text(
        "offence,amount,price_year,source,perspective,verified\n"
        'violence_without_injury,"£5,930",2015,own reading,social,no\n'
        "violence_with_injury,1200,2022,force finance,fiscal,yes\n",
        encoding="utf-8",
    )
    table = read_unit_costs(path)
    own = unit_cost("violence_without_injury", table=table)
    assert (own.amount, own.verified) == (5930, False)
    assert unit_cost("violence_with_injury", table=table).perspective == "fiscal"
    with pytest.raises(DataError, match="no unit cost of 'homicide'"):
        unit_cost("homicide", table=table)


def test_everything_wrong_with_a_table_at_once(tmp_path):
    path = tmp_path / "costs.csv"
    path.write_text(
        "offence,amount,price_year,source,perspective\n"
        "arson,much,2015,x,social\n"
        "rape,-5,2015,x,social\n"
        "robbery,5,2015,x,sociable\n"
        "fraud,5,2015,x,social\n"
        "fraud,6,2015,x,social\n",
        encoding="utf-8",
    )
    with pytest.raises(DataError) as caught:
        read_unit_costs(path)
    assert [p.line for p in caught.value.problems] == [2, 3, 4, 6]
    assert "'social'" in str(caught.value)
    path.write_text("offence,amount,year\n", encoding="utf-8")
    with pytest.raises(DataError, match="'price_year'"):
        read_unit_costs(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_unit_costs(tmp_path / "none.csv")


def test_a_cost_of_nothing_is_refused():
    with pytest.raises(DataError, match="not an amount above 0"):
        UnitCost("arson", 0, 2015, "x")
