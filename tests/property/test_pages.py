"""A quick form of the study of pages: small random studies, all of whose statements are held against their results.

The full study is benchmarks/page_truth.py.
"""

import sys
from pathlib import Path

import pytest

from svmodel.present.facts import EffectFact

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import page_truth  # noqa: E402 - a script, found by its folder


@pytest.mark.parametrize("seeds", [range(1000 + 5 * k, 1005 + 5 * k) for k in range(3)], ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nothing_on_a_page_speaks_against_its_result(seeds):
    found = {seed: page_truth.one(seed, quick=True) for seed in seeds}
    assert {seed: faults for seed, (faults, _) in found.items() if faults} == {}
    assert sum(not why for _, why in found.values()) >= 3


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_page_that_does_is_found(monkeypatch):
    """The test above can fail: here every effect is called a rise."""
    monkeypatch.setattr(EffectFact, "direction", "more")
    faults = [fault for seed in (1000, 1001) for fault in page_truth.one(seed, quick=True)[0]]
    assert any("says more, its estimate is" in fault for fault in faults)
