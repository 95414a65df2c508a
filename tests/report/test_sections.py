"""Sections of a page: the shipped ones in their order, and those that other packages add by entry points."""

import json
import re
import sys

import pytest

from svmodel.errors import DataError
from svmodel.report import open_area
from svmodel.report.pages.sections import ORDER, sections
from svmodel.report.run import run_study

MODULE = """
from svmodel.report.pages.content import Section, Words


class _Hours:
    key = "hours"
    title = "When does it happen?"
    after = "coming"

    def build(self, view):
        if view.area == "S":
            raise ValueError("no hours are known of the south")
        return Section(self.key, self.title, f"By night in {view.place}.", (Words("Hours of the day."),))


class _Last(_Hours):
    key, after = "last_words", None


class _Titleless:
    key = "untitled"
    build = _Hours.build


class _Taken(_Hours):
    key = "effect"


class _Astray(_Hours):
    key, after = "astray", "efect"


hours, last, titleless, taken, astray = _Hours(), _Last(), _Titleless(), _Taken(), _Astray()
"""


@pytest.fixture
def plugged(tmp_path, monkeypatch):
    """Install a package that adds the named sections, in this process and in those that it starts."""
    folder = tmp_path / "site"

    def install(*names):
        made = folder / "own_sections-1.0.dist-info"
        made.mkdir(parents=True)
        (folder / "own_sections.py").write_text(MODULE)
        (made / "METADATA").write_text("Metadata-Version: 2.1\nName: own-sections\nVersion: 1.0\n")
        points = "\n".join(f"{n} = own_sections:{n}" for n in names)
        (made / "entry_points.txt").write_text(f"[svmodel.sections]\n{points}\n")
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", str(folder))
        sections.cache_clear()

    yield install
    sections.cache_clear()
    sys.modules.pop("own_sections", None)


def test_every_section_stands_in_the_order_once_and_is_a_file_of_its_name():
    keys = [s.key for s in ORDER]
    assert len(set(keys)) == len(keys)
    assert [s.__name__.rpartition(".")[2] for s in ORDER] == keys
    assert list(sections()) == keys


def test_a_built_section_has_the_key_and_the_title_of_its_file(small_study, tmp_path):
    report = open_area(small_study.fitted(), "N", tmp_path)
    for section in ORDER:
        built = report.section(section.key)
        assert (built.key, built.title, built.area) == (section.key, section.title, "N")
    assert [s.key for s in report.sections] == [s.key for s in ORDER]


def test_a_section_that_there_is_not_is_named_with_the_nearest(small_study, tmp_path):
    report = open_area(small_study.fitted(), "N", tmp_path)
    with pytest.raises(DataError, match=r"no section 'efect'\. Did you mean 'effect'"):
        report.section("efect")
    with pytest.raises(AttributeError, match="'efect'; its sections: happening, coming, effect"):
        report.efect()
    assert {"happening", "effect", "write"} <= set(dir(report))


def test_a_section_of_another_package_stands_where_it_says(plugged, small_study, tmp_path):
    plugged("hours", "last")
    keys = [s.key for s in ORDER]
    assert list(sections()) == ["happening", "coming", "hours", *keys[2:], "last_words"]
    report = open_area(small_study.fitted(), "N", tmp_path)
    report.method()
    assert report.hours().answer == "By night in North."
    report.coming()
    assert [s.key for s in report.sections] == ["coming", "hours", "method"]
    page = report.write().read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)"', page) == ["coming", "hours", "method"]
    assert "When does it happen?" in page


def test_sections_that_cannot_be_used_are_told_all_at_once(plugged):
    plugged("hours", "titleless", "taken", "astray", "nowhere")
    with pytest.raises(DataError) as caught:
        sections()
    told = str(caught.value)
    assert "4 problems" in told
    assert "it has no title" in told
    assert "the key 'effect' is taken" in told
    assert "it stands after 'efect', which is no section. Did you mean 'effect'" in told
    assert "cannot be loaded: AttributeError" in told
    assert "nowhere = own_sections:nowhere" in told


@pytest.mark.slow
def test_a_study_file_finds_it_and_its_error_is_the_reason_on_the_page(plugged, small_study, tmp_path):
    plugged("hours")
    more = "outcomes: [{column: violence, label: Violence}]\nforecast: {horizon: 0}\n"
    study = small_study.write_study(tmp_path, f"{more}notebook: own.ipynb\nareas: [N, S]\n")
    opening = "from svmodel.report import open_area\narea = open_area(context, area_code, output)"
    calls = ["context = area_code = output = None", opening, "area.hours()", "area.write()"]
    code = {"cell_type": "code", "outputs": [], "execution_count": None}
    made = [
        {**code, "id": f"c{i}", "metadata": {"tags": [] if i else ["parameters"]}, "source": call}
        for i, call in enumerate(calls)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "own.ipynb").write_text(json.dumps(notebook))
    report = run_study(study, out=tmp_path / "out", jobs=1)
    assert [(o.code, o.status) for o in report.outcomes] == [("N", "made"), ("S", "failed")]
    north, south = ((report.plan.area_folder(c) / "report.html").read_text() for c in "NS")
    assert "By night in North." in north
    assert "ValueError: no hours are known of the south" in south
