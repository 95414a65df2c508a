"""What the page on architecture says of the house is what its imports say now."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "tests" / "architecture")]


def test_the_page_is_what_is_measured():
    from house import House
    from measure_house import renewed

    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert page == renewed(page, House(ROOT / "svmodel")), "run: python docs/measure_house.py"
