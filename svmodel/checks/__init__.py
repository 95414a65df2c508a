"""One file for each check of a result."""

from svmodel.checks.anticipation import anticipation
from svmodel.checks.honest_bounds import honest_bounds
from svmodel.checks.leave_one_area_out import leave_one_area_out
from svmodel.checks.negative_controls import negative_controls
from svmodel.checks.overdispersion import overdispersion
from svmodel.checks.overlap import overlap
from svmodel.checks.placebo_in_space import placebo_in_space
from svmodel.checks.placebo_in_time import placebo_in_time
from svmodel.checks.pre_trend_power import pre_trend_power
from svmodel.checks.pre_trends import pre_trends
from svmodel.checks.recording_practice import recording_practice
from svmodel.checks.regression_to_the_mean import regression_to_the_mean
from svmodel.checks.runner import CHECKS, Check, run
from svmodel.checks.spillover import spillover

__all__ = [
    "CHECKS",
    "Check",
    "anticipation",
    "honest_bounds",
    "leave_one_area_out",
    "negative_controls",
    "overdispersion",
    "overlap",
    "placebo_in_space",
    "placebo_in_time",
    "pre_trend_power",
    "pre_trends",
    "recording_practice",
    "regression_to_the_mean",
    "run",
    "spillover",
]
