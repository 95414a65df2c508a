"""What is imported is declared in pyproject.toml, and what is declared is imported, called, or named here with why."""

import ast
import importlib.metadata
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: Declared for what is called by a command, found by another package, or served to one.
NOT_IMPORTED = {
    "jupyterlab": "`make lab` starts it",
    "coverage": "`make coverage` calls it",
    "editables": "`make install` builds an editable package without fetching anything",
    "hatchling": "`make install` builds with it",
    "mypy": "`make lint` calls it",
    "pytest-xdist": "`make test` gives pytest -n",
    "ruff": "`make lint` calls it",
    "types-pyyaml": "mypy reads the types of yaml from it",
}
#: Declared for what is built on them next; an entry goes when the package is imported.
BUILT_NEXT = {
    "scikit-learn": "courses are built on it",
    "statsmodels": "forecasts are built on it",
}
#: Imported by the package, and not installed with it: who calls what needs it is told in words how to get it.
ASKED_FOR = {"hypothesis": "svmodel.testing offers strategies to those who write tests"}
INSTALLED = importlib.metadata.packages_distributions()


def normal(name):
    return re.match(r"[A-Za-z0-9_.-]+", name)[0].lower().replace("_", "-").replace(".", "-")


DECLARED = {normal(r) for r in PROJECT["dependencies"]}
EXTRAS = {extra: {normal(r) for r in required} for extra, required in PROJECT["optional-dependencies"].items()}


def modules(source):
    """Return the top-level modules that a source imports anywhere, in functions and for types too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "importorskip":
            found.add(ast.literal_eval(node.args[0]).split(".")[0])
    return found - set(sys.stdlib_module_names) - {"__future__", "svmodel"}


def sources(folder):
    """Return the text of every module and of every notebook's code in a folder."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / folder).rglob("*.py"))]
    for path in sorted((ROOT / folder).rglob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts += ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    return texts


def distributions(texts, known=frozenset()):
    """Return which packages have the modules that are imported; `known` are scripts that stand in the tree."""
    found = set()
    for module in set().union(*(modules(t) for t in texts)) - known:
        holders = {normal(d) for d in INSTALLED.get(module, [module])}
        # several packages may put files under one name
        found |= holders & (DECLARED | set().union(*EXTRAS.values())) or holders
    return found


def scripts(*folders):
    return frozenset(path.stem for folder in folders for path in (ROOT / folder).rglob("*.py"))


SHIPPED = distributions([*sources("svmodel"), *sources("notebooks")])
TESTS = distributions(sources("tests"), scripts("tests", "benchmarks", "docs"))
BENCHMARKS = distributions([*sources("benchmarks"), *sources("docs")], scripts("tests", "benchmarks", "docs"))


def test_what_the_package_imports_is_declared():
    assert SHIPPED - DECLARED - set(ASKED_FOR) == set(), "declare these under dependencies"
    assert set(ASKED_FOR) <= SHIPPED & EXTRAS["dev"]


def test_what_is_declared_is_imported_or_named_with_why():
    assert DECLARED - SHIPPED - set(NOT_IMPORTED) - set(BUILT_NEXT) == set(), "nothing imports these"
    assert EXTRAS["dev"] - TESTS - SHIPPED - set(NOT_IMPORTED) == set()
    assert EXTRAS["bench"] - BENCHMARKS - TESTS == set()


@pytest.mark.parametrize("name", BUILT_NEXT)
def test_what_is_built_next_is_not_built_yet(name):
    assert name in DECLARED
    assert name not in SHIPPED, f"{name} is imported now: take it out of BUILT_NEXT"


@pytest.mark.parametrize("name", NOT_IMPORTED)
def test_what_is_not_imported_is_declared(name):
    assert name in DECLARED | EXTRAS["dev"]
    assert name not in SHIPPED | TESTS | BENCHMARKS, f"{name} is imported: it needs no reason"


def test_what_tests_and_benchmarks_import_is_declared():
    assert TESTS - DECLARED - EXTRAS["dev"] - EXTRAS["bench"] == set()
    assert BENCHMARKS - DECLARED - EXTRAS["bench"] == set()


def test_imports_are_found_wherever_they_stand():
    source = """
import numpy.linalg as la
from svmodel import did
if TYPE_CHECKING:
    from pandas import DataFrame
def f():
    import yaml, os
    from . import near
    pytest.importorskip("csdid.core")
"""
    assert modules(source) == {"numpy", "pandas", "yaml", "csdid"}
    assert distributions([source]) == {"numpy", "pandas", "pyyaml", "csdid"}
