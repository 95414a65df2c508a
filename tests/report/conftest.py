"""A small study with real fits for tests of pages, and a strict reader of HTML.

Four boroughs of four wards over five years; one borough is not treated.
"""

import html
import re
import tempfile
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

VOID = {"meta", "link", "br", "img", "hr", "input", "wbr"}
DATA = """
data:
  path: data.csv
  area: ward
  period: month
  counts: [violence, robbery]
  exposures: [people]
  parent: borough
  name: ward_name
  names: {N: North, S: South, E: East, W: West & Central}
"""
STUDY = """
title: Small study of patrols
description: Made for tests
{data}
outcomes:
  - column: violence
    label: Violence with injury
  - column: robbery
    label: Robbery
exposure: people
{more}
forecast: {{horizon: 3}}
breaks:
  - {{period: 2020-04, until: 2020-09, reason: lockdown}}
seed: 11
"""
INTERVENTION = """
intervention:
  name: Patrols
  starts: {N1: 2022-01, N2: 2022-01, S1: 2022-07, E1: 2022-07}
  cost:
    - {item: Patrol, quantity: 10, unit_cost: 2000, price_year: 2022, source: ledger}
estimators:
  - ExtendedTwoWayFixedEffects: {family: poisson}
  - CallawaySantAnna
economics:
  price_year: 2022
  unit_costs:
    - {outcome: violence, cost: 10000, price_year: 2022, source: a source}
"""
MONTHS = pd.period_range("2019-01", periods=60, freq="M")
STARTS = {"N1": 36, "N2": 36, "S1": 42, "E1": 42}


def make_frame(*, scale: float = 60.0, planted: dict[tuple[str, int], int] | None = None) -> pd.DataFrame:
    """Return the rows; `planted` sets the violence count of (ward, month number)."""
    rng = np.random.default_rng(7)
    rows = []
    for b, borough in enumerate("NSEW"):
        for w in range(1, 5):
            ward = f"{borough}{w}"
            level = scale * (0.6 + 0.3 * w + 0.1 * b)
            season = 1 + 0.15 * np.sin(2 * np.pi * np.arange(60) / 12)
            effect = np.where(np.arange(60) >= STARTS.get(ward, 999), 0.8, 1.0)
            violence = rng.poisson(level * season * effect)
            robbery = rng.poisson(level / 20, size=60)
            for t, month in enumerate(MONTHS):
                count = (planted or {}).get((ward, t), int(violence[t]))
                rows.append(
                    (ward, str(month), borough, f"Ward {w} of {borough}", count, int(robbery[t]), 5000 + 500 * w)
                )
    return pd.DataFrame(rows, columns=["ward", "month", "borough", "ward_name", "violence", "robbery", "people"])


def make_context(folder: Path, *, intervention: bool = True, frame=None, rename=None, more: str = ""):
    """Write the study and its data, fit everything for real, and return the StudyContext; `more` is added to it."""
    from svmodel.report import prepare, read_study

    folder.mkdir(parents=True, exist_ok=True)
    (make_frame() if frame is None else frame).to_csv(folder / "data.csv", index=False)
    path = folder / "small.yaml"
    text = STUDY.format(data=DATA.strip(), more=INTERVENTION if intervention else "").lstrip() + more
    for old, new in (rename or {}).items():
        text = re.sub(rf"(?<=[ \[]){old}\b", new, text)
    path.write_text(text)
    return prepare(read_study(path))


def write_study(folder: Path, more: str) -> Path:
    """Write the rows, and a study of them that goes on with `more`."""
    make_frame().to_csv(folder / "data.csv", index=False)
    path = folder / "study.yaml"
    path.write_text(f"title: Small study of patrols\n{DATA.strip()}\n{more.lstrip()}")
    return path


@cache
def fitted(*, intervention: bool = True):
    """Return the context of the plain study, fitted once for all tests; disclosure and marks change no fit."""
    with tempfile.TemporaryDirectory() as folder:
        return make_context(Path(folder), intervention=intervention)


def write_area(context, area: str, output: Path) -> Path:
    """Build every section of an area and write its report."""
    from svmodel.report import open_area

    report = open_area(context, area, output)
    shown = [s._repr_html_() for s in (report.happening(), report.coming(), report.effect(), report.worth())]
    shown += [report.quality()._repr_html_(), report.method()._repr_html_()]
    page = report.write()
    (output / "shown_in_the_notebook.html").write_text("\n".join(shown), encoding="utf-8")
    return page


def write_sections(context, area: str, output: Path, sections: tuple[str, ...]) -> Path:
    """Build some sections of an area, by name, and write its report."""
    from svmodel.report import open_area

    report = open_area(context, area, output)
    for section in sections:
        getattr(report, section)()
    return report.write()


def read_words(page: Path) -> str:
    """Return what a page says, without its tags."""
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8")).split()))


class Outline(HTMLParser):
    """Reads a page strictly: every end tag has to close the element that is open."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.headings, self.ids, self.tags = [], [], [], []

    def handle_starttag(self, tag, attributes):
        held = dict(attributes)
        self.tags.append((tag, held))
        if "id" in held:
            self.ids.append(held["id"])
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def all(self, tag):
        return [held for name, held in self.tags if name == tag]


def outline_of(text):
    parser = Outline()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture(scope="session")
def small_study():
    """The small study: its rows, its fits, studies of one's own of the same rows, and an area's report."""
    return SimpleNamespace(
        make_frame=make_frame,
        make_context=make_context,
        fitted=fitted,
        write_study=write_study,
        write_area=write_area,
        write_sections=write_sections,
    )


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory):
    """A folder with the reports of North and of West of the plain study, written once: for reading only."""
    folder = tmp_path_factory.mktemp("plain")
    for code in ("N", "W"):
        write_area(fitted(), code, folder / "areas" / code)
    return folder


@pytest.fixture(scope="session")
def words_of():
    """Read what a page says, without its tags."""
    return read_words


@pytest.fixture(scope="session")
def read_outline():
    """Read a page strictly and give its outline."""
    return outline_of
