"""The floors on the page on architecture are those that the architecture test holds the imports to."""

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_floors_on_the_page_are_those_of_the_imports():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    floors = runpy.run_path(str(ROOT / "tests" / "architecture" / "test_floors.py"))["FLOORS"]
    told = {
        int(n): set(re.findall(r"`(\w+)`", rooms))
        for n, rooms in re.findall(r"^\| (\d) \| (.*) \|$", page, re.MULTILINE)
    }
    assert told == {n: set(rooms) for n, rooms in floors.items() if rooms != ["__main__"]}
    to_come = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"to come, ([^)]*)\)", page))))
    there = {p.stem for p in (ROOT / "svmodel").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    assert set().union(*told.values()) - there == to_come
