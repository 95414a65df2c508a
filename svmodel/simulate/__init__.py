"""Synthetic data: processes with known effects."""

from svmodel.simulate.merseyside import MERSEYSIDE, Cohort, District, Recipe, merseyside, simulate_recipe
from svmodel.simulate.panels import panel
from svmodel.simulate.process import Dip, Process
from svmodel.simulate.recipes import RECIPES
from svmodel.simulate.truth import BeforeAfter, Simulation, TrueEffect, Truth
from svmodel.simulate.write import truth_record, write

__all__ = [
    "MERSEYSIDE",
    "RECIPES",
    "BeforeAfter",
    "Cohort",
    "Dip",
    "District",
    "Process",
    "Recipe",
    "Simulation",
    "TrueEffect",
    "Truth",
    "merseyside",
    "panel",
    "simulate_recipe",
    "truth_record",
    "write",
]
