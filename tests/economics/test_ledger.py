import pytest

from svmodel.costs import CostLine
from svmodel.economics import (
    BEACON,
    COURSES,
    HEALING_TOGETHER,
    LIFE,
    Money,
    break_even,
    break_even_table,
    cost_total,
    ledger_table,
    unit_cost,
)
from svmodel.errors import DataError, DesignError


def test_the_shipped_example_adds_up_to_the_penny():
    assert (BEACON.total, LIFE.total, HEALING_TOGETHER.total) == (45_142.60, 5_148.08, 6_627.96)
    # sums of pence in binary: half a penny is far more than rounding can move
    assert cost_total(COURSES, price_year=2021).amount == pytest.approx(56_918.64, abs=0.005)


# The published break-evens set the bare 2021 pounds against the unit cost of each base, so the cost is
# declared to be in that base here. Tolerance: half a unit of the last digit that is printed.
@pytest.mark.parametrize(
    ("pounds", "year", "events", "half"),
    [
        (BEACON.total, 2015, 3.2, 0.05),
        (BEACON.total, 2024, 2.4, 0.05),
        (LIFE.total, 2015, 0.37, 0.005),
        (LIFE.total, 2024, 0.28, 0.005),
        (56_918.64, 2015, 4.05, 0.005),
        (56_918.64, 2024, 3.04, 0.005),
    ],
)
def test_published_break_evens(pounds, year, events, half):
    one = unit_cost("violence_with_injury", price_year=year)
    assert break_even(Money(pounds, year), one) == pytest.approx(events, abs=half)


def test_in_one_price_base_the_answer_does_not_depend_on_the_base():
    one = unit_cost("violence_with_injury")
    answers = [break_even(cost_total([BEACON], price_year=y), one.in_prices(y)) for y in (2015, 2021, 2024)]
    # 45,142.60 * (100 / 85.6358) / 18,695 = 2.8198: between the two published ones, which mix bases
    assert answers == pytest.approx([2.8198] * 3, abs=0.0001)


def test_two_price_bases_cannot_be_mixed():
    with pytest.raises(DesignError, match=r"2021 prices and one offence in 2015 prices.*in_prices\(2015\)"):
        break_even(cost_total([BEACON], price_year=2021), unit_cost("violence_with_injury"))


def test_lines_of_several_bases_are_brought_to_one():
    lines = [CostLine("a", 2, 100, 2015), CostLine("b", 1, 50, 2024)]
    assert cost_total(lines, price_year=2024).amount == pytest.approx(200 / 0.751536 + 50)


def test_every_line_without_a_deflator_is_named():
    with pytest.raises(DataError) as caught:
        cost_total([CostLine("a", 1, 1, 2017), CostLine("b", 1, 1, 2021), CostLine("c", 1, 1, 2012)], price_year=2024)
    assert [p.where for p in caught.value.problems] == ["cost line 'a'", "cost line 'c'"]
    with pytest.raises(DataError, match="no costs"):
        cost_total([], price_year=2024)


def test_ledger_table():
    table = ledger_table(COURSES, price_year=2024)
    assert list(table["item"]) == [
        "Primary Beacon course", "LIFE course", "Healing Together course", "Total"
    ]  # fmt: skip
    assert table["total"].iloc[-1] == 56_918.64
    assert table["total_in_prices"].iloc[-1] == pytest.approx(table["total_in_prices"].iloc[:-1].sum())
    assert table["total_in_prices"].iloc[0] == pytest.approx(45_142.60 / 0.856358)
    mixed = ledger_table([BEACON, CostLine("hall", 1, 10, 2015)], price_year=2024)
    # pounds of two bases have no sum
    assert mixed["total"].isna().iloc[-1]
    assert mixed["price_year"].isna().iloc[-1]


def test_break_even_table():
    table = break_even_table(COURSES, unit_cost("violence_with_injury"), price_year=2024)
    assert table["break_even_events"].iloc[-1] == pytest.approx(table["break_even_events"].iloc[:-1].sum())
    assert table["break_even_events"].iloc[0] == pytest.approx(2.8198, abs=0.0001)
    assert set(table["price_year"]) == {2024}
