"""The page on data against the readers: every layout with its options, every rule that can fire, and no other."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from svmodel.sources.layouts import LAYOUTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
SOURCES = (
    *(ROOT / "svmodel" / "sources").glob("*.py"),
    *(ROOT / "svmodel" / "panel").glob("*.py"),
)
DESIGN = tuple(ROOT / "svmodel" / "design" / f"{n}.py" for n in ("rules", "__init__"))
#: Place of the rule among the arguments where it is not given by name.
PLACES = {"LedgerEntry": 4, "Problem": 4, "fault": 0, "say": 0}


def rules_in(paths):
    """Return every rule that the source names: in `rule=`, or in its place among the arguments."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            given = [k.value for k in node.keywords if k.arg == "rule"]
            given += [node.args[PLACES[called]]] if len(node.args) > PLACES.get(called, 99) else []
            for value in given:
                branches = (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,)
                found |= {b.value for b in branches if isinstance(b, ast.Constant)}
    return found


def rules_under(heading):
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {
        rule for cell in re.findall(r"^\| ([^|]*) \|", section, re.MULTILINE) for rule in re.findall(r"`(\w+)`", cell)
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_its_section_with_every_option(layout):
    section = PAGE.split(f"\n### {layout}\n")[1].split("\n##")[0]
    options = list(inspect.signature(LAYOUTS[layout]).parameters)[1:]
    assert [o for o in options if f"`{o}`" not in section] == []


def test_there_is_no_section_for_a_layout_that_is_not_there():
    assert re.findall(r"^### (\w+)$", PAGE, re.MULTILINE) == list(LAYOUTS)


def test_every_rule_of_the_data_is_on_the_page_and_no_other():
    there, told = rules_in(SOURCES), rules_under("What the ledger says") | rules_under("Errors, and what to do")
    assert len(there) > 50, "the scan of the source no longer finds the rules"
    assert there - told == set()
    assert told - there == set()


def test_every_rule_of_a_design_is_on_the_page_and_no_other():
    # the two that tell a known outcome around a start are given by a loop over their names
    loop = {"no_known_pre", "no_known_post"}
    assert all(f'"{rule}"' in DESIGN[0].read_text(encoding="utf-8") for rule in loop)
    assert rules_in(DESIGN) | loop == rules_under("What a design refuses")


def test_rules_named_in_the_text_are_rules():
    known = rules_in(SOURCES)
    named = set(re.findall(r"\(`([a-z_]+)`[;,)]", PAGE))
    options = {o for reader in LAYOUTS.values() for o in inspect.signature(reader).parameters}
    assert named - known - options - {"subgroup", "missing"} == set()
