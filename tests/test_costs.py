import numpy as np
import pytest

from svmodel.costs import CostLine
from svmodel.errors import DesignError


def test_the_courses_of_2021_add_up():
    # Merseyside Fire and Rescue Authority, October 2021 (CFO/053/21)
    lines = [
        CostLine("Primary Beacon", 10, 4514.26, 2021),
        CostLine("LIFE", 2, 2574.04, 2021),
        CostLine("Healing Together", 4, 1656.99, 2021),
    ]
    assert [line.total for line in lines] == [45142.60, 5148.08, 6627.96]
    assert round(sum(line.total for line in lines), 2) == 56918.64


def test_every_problem_at_once():
    with pytest.raises(DesignError) as caught:
        CostLine("x", -1, float("nan"), 21)
    assert [p.where for p in caught.value.problems] == ["quantity", "unit_cost", "price_year"]


def test_numbers_from_a_frame_are_numbers():
    assert CostLine("x", np.int64(2), np.float64(1.5), np.int64(2021)).total == 3.0
