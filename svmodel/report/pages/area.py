"""AreaReport: builds one reporting area's page, section by section, and writes it with its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from svmodel.design.meaning import zero_words
from svmodel.errors import DataError, did_you_mean
from svmodel.files import atomic_write_text
from svmodel.present import prose
from svmodel.report import fits as contexts
from svmodel.report.fits import StudyContext
from svmodel.report.pages import content as pages
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Section, figures_of, file_as
from svmodel.report.pages.numbers import estimates_csv, result_json
from svmodel.report.pages.sections import sections
from svmodel.result.figure import Figure


@dataclass(frozen=True, eq=False)
class AreaReport:
    """One area's report in the making. Made by :func:`open_area`.

    ``area.effect()`` (any key of :func:`svmodel.report.pages.sections.sections`) builds that section of the page,
    keeps it, and returns it so that a notebook shows it; :meth:`write` then writes the page and its files. A section
    that was not asked for is not on the page.

    Parameters
    ----------
    view : AreaView
    output : Path
        Folder for the files.
    """

    view: AreaView
    output: Path
    _sections: dict[str, Section] = field(default_factory=dict, repr=False)

    def section(self, key: str) -> Section:
        """Build a section of the page and keep it.

        Raises
        ------
        DataError
            If there is no such section.
        """
        known = sections()
        if key not in known:
            raise DataError(f"a page has no section {key!r}. {did_you_mean(key, known)}")
        made = replace(known[key].build(self.view), area=self.view.area)
        self._sections[key] = replace(made, blocks=tuple(self._with_a_file_of_its_own(key, b) for b in made.blocks))
        return self._sections[key]

    def _with_a_file_of_its_own(self, key: str, block: Block) -> Block:
        """Return a block; a figure whose files would replace those of another section's gets another name."""
        others = (s for k, s in self._sections.items() if k != key)
        taken = {f.file.casefold() for s in others for f in figures_of(s)}
        return file_as(key, block) if isinstance(block, Figure) and block.file.casefold() in taken else block

    def __getattr__(self, name: str) -> Callable[[], Section]:
        if name.startswith("_") or name not in sections():
            raise AttributeError(f"an area's report has no {name!r}; its sections: {', '.join(sections())}")
        return partial(self.section, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *sections()})

    @property
    def sections(self) -> tuple[Section, ...]:
        """Sections built so far, in the order of the page."""
        return tuple(self._sections[key] for key in sections() if key in self._sections)

    def html(self) -> str:
        """Return the page.

        Raises
        ------
        DataError
            If no section was built.
        """
        if not self._sections:
            raise DataError("the report has no section; ask for happening(), coming(), effect() and so on first")
        return pages.render(self._page())

    def write(self) -> Path:
        """Write ``report.html``, ``result.json``, ``estimates.csv`` and ``figures/``; return the page.

        Raises
        ------
        DataError
            If no section was built.
        OutputError
            If the folder cannot be written.
        """
        html = self.html()
        figures = self.output / "figures"
        for section in self.sections:
            for figure in figures_of(section):
                figure.save(figures)
        atomic_write_text(self.output / "estimates.csv", estimates_csv(self.view))
        atomic_write_text(self.output / "result.json", result_json(self.view))
        atomic_write_text(self.output / "report.html", html)
        return self.output / "report.html"

    def _page(self) -> pages.Page:
        study, view = self.view.study, self.view
        outcomes = prose.join([prose.outcome_name(o.label) for o in study.outcomes])
        about = f"This page is about {outcomes} in {view.place}"
        about += f", and about {view.intervention.name}." if view.intervention is not None else "."
        return pages.Page(
            title=view.place,
            study=study.title,
            summary=about,
            alert=(
                f"The study sets no disclosure rule, and this page shows {view.unprotected}. Set one (key `disclosure` "
                "of the study file) before it is passed on."
                if view.unprotected
                else ""
            ),
            synthetic=view.context.synthetic,
            sections=self.sections,
            footnotes=(
                view.disclosure.describe(),
                f"Made with svmodel. {zero_words(view.meaning(o) for o in study.outcomes)}",
            ),
            home="../../index.html",
        )


def open_area(context: StudyContext | Path | str, area_code: str, output: Path | str) -> AreaReport:
    """Open one area of a fitted study.

    Parameters
    ----------
    context : StudyContext or path
        The study's fits, or where they are saved.
    area_code : str
        A reporting area.
    output : path
        Folder for the report.

    Returns
    -------
    AreaReport

    Raises
    ------
    DataError
        If there is no such context or area.
    """
    held = contexts.load(context) if isinstance(context, str | Path) else context
    return AreaReport(AreaView(held, area_code), Path(output))
