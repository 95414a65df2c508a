"""A study file: YAML -> values -> data -> problems -> panel.

The keys of the file are the fields of these types; ``pipelines/demo.yaml`` shows them all at work.
"""

from __future__ import annotations

from svmodel.report.study.data import StudyData
from svmodel.report.study.methods import CheckSpec, EstimatorSpec, InferenceSpec, PowerSpec, SpecificationsSpec
from svmodel.report.study.model import Study
from svmodel.report.study.read import open_data, open_study, read_study
from svmodel.report.study.values import (
    BreakSpec,
    DataSpec,
    DisclosureSpec,
    EconomicsSpec,
    InterventionSpec,
    JoinSpec,
    OutcomeSpec,
    PopulationSpec,
    UnitCost,
)

__all__ = [
    "BreakSpec",
    "CheckSpec",
    "DataSpec",
    "DisclosureSpec",
    "EconomicsSpec",
    "EstimatorSpec",
    "InferenceSpec",
    "InterventionSpec",
    "JoinSpec",
    "OutcomeSpec",
    "PopulationSpec",
    "PowerSpec",
    "SpecificationsSpec",
    "Study",
    "StudyData",
    "UnitCost",
    "open_data",
    "open_study",
    "read_study",
]
