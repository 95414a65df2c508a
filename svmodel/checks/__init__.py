"""One file for each check of a result."""

from svmodel.checks.honest_bounds import honest_bounds
from svmodel.checks.leave_one_area_out import leave_one_area_out
from svmodel.checks.overdispersion import overdispersion
from svmodel.checks.placebo_in_time import placebo_in_time
from svmodel.checks.pre_trend_power import pre_trend_power
from svmodel.checks.pre_trends import pre_trends
from svmodel.checks.regression_to_the_mean import regression_to_the_mean
from svmodel.checks.runner import CHECKS, Check, run

__all__ = [
    "CHECKS",
    "Check",
    "honest_bounds",
    "leave_one_area_out",
    "overdispersion",
    "placebo_in_time",
    "pre_trend_power",
    "pre_trends",
    "regression_to_the_mean",
    "run",
]
