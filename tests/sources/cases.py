"""The small files in the layouts of publishers, which lie beside the real data."""

import os
from pathlib import Path

import pytest


def case(name):
    """Return the path of a file or folder of the cases, or skip the test."""
    if "SVMODEL_REAL_DATA" not in os.environ:
        pytest.skip("SVMODEL_REAL_DATA is not set")
    path = Path(os.environ["SVMODEL_REAL_DATA"]).parent / "cases" / "files" / name
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the real data")
    return path


def rules(error):
    """Return the rules of all problems of an error that pytest caught."""
    return {p.rule for p in error.value.problems}
