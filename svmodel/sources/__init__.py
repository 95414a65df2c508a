"""One file for each publisher's layout; each gives a tidy frame and a ledger."""

from svmodel.sources.breaks import METROPOLITAN, POLICE_UK, KnownBreak
from svmodel.sources.fingertips import fingertips
from svmodel.sources.home_office import home_office_csp, home_office_force
from svmodel.sources.joins import Join
from svmodel.sources.layouts import LAYOUTS, detect_layout
from svmodel.sources.lsoa import LsoaLookup
from svmodel.sources.metropolitan_police import (
    mps_borough,
    mps_dashboard,
    mps_knife_borough,
    mps_knife_ward,
    mps_lsoa,
    mps_ward,
)
from svmodel.sources.ons import AreaLookup, mid_year_population, population_at
from svmodel.sources.police_uk import police_uk, police_uk_to_parquet
from svmodel.sources.school_exclusions import dfe_exclusions
from svmodel.sources.tidy import read_panel, write_panel

__all__ = [
    "LAYOUTS",
    "METROPOLITAN",
    "POLICE_UK",
    "AreaLookup",
    "Join",
    "KnownBreak",
    "LsoaLookup",
    "detect_layout",
    "dfe_exclusions",
    "fingertips",
    "home_office_csp",
    "home_office_force",
    "mid_year_population",
    "mps_borough",
    "mps_dashboard",
    "mps_knife_borough",
    "mps_knife_ward",
    "mps_lsoa",
    "mps_ward",
    "police_uk",
    "police_uk_to_parquet",
    "population_at",
    "read_panel",
    "write_panel",
]
