"""What the notes of Home Office tables say: of which places, and for which quarters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<{}>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(?P<{}>\d{{4}})"
_DATES = re.compile(
    r"(?:Q(?P<before>[1-4])\s*(?:of\s*)?)?(?<!\d)(?P<fy>\d{4})\s*[/_-]\s*(?:\d{4}|\d{2})(?!\d)(?:\s*,?\s*Q(?P<behind>[1-4]))?"
    rf"|(?:years?|YE|12 months)\s*(?:ending|ended|end|to)?(?:\s+in)?(?:\s+\d{{1,2}})?\s+{_MONTH.format('em', 'ey')}"
    rf"|{_MONTH.format('mm', 'my')}"
    r"|(?<!\d)(?P<year>(?:19|20)\d{2})(?!\d)",
    re.IGNORECASE,
)
_FROM = re.compile(
    r"\b(from|since|after|beginning|starting|start)\b(?:\s+(?:in|with|of|at|the|on|\d{1,2}))*\s*$", re.IGNORECASE
)
_TO = re.compile(
    r"\b(until|till|up to|before|prior to|to)\b(?:\s+(?:the|end|of|and|including|\d{1,2}))*\s*$", re.IGNORECASE
)
_ON = re.compile(r"^\s*,?\s*(onwards?|and (?:later|after|onwards?|since)|on\b)", re.IGNORECASE)
_SPAN = re.compile(r"^\s*(to|until|till|through|up to|-|–|and)\s*(the\s+)?$", re.IGNORECASE)
#: Words that stand glued to a name where the publisher's blanks were lost ("withinDerbyshirehave").
_GLUED = "have|has|are|were|was|is|and|in|from|for|will|under"
_EVER = (-(10**6), 10**6)


@dataclass(frozen=True)
class Note:
    """One note that speaks of crimes under "unassigned".

    Attributes
    ----------
    text : str
        As the publisher wrote it.
    forces : frozenset of str
        Forces that it names.
    areas : frozenset of str
        Partnerships that it names; where it names none ("some areas within Derbyshire"), all of the forces named.
    spans : tuple of (int, int)
        First and last quarter of which it speaks, as ordinals; for ever where it names no time.
    """

    text: str
    forces: frozenset[str]
    areas: frozenset[str]
    spans: tuple[tuple[int, int], ...]

    def covers(self, quarter: int) -> bool:
        """Return whether the note speaks of a quarter."""
        return any(first <= quarter <= last for first, last in self.spans)


def unassigned_notes(notes: Iterable[str], force_of: Mapping[str, Iterable[str]]) -> list[Note]:
    """Read the notes that speak of crimes recorded under "unassigned".

    Parameters
    ----------
    notes : iterable of str
    force_of : mapping of str to iterable of str
        Partnership -> its forces, in the words of the tables.

    Examples
    --------
    >>> text = "Kent: data for Medway are recorded under an unassigned CSP group from 2024 onwards."
    >>> (note,) = unassigned_notes([text], {"Medway": ["Kent"], "Ashford": ["Kent"]})
    >>> sorted(note.areas), note.covers(quarter_of(2023, 12)), note.covers(quarter_of(2024, 1))
    (['Medway'], False, True)
    """
    forces = {f for its in force_of.values() for f in its}
    return [_read(n, force_of, forces) for n in notes if "unassigned" in n.casefold()]


def quarter_of(year: int, month: int) -> int:
    """Return the ordinal of the calendar quarter that holds a month."""
    return int(pd.Period(year=year, month=month, freq="M").asfreq("Q-DEC").ordinal)


def _read(text: str, force_of: Mapping[str, Iterable[str]], forces: set[str]) -> Note:
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).replace("London, City of", "City of London")
    plain = _unglued(plain, {*forces, *force_of})
    head, body = _headed(plain, forces)
    sentences = [s for s in re.split(r"(?<!\bSt)\.\s+(?=[A-Z])", body) if "unassigned" in s.casefold()]
    said = " ".join(sentences) or body
    scope = {a for a, its in force_of.items() if head is None or head in its}
    named = _named(said, {*scope, *forces}) or _named(body, {*scope, *forces})
    its_forces = {head} if head is not None else named & forces
    areas = named & scope
    if not areas - its_forces:
        # The force alone is named, so nobody can tell which of its areas are whole; a force may share its name.
        areas = {a for a, its in force_of.items() if its_forces & set(its)} or areas
    elif its_forces:
        areas -= its_forces - _twice(said, its_forces)
    if not its_forces:
        its_forces = {f for a in areas for f in force_of[a]}
    spans = _spans(said) or _spans(body) or (_EVER,)
    return Note(text, frozenset(its_forces), frozenset(areas), spans)


def _headed(text: str, forces: set[str]) -> tuple[str | None, str]:
    """Split "Kent: data for ..." into the force and the rest."""
    head, colon, body = text.partition(":")
    found = next((f for f in forces if colon and _words(f).fullmatch(head.strip())), None)
    return (found, body) if found else (None, text)


def _unglued(text: str, names: set[str]) -> str:
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"({re.escape(name)})(?=(?:{_GLUED})\b)", r"\1 ", text)
    return text


def _words(name: str) -> re.Pattern[str]:
    """Return a pattern of a name in which punctuation and "&" for "and" do not count."""
    words = ["(?:and|&)" if w in ("and", "&") else re.escape(w) for w in re.findall(r"\w+|&", name.casefold())]
    inside = r"[^\w&]+".join(words)
    return re.compile(rf"(?<!\w){inside}(?!\w)", re.IGNORECASE)


def _named(text: str, names: set[str]) -> set[str]:
    """Return which names stand in the text; a name inside a longer one does not ("Derby" in "Derby North")."""
    found = set()
    for name in sorted(names, key=len, reverse=True):
        text, times = _words(name).subn(" | ", text)
        if times:
            found.add(name)
    return found


def _twice(text: str, names: set[str]) -> set[str]:
    return {n for n in names if len(_words(n).findall(text)) > 1}


def _spans(text: str) -> tuple[tuple[int, int], ...]:
    dates = list(_DATES.finditer(text))
    spans: list[tuple[int, int]] = []
    at = 0
    ending = False
    while at < len(dates):
        date = dates[at]
        ending = bool(date["ey"]) or (ending and bool(date["my"]))
        first, last = _quarters(date, ending=ending)
        before, behind = text[: date.start()], text[date.end() :]
        following = dates[at + 1] if at + 1 < len(dates) else None
        link = _SPAN.match(text[date.end() : following.start()]) if following else None
        between = re.search(r"\bbetween(?:\s+the)?\s*$", before, re.IGNORECASE)
        if following and link and (link[1].casefold() != "and" or between):
            last = _quarters(following, ending=ending)[1]
            at += 1
        elif _ON.match(behind) or _FROM.search(before):
            last = _EVER[1]
        elif _TO.search(before):
            first = _EVER[0]
        spans.append((first, last))
        at += 1
    return tuple(spans)


def _quarters(date: re.Match[str], *, ending: bool) -> tuple[int, int]:
    """Return the quarters of a date; a bare year may be a calendar or a financial one, so it holds both."""
    if date["fy"]:
        april = quarter_of(int(date["fy"]), 4)
        one = date["before"] or date["behind"]
        return (april + int(one) - 1,) * 2 if one else (april, april + 3)
    if date["ey"] or date["my"]:
        month = _MONTHS.index((date["em"] or date["mm"]).casefold()) + 1
        last = quarter_of(int(date["ey"] or date["my"]), month)
        return (last - 3, last) if ending else (last, last)
    january = quarter_of(int(date["year"]), 1)
    return january, january + 4
