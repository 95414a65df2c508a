"""One area's view of a study: what its page's sections look up, after disclosure control."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from svmodel import periods
from svmodel.design import Intervention
from svmodel.design.meaning import Meaning
from svmodel.errors import DataError, did_you_mean
from svmodel.files import path_names
from svmodel.panel import Panel
from svmodel.present import prose
from svmodel.present.facts import EffectFact, Tally
from svmodel.present.protected import ProtectedPanel, ProtectedResult
from svmodel.protect import Disclosure
from svmodel.report.fits import StudyContext
from svmodel.report.fits.second_looks import SecondLooks
from svmodel.report.pages.method_words import method_name
from svmodel.report.pages.unprotected import unprotected
from svmodel.report.study import OutcomeSpec, Study
from svmodel.result import Result
from svmodel.result.check import CheckResult
from svmodel.result.tables import ALL_TREATED

#: Numbers of these are no counts of people, and stay readable under every disclosure rule.
_UNITS = re.compile(
    r"\b[\d,]+ of [\d,]+ (?:intervals?|methods?|answers?|pairs?|points?|specifications?|horizons?|areas?)\b"
    r"|\b[\d,]+ of the [\d,]+ refits\b"
    r"|\b[\d,]+ (?:(?:never|not yet|small|other|further) )?(?:(?:un)?treated )?(?:areas?|controls?|donors?|placebos?"
    r"|months?|quarters?|years?|periods?|methods?|answers?|intervals?|pairs?|specifications?|draws?|starts?|cohorts?"
    r"|groups?|leads?|lags?|blocks?|stacks?|series|ways|sets)\b"
    r"|\b[\d,]+ (?:never treated|until their own start)\b"
    r"|\bF\([\d,]+, [\d,]+\)|\bof which \d+ independent|\bAR\(\d+\)|\b(?:algorithm|section|theorem) \d+"
)
#: Whole numbers that nobody reads.
_ENDLESS = re.compile(r"\b\d{1,3}(?:,\d{3}){3,}\b")


@dataclass(frozen=True, eq=False)
class AreaView:
    """A study seen from one reporting area.

    Parameters
    ----------
    context : StudyContext
    area : str
        A reporting area of the study.

    Raises
    ------
    DataError
        If the study has no such area.
    """

    context: StudyContext
    area: str

    def __post_init__(self) -> None:
        known = {*self.context.reporting.areas, *self.context.panel.areas}
        if self.area not in known:
            names = self.context.reporting.areas
            raise DataError(f"the study has no area {self.area!r}. {did_you_mean(self.area, names)}")

    @property
    def study(self) -> Study:
        """The study."""
        return self.context.study

    @property
    def disclosure(self) -> Disclosure:
        """The rule that every number of the page has been through."""
        return self.context.disclosure

    @property
    def counts(self) -> ProtectedPanel:
        """What is shown of the panel of areas among which this one stands."""
        shown = self.context.shown
        return shown.reporting if self.area in self.context.reporting.areas else shown.panel

    @property
    def panel(self) -> Panel:
        """The panel of areas among which this one is shown."""
        return self.counts.panel

    @cached_property
    def place(self) -> str:
        """The area's readable name."""
        return self.panel.label(self.area)

    @property
    def outcomes(self) -> tuple[OutcomeSpec, ...]:
        """Outcomes, the headline first."""
        return self.study.outcomes

    @property
    def headline(self) -> OutcomeSpec:
        """The headline outcome."""
        return self.study.headline_outcome

    def meaning(self, outcome: OutcomeSpec) -> Meaning:
        """Return what a change of an outcome means."""
        return Meaning.of(counted=outcome.column in self.context.panel.counts, good=outcome.good)

    @cached_property
    def _stems(self) -> dict[str, str]:
        return path_names(o.column for o in self.outcomes)

    def stem(self, column: str) -> str:
        """Return how the names of an outcome's files begin: its column, or what of it every file system takes."""
        return self._stems[column]

    @cached_property
    def unprotected(self) -> str:
        """What the page shows although no disclosure rule is set, in words; empty where nothing is."""
        return unprotected(self.study, self.context.panel, self.context.reporting, [self.area])

    @property
    def per(self) -> str:
        """The word for one period."""
        return periods.describe_frequency(self.panel.periods)

    @property
    def year(self) -> int:
        """Periods in a year."""
        return periods.per_year(self.panel.periods)

    @property
    def breaks(self) -> tuple[tuple[pd.Period, pd.Period | None, str], ...]:
        """Declared breaks as figures mark them: from, until (None where it lasted), and a few words."""
        return tuple((b.period, b.until, _short(b.reason)) for b in self.study.breaks)

    def free_text(self, text: str) -> str:
        """Return what a method or a person wrote, in one line, without hidden counts or names of columns.

        Names of areas stay as they are, and so do numbers of areas, periods and the like: they are no counts of people.
        """
        text = _ENDLESS.sub("more than a billion", text)
        names = (*self.context.panel.areas, *self.context.panel.names.values(), *_UNITS.findall(text))
        return self.readable(self.disclosure.free_text(" ".join(text.split()), names))

    def readable(self, text: str) -> str:
        """Return words in which outcomes go by their labels and not by their columns."""
        for outcome in self.outcomes:
            text = named(outcome.column, prose.outcome_name(outcome.label), text)
        return text

    @cached_property
    def intervention(self) -> Intervention | None:
        """The intervention, or None where the study has none."""
        return next((d.intervention for d in self.context.designs.values()), None)

    @cached_property
    def starts(self) -> dict[str, pd.Period]:
        """Starts of the treated areas that are this area or lie in it, up to the end of the data."""
        if self.intervention is None:
            return {}
        inside = {self.area, *self.context.panel.children(self.area)}
        last = self.context.panel.periods[-1]
        return {a: p for a, p in self.intervention.starts.items() if a in inside and p <= last}

    @property
    def headline_method(self) -> str:
        """Label of the headline estimator; empty where the study has none."""
        return self.study.estimators[0].label if self.study.estimators else ""

    def method_name(self, label: str) -> str:
        """Return an estimator's readable name."""
        return method_name(self.study, label)

    def results(self, outcome: str) -> Mapping[str, Result]:
        """Return results by estimator label, in the order of the study."""
        return self.context.results.get(outcome, {})

    def shown(self, outcome: str) -> Mapping[str, ProtectedResult]:
        """Return what is shown of an outcome's results, by estimator label."""
        return self.context.shown.results.get(outcome, {})

    def looks(self, outcome: str) -> SecondLooks:
        """Return the second looks at an outcome's effect; empty ones where none were taken."""
        return self.context.second_looks.get(outcome) or SecondLooks()

    def checks(self, outcome: str) -> tuple[CheckResult, ...]:
        """Return the checks of the headline method's result that could be made, or broke down."""
        return tuple(c for c in self.context.checks.get(outcome, ()) if c.status != "not_applicable")

    def checks_not_made(self, outcome: str) -> tuple[CheckResult, ...]:
        """Return the checks of the headline method's result that do not apply, each with its reason."""
        return tuple(c for c in self.context.checks.get(outcome, ()) if c.status == "not_applicable")

    def tally(self, outcome: str) -> Tally:
        """Return how the checks of the headline method's result came out."""
        return Tally.of(c.status for c in self.context.checks.get(outcome, ()))

    def overall(self, outcome: str, label: str | None = None) -> EffectFact | None:
        """Return the study's average effect by one method, the headline's where none is named; None if it failed."""
        shown = self.shown(outcome).get(label or self.headline_method)
        return None if shown is None else shown.fact(ALL_TREATED, label or self.headline_method)

    def own(self, outcome: str) -> EffectFact | None:
        """Return this area's own effect by the first method that gives one; None where none does.

        The headline's method goes first. Where it has no answer for one place, the number is another method's, and is
        nowhere shown without saying so: neither the headline's checks nor its interval are of it.
        """
        for label, shown in self.shown(outcome).items():
            found = shown.fact(self.area, label)
            if found is not None:
                return found
        return None

    def counterfactual_method(self, outcome: str, area: str) -> str | None:
        """Return the first method that gives expected counts for an area; that of the area's own effect before others.

        So a figure of an area shows the method whose number stands beside it.
        """
        own = None if area == ALL_TREATED else self.own(outcome)
        results = self.results(outcome)
        for label in sorted(results, key=lambda k: own is None or k != own.method):
            result = results[label]
            frame = result.counterfactual
            if frame is not None and (frame["area"] == area).any():
                return label
        return None


def named(column: str, name: str, text: str) -> str:
    """Return a text with the name of a column replaced, where it cannot be taken for a common word.

    That is where it stands in quotation marks or holds an underscore: a column called ``violence`` is a word, too.

    Examples
    --------
    >>> named("weapon_offences", "possession of weapons", "the sum of weapon_offences, not 'weapon_offences_2'")
    "the sum of possession of weapons, not 'weapon_offences_2'"
    """
    column = re.escape(column)
    bare = rf"|(?<![\w/.]){column}(?![\w/]|\.\w)" if "_" in column else ""
    return re.sub(rf"'{column}'{bare}", lambda _: name, text)


def _short(text: str, words: int = 4) -> str:
    parts = text.split()
    return " ".join(parts[:words]) + ("…" if len(parts) > words else "")
