"""AreaReport: builds one reporting area's page, section by section, and writes it with its files."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from svmodel.errors import DataError
from svmodel.files import atomic_write_text
from svmodel.present import prose
from svmodel.report import fits as contexts
from svmodel.report.fits import StudyContext
from svmodel.report.pages import content as pages
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Section, figures_of
from svmodel.report.pages.numbers import estimates_csv, result_json
from svmodel.report.pages.sections import (
    belief,
    coming,
    effect,
    happening,
    method,
    quality,
    second_looks,
    synthetic,
    worth,
)

#: Order of the page, whatever the order in which a notebook asks for its sections.
ORDER = (
    "happening",
    "coming",
    "effect",
    "belief",
    "donors",
    "inference",
    "specifications",
    "power",
    "worth",
    "quality",
    "method",
)


@dataclass(frozen=True, eq=False)
class AreaReport:
    """One area's report in the making. Made by :func:`open_area`.

    Each method named after a section builds that section of the page, keeps it, and returns it so that a notebook
    shows it; :meth:`write` then writes the page and its files. A section that was not asked for is not on the page.

    Parameters
    ----------
    view : AreaView
    output : Path
        Folder for the files.
    """

    view: AreaView
    output: Path
    _sections: dict[str, Section] = field(default_factory=dict, repr=False)

    def happening(self) -> Section:
        """Return what is happening: the last year, how it compares, and the trend."""
        return self._keep(happening.build(self.view))

    def coming(self) -> Section:
        """Return what is coming: the forecast, and how well such forecasts did."""
        return self._keep(coming.build(self.view))

    def effect(self) -> Section:
        """Return what the intervention did: here, where the area was treated, and over the whole study."""
        return self._keep(effect.build(self.view))

    def belief(self) -> Section:
        """Return what was believed before the data, what they changed, and what each area borrows from the others."""
        return self._keep(belief.build(self.view))

    def donors(self) -> Section:
        """Return the effect of synthetic methods without each of the heaviest donors."""
        return self._keep(synthetic.build(self.view))

    def inference(self) -> Section:
        """Return the headline's effect under the other methods of inference that the study names."""
        return self._keep(second_looks.inference(self.view))

    def specifications(self) -> Section:
        """Return the specification curve with its joint test."""
        return self._keep(second_looks.specifications(self.view))

    def power(self) -> Section:
        """Return what a study like this could have seen."""
        return self._keep(second_looks.power(self.view))

    def worth(self) -> Section:
        """Return whether it was worth it: costs, and what it would have to avert to pay for itself."""
        return self._keep(worth.build(self.view))

    def quality(self) -> Section:
        """Return how good the data are."""
        return self._keep(quality.build(self.view))

    def method(self) -> Section:
        """Return methods, assumptions and provenance."""
        return self._keep(method.build(self.view))

    @property
    def sections(self) -> tuple[Section, ...]:
        """Sections built so far, in the order of the page."""
        return tuple(self._sections[key] for key in ORDER if key in self._sections)

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

    def _keep(self, section: Section) -> Section:
        self._sections[section.key] = replace(section, area=self.view.area)
        return self._sections[section.key]

    def _page(self) -> pages.Page:
        study, view = self.view.study, self.view
        outcomes = prose.join([prose.outcome_name(o.label) for o in study.outcomes])
        about = f"This page is about {outcomes} in {view.place}"
        about += f", and about {view.intervention.name}." if view.intervention is not None else "."
        return pages.Page(
            title=view.place,
            study=study.title,
            summary=about,
            synthetic=view.context.synthetic,
            sections=self.sections,
            footnotes=(
                view.disclosure.describe(),
                "Made with svmodel. Below zero, and “fewer”, always mean fewer harms.",
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
