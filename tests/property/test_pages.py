"""A quick form of the study of pages: small random studies, all of whose statements are held against their results.

The full study is benchmarks/page_truth.py.
"""

import sys
from pathlib import Path

import pytest

from svmodel.present import prose
from svmodel.present.facts import EffectFact, Tally

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import page_truth  # noqa: E402 - a script, found by its folder


@pytest.mark.parametrize("seeds", [range(1000 + 5 * k, 1005 + 5 * k) for k in range(3)], ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nothing_on_a_page_speaks_against_its_result(seeds):
    found = {seed: page_truth.one(seed, quick=True) for seed in seeds}
    assert {seed: faults for seed, (faults, _) in found.items() if faults} == {}
    assert sum(not why for _, why in found.values()) >= 3


def one_check_more(statuses):
    counted = [s for s in statuses if s in ("passed", "failed", "informative")]
    return Tally(counted.count("failed") + 1, len(counted) + 1, 0)


#: What is told wrongly, in place of what, and what has to be found.
PLANTED = {
    "an effect's side": (EffectFact, "direction", "more", "says more, its estimate is"),
    "an interval": (
        prose,
        "change_interval",
        lambda *_: "between 900.0% and 950.0% more",
        "lies outside of its interval",
    ),
    "a count of checks": (Tally, "of", staticmethod(one_check_more), "counts"),
    "a missing number": (prose, "events_of", lambda *_: "nan events", "holds a number that is none"),
}


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_page_that_does_is_found(monkeypatch, planted):
    """The test above can fail: here something is told wrongly."""
    owner, name, wrong, found = PLANTED[planted]
    monkeypatch.setattr(owner, name, wrong)
    faults = [fault for seed in (1000, 1007) for fault in page_truth.one(seed, quick=True)[0]]
    assert any(found in fault for fault in faults), faults
