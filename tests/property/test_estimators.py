"""Whatever the panel, an estimator answers in order or refuses in words."""

import re

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from svmodel import checks, did
from svmodel.errors import UserError
from svmodel.testing import check_estimator, designs
from svmodel.testing.examples import example_panel

ESTIMATORS = [
    did.TwoWayFixedEffects(family="poisson"),
    did.TwoWayFixedEffects(family="linear"),
    did.ExtendedTwoWayFixedEffects(),
    did.CallawaySantAnna(),
]
#: Examples come as they are: to shrink one through a dozen fits takes minutes.
quick = settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
#: Promises that hold on any data; the others simulate their own.
ON_ANY_DATA = [
    "input_untouched",
    "same_seed_same_bits",
    "order_of_areas",
    "relabelling",
    "refit",
    "json_round_trip",
    "table",
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: f"{type(e).__name__}-{getattr(e, 'family', '')}")
@quick
@given(design=designs(missing=True))
@example(design=example_panel(effect=0.5, seed=3))
def test_it_answers_in_order_or_refuses_in_words(estimator, design):
    try:
        estimator.fit(design)
    except UserError:
        return
    check_estimator(estimator, design=design, only=ON_ANY_DATA)


@quick
@given(design=designs(missing=True))
def test_no_check_breaks_down_on_any_panel(design):
    try:
        result = did.CallawaySantAnna(simultaneous=False).fit(design)
    except UserError:
        return
    for check in checks.run(result):
        assert check.status != "errored", check.text
        assert not re.search(r"\bnan\b", check.text), check.text
