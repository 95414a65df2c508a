"""The page on disclosure against the rules themselves."""

import math
import re
from pathlib import Path

from svmodel.protect import RULES, Disclosure

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "disclosure.md").read_text(encoding="utf-8")


def test_every_rule_is_explained():
    assert re.findall(r"^- \*\*(\w+)\*\*:", PAGE.split("## What a rule does")[0], re.MULTILINE) == list(RULES)


def test_the_table_of_examples_is_what_the_rules_give():
    rules = (Disclosure(), Disclosure("threshold"), Disclosure("threshold", 10, 5), Disclosure("hes"))
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert len(rows) >= 5
    for count, cells in rows:
        shown = [rule.count(float(count)) for rule in rules]
        assert cells.split(" | ") == ["[c]" if math.isnan(s) else f"{s:.0f}" for s in shown]


def test_the_numbers_in_the_text_are_those_of_the_rules():
    assert Disclosure("threshold").threshold == 5
    assert "(5 where not given, 3 at least)" in PAGE
    rounded = [Disclosure("threshold", threshold=t).for_series([1]).round_to for t in (5, 12, 25, 150)]
    assert rounded == [5, 10, 50, 100]
    assert "5, 10, 50, 100, ..." in PAGE
    assert Disclosure("threshold").text(2) in PAGE
