"""Disclosure control: which counts may be shown, and what a page says in place of the others.

Every number of a page that was counted, or that would give a count back, passes through one
:class:`Disclosure`. What it hides is missing in the frame, with a flag next to it that says why, so that a
hidden count can never be mistaken for a zero or be summed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from svmodel.errors import DataError, Problems, StudyError, did_you_mean
from svmodel.words import one_or_more

#: Flags of the Government Analysis Function: confidential, and not available.
CONFIDENTIAL, NOT_AVAILABLE = "c", "x"
RULES = ("none", "threshold", "hes")
_HES = (8, 5)
#: What the counts of a series are rounded to: the first that is at least half the threshold.
_BASES = tuple(m * 10**k for k in range(12) for m in (5, 10))
#: A whole number that stands alone: no part of a decimal, a percentage, a date, a name or a sum of money.
_WHOLE = r"(?<![\w.,£/'’-])(?:\d{1,3}(?:,\d{3})+|\d+)(?![\w%/-]|[.,]\d|\s?%)"

Derived: TypeAlias = "Iterable[str] | Mapping[str, Callable[[pd.DataFrame], Any]]"


@dataclass(frozen=True)
class Disclosure:
    """A rule for small counts.

    Parameters
    ----------
    rule : {"none", "threshold", "hes"}
        ``none`` shows every count. ``threshold`` hides counts from 1 to `threshold` - 1. ``hes`` is NHS
        Digital's rule for hospital episodes and emergency care: counts from 1 to 7 are hidden, zeros
        are shown, every other count is rounded to the nearest 5. (Its clause on national totals of 1 to 7 needs
        the national total, which a study does not hold; do not run such an outcome.)
    threshold : int, optional
        Smallest count above zero that may be shown, 3 or more; 5 where not given. Zeros are always shown.
    round_to : int, optional
        Shown counts are rounded to the nearest multiple; 1 (no rounding) where not given.

    Raises
    ------
    StudyError
        If the rule is unknown, a number is no positive whole number, `hes` is given other numbers than
        its own, or rounding would turn a shown count into zero.

    Notes
    -----
    Where counts are rounded, sums need no further control. Where they are not, :meth:`for_series` makes sure that
    a series with a hidden count, and its sums, are rounded: exact ones would give the hidden one back.

    References
    ----------
    NHS Digital (2018), *HES analysis guide*, suppression rule of September 2018.

    Examples
    --------
    >>> Disclosure("hes").counts([0, 3, 7, 8, 12, 13]).tolist()
    [0.0, nan, nan, 10.0, 10.0, 15.0]
    >>> Disclosure("threshold", threshold=5).counts([0, 4, 5, 6]).tolist()
    [0.0, nan, 5.0, 6.0]
    """

    rule: str = "none"
    threshold: int | None = None
    round_to: int | None = None

    def __post_init__(self) -> None:
        problems = Problems()
        if self.rule not in RULES:
            problems.add(f"{self.rule!r} is no disclosure rule", where="rule", fix=did_you_mean(self.rule, RULES))
        for name in ("threshold", "round_to"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                problems.add(f"{value!r} is not a whole number of 1 or more", where=name)
            elif value is not None and self.rule == "none" and value > 1:
                problems.add("the rule 'none' takes no numbers", where=name, fix="Use the rule 'threshold'.")
        if self.rule == "threshold" and isinstance(self.threshold, int) and self.threshold < 3:
            problems.add(
                f"a threshold of {self.threshold} tells what it hides", where="threshold", fix="Use 3 or more."
            )
        if self.rule == "hes" and ((self.threshold or 8), (self.round_to or 5)) != _HES:
            problems.add("the rule 'hes' has its own numbers", fix="Leave them out, or use the rule 'threshold'.")
        problems.raise_if_any(StudyError, "the disclosure rule cannot be used")
        default = {"none": (1, 1), "threshold": (5, 1), "hes": _HES}[self.rule]
        object.__setattr__(self, "threshold", self.threshold or default[0])
        object.__setattr__(self, "round_to", self.round_to or default[1])
        if 2 * self._threshold < self._round_to:
            raise StudyError(
                f"rounding to the nearest {self.round_to} would show a count of {self.threshold} as zero; "
                f"give a threshold of at least {math.ceil(self._round_to / 2)}"
            )

    @property
    def _threshold(self) -> int:
        return int(self.threshold or 1)

    @property
    def _round_to(self) -> int:
        return int(self.round_to or 1)

    @property
    def active(self) -> bool:
        """Whether anything is hidden or rounded."""
        return self.rule != "none"

    @property
    def rounds(self) -> bool:
        """Whether shown counts are rounded."""
        return self._round_to > 1

    def small(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Return which counts must not be shown; missing ones are not small.

        Parameters
        ----------
        values : array_like of float, shape (n,)
        """
        array = np.asarray(values, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            return np.asarray((array > 0) & (array < self._threshold))

    def counts(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the counts as they may be shown: NaN where hidden, rounded where the rule rounds.

        Parameters
        ----------
        values : array_like of float, shape (n,)
            Events; NaN where missing, which they stay.
        """
        array = np.asarray(values, dtype=np.float64)
        shown = np.floor(array / self._round_to + 0.5) * self._round_to if self.rounds else array.copy()
        return np.where(self.small(array), np.nan, shown)

    def count(self, value: float) -> float:
        """Return one count as it may be shown; NaN where hidden."""
        return float(self.counts([value])[0])

    def for_series(self, *series: ArrayLike) -> Disclosure:
        """Return the rule for counts that are published together with their sums.

        Sums of exact counts would give a hidden one back. So where any of the counts has to be hidden, the
        rule that comes back rounds as well; elsewhere, and where the rule rounds anyway, it is this one.

        Parameters
        ----------
        *series : array_like of float
            Every count that is published, or that follows from published ones by subtraction.

        Examples
        --------
        >>> Disclosure("threshold", threshold=5).for_series([12, 3, 17]).counts([12, 3, 17]).tolist()
        [10.0, nan, 15.0]
        """
        if not self.active or self.rounds or not any(self.small(s).any() for s in series):
            return self
        base = next(b for b in _BASES if 2 * b >= self._threshold)
        return replace(self, round_to=base)

    def model(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return modelled counts as they may stand with protected ones: coarse enough to give none back.

        Models need no control of their own; but an exact expected count and an exact difference are an
        exact count. So wherever a rule is in force they are rounded as counts are, to whole events at least.
        """
        array = np.asarray(values, dtype=np.float64)
        if not self.active:
            return array.copy()
        return np.floor(array / self._round_to + 0.5) * self._round_to

    def protect(
        self,
        frame: pd.DataFrame,
        *,
        counts: Iterable[str] = (),
        derived: Derived = (),
        also: ArrayLike | None = None,
    ) -> pd.DataFrame:
        """Return a copy of the frame that may be published.

        Parameters
        ----------
        frame : pandas.DataFrame
        counts : iterable of str
            Columns of counts of people or events.
        derived : iterable of str, or mapping of str to function
            Columns that would give a count back; hidden wherever a count of their row is hidden. A function makes
            the column anew from the protected frame (a rate from the rounded count); a column
            that is only named keeps its value where no count is hidden.
        also : array_like of bool, shape (len(frame),), optional
            Further rows to hide, e.g. sums with a hidden part.

        Returns
        -------
        pandas.DataFrame
            Hidden values are NaN. Each named column has a ``<column>_flag`` next to it: ``c`` confidential,
            ``x`` not available, empty where shown. The flags are there also when nothing is hidden.

        Raises
        ------
        DataError
            If the frame lacks a named column.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"count": [0, 3, 22], "rate": [0.0, 30.0, 220.0]})
        >>> rule = Disclosure("threshold", threshold=5)
        >>> rule.protect(frame, counts=["count"], derived=["rate"])["rate_flag"].tolist()
        ['', 'c', '']
        """
        counts = one_or_more(counts)
        remake = dict(derived) if isinstance(derived, Mapping) else dict.fromkeys(one_or_more(derived))
        lacking = [c for c in [*counts, *(n for n, f in remake.items() if f is None)] if c not in frame.columns]
        if lacking:
            raise DataError(f"the frame has no column {lacking[0]!r}. {did_you_mean(lacking[0], frame.columns)}")
        out = frame.copy()
        hidden = np.zeros(len(frame), dtype=bool) if also is None else np.asarray(also, dtype=bool).copy()
        for column in counts:
            hidden |= self.small(frame[column])
        for column in counts:
            out[column] = np.where(hidden, np.nan, self.counts(frame[column]))
        for column, make in remake.items():
            values = frame[column] if make is None else make(out)
            out[column] = np.where(hidden, np.nan, np.asarray(values, dtype=np.float64))
        for column in [*counts, *remake]:
            missing = np.isnan(out[column].to_numpy(dtype=np.float64))
            flag = np.where(hidden, CONFIDENTIAL, np.where(missing, NOT_AVAILABLE, ""))
            out[f"{column}_flag"] = flag.astype(object)
        return out

    def text(self, value: float) -> str:
        """Return a count in words for prose.

        Examples
        --------
        >>> Disclosure("hes").text(3), Disclosure("hes").text(1212), Disclosure().text(3)
        ('between 1 and 7', '1,210', '3')
        """
        if value is None or math.isnan(value):
            return "not available"
        if self.small([value])[0]:
            return f"between 1 and {self._threshold - 1}"
        return f"{self.count(value):,.0f}"

    def free_text(self, text: str, keep: Iterable[str] = ()) -> str:
        """Return words that a method wrote, with every whole number masked that might be a hidden count.

        Nobody can tell a count from another number in free text, so that any that stands alone and is small
        becomes ``[c]``; decimals, percentages, dates and the names in `keep` stay.

        Examples
        --------
        >>> Disclosure("hes").free_text("7 events in 3 areas, 12 in all, 5% in 2.5 years from 2019-04")
        '[c] events in [c] areas, 12 in all, 5% in 2.5 years from 2019-04'
        """
        if not self.active:
            return text

        def mask(found: re.Match[str]) -> str:
            if found[1] is None:
                return found[0]
            return "[c]" if self.small([float(found[1].replace(",", ""))])[0] else found[0]

        names = sorted({n for n in keep if n in text and any(c.isdigit() for c in n)}, key=len, reverse=True)
        pattern = "|".join([*map(re.escape, names), f"({_WHOLE})"])
        return re.sub(pattern, mask, text)

    def describe(self) -> str:
        """Return the rule in one or two sentences, for the page."""
        if not self.active:
            return "No count on this page is hidden or rounded: the study asks for no disclosure control."
        words = f"Counts from 1 to {self._threshold - 1} are hidden and shown as [c]; zeros are shown."
        if self.rounds:
            words += f" Every other count is rounded to the nearest {self._round_to}."
        else:
            base = next(b for b in _BASES if 2 * b >= self._threshold)
            words += (
                f" In a series with a hidden count all others are rounded to the nearest {base}, and so are its totals."
            )
        return f"{words} Rates and differences are worked out from the protected counts."
