"""One file for each check of a result."""

from svmodel.checks.anticipation import anticipation
from svmodel.checks.convergence import convergence
from svmodel.checks.engine_agreement import engine_agreement
from svmodel.checks.honest_bounds import honest_bounds, sensitivity_results
from svmodel.checks.leave_one_area_out import leave_one_area_out
from svmodel.checks.leave_one_out import leave_one_out
from svmodel.checks.negative_controls import negative_controls
from svmodel.checks.overdispersion import overdispersion
from svmodel.checks.overlap import overlap
from svmodel.checks.placebo_in_space import placebo_in_space
from svmodel.checks.placebo_in_time import placebo_in_time
from svmodel.checks.posterior_predictive import posterior_predictive
from svmodel.checks.pre_trend_power import Pretrends, pre_trend_power, pretrends
from svmodel.checks.pre_trends import pre_trends
from svmodel.checks.prior_predictive import prior_predictive
from svmodel.checks.prior_sensitivity import prior_sensitivity
from svmodel.checks.recording_practice import recording_practice
from svmodel.checks.regression_to_the_mean import regression_to_the_mean
from svmodel.checks.runner import CHECKS, Check, run
from svmodel.checks.spillover import spillover

__all__ = [
    "CHECKS",
    "Check",
    "Pretrends",
    "anticipation",
    "convergence",
    "engine_agreement",
    "honest_bounds",
    "leave_one_area_out",
    "leave_one_out",
    "negative_controls",
    "overdispersion",
    "overlap",
    "placebo_in_space",
    "placebo_in_time",
    "posterior_predictive",
    "pre_trend_power",
    "pre_trends",
    "pretrends",
    "prior_predictive",
    "prior_sensitivity",
    "recording_practice",
    "regression_to_the_mean",
    "run",
    "sensitivity_results",
    "spillover",
]
