"""The script that tabulates growth beside the peers, at sizes that take no time."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import growth  # noqa: E402 - a script, found by its folder


@pytest.mark.parametrize(
    ("study", "program", "size"),
    [
        ("staggered", "svmodel", (40, 12, 3, 0)),
        ("counts", "svmodel ETWFE", (40, 12, 2, 20)),
        ("synthetic", "svmodel SyntheticDiD", (24, 12, 1, 20)),
    ],
)
def test_a_program_answers_and_is_timed(study, program, size):
    found = growth.work({"study": study, "program": program, "size": size})
    assert set(found) == {"cpu", "wall"}
    assert min(found.values()) > 0


def test_the_largest_panel_is_that_of_the_table_with_nobody_never_treated():
    label, size, programs = growth.tasks(quick=False)["staggered"][0]
    assert (size, programs[0]) == ((8_000, 72, 47, 0), "svmodel")
    start, y = growth.outcomes("staggered", *size)
    assert y.shape == (8_000, 72)
    assert (len(np.unique(start)), start.max()) == (47, 71)
    assert label == "8,000 x 72, 47 cohorts, 0 never treated"


def test_ratios_are_to_the_first_program_and_what_took_too_long_is_said():
    rows = [("small", {"svmodel": {"cpu": 0.5, "wall": 9.0}, "peer": {"cpu": 2.0, "wall": 9.0}})]
    rows += [("large", {"svmodel": {"cpu": 2.0, "wall": 9.0}, "peer": "over 60 s"})]
    text = growth.written({"staggered": rows}, "svmodel 1", 2)
    assert "| small | 0.5 | 2 (4.0) |" in text
    assert "| large | 2 | over 60 s |" in text
    assert "2 alternated rounds" in text
