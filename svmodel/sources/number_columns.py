"""The columns of a table that hold numbers, as numbers; what stands in place of one is missing, and said."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from svmodel.errors import shorten
from svmodel.panel.rules import Roles
from svmodel.sources.answers import CHOICES, Answers, Question, TidyTable
from svmodel.sources.cells import Numbers, decimals_of, kind_of_cell, mostly_counts, read_numbers


def read_number_columns(
    made: TidyTable, keys: list[str], roles: Roles, answers: Answers, *, decimal_asked: bool = False
) -> None:
    """Turn the columns of numbers into numbers; marks and dashes are missing, and said."""
    wanted = set(roles.data)
    chosen = [
        c
        for c in made.frame.columns
        if c not in keys
        and (c in wanted or mostly_counts(list(made.frame[c].dropna().head(5000))))
        and not _is_coded_column(made.frame[c])
    ]
    clean_numbers(made, chosen, answers, decimal_asked=decimal_asked)


def _is_coded_column(column: pd.Series) -> bool:
    """Return whether numbers are names: codes with a zero in front."""
    texts = [v for v in column.dropna().head(2000) if isinstance(v, str)]
    return any(re.fullmatch(r"0\d+", t) for t in texts)


def clean_numbers(made: TidyTable, columns: Sequence[str], answers: Answers, *, decimal_asked: bool = False) -> None:
    """Turn columns into numbers; what stands in place of a number is missing, with its reason in the ledger.

    Parameters
    ----------
    made : TidyTable
        Its frame gets the numbers, its ledger and questions what was found.
    columns : sequence of str
    answers : Answers
    decimal_asked : bool
        Whether to ask what parts the decimals where no number shows it, as in a file that is not parted by commas.
    """
    frame = made.frame.copy()
    decimal = answers.decimal or _decimal(frame, columns, made, decimal_asked)
    dashed: dict[str, tuple[int, list[str]]] = {}
    for column in columns:
        found = read_numbers(frame[column], dashes=answers.dashes, decimal=decimal)
        if found.dashes:
            signs = sorted({str(v) for v in frame[column] if kind_of_cell(v) == "dash"})
            dashed[column] = found.dashes, signs
        worded = any(isinstance(v, str) for v in found.values)
        # beside a text, numbers keep the look that they have in the file, for the message
        values = [int(v) if worded and isinstance(v, float) and v.is_integer() else v for v in found.values]
        frame[column] = pd.Series(values, index=frame.index, dtype=object if worded else "float64")
        _say_marks(found, f"column {column!r}", made)
    _say_dashes(dashed, answers.dashes, made)
    made.frame = frame


def _decimal(frame: pd.DataFrame, columns: Sequence[str], made: TidyTable, asked: bool) -> str | None:
    """Return what parts the decimals in a file, or None where each column shows it by itself."""
    sign, example = decimals_of(v for c in columns for v in frame[c])
    if sign == "comma":
        made.say("decimal_comma", 0, f"decimals stand behind a comma, as in {example!r}")
    if sign is None and example and asked:
        choices = CHOICES["decimal"] if "." in example else CHOICES["decimal"][::-1]
        whole = example.replace(".", "").replace(",", "")
        what = f"{example!r} is {whole} or has decimals, and no number of the file shows which"
        made.questions.append(Question("decimal", choices, what))
    return None if sign == "both" else sign


def _say_marks(found: Numbers, where: str, made: TidyTable) -> None:
    reasons: dict[str, tuple[int, list[str]]] = {}
    for (mark, reason), n in found.marks.items():
        total, marks = reasons.get(reason, (0, []))
        reasons[reason] = (total + n, [*marks, mark])
    for reason, (n, marks) in reasons.items():
        what = f"{n:,} cells say {shorten(marks, limit=3)}: {reason}"
        made.say("suppressed", n, what, where=where, action="missing")
    if found.signs:
        made.say("signs", 0, "; ".join(found.signs), where=where)


def _say_dashes(dashed: dict[str, tuple[int, list[str]]], answer: str | None, made: TidyTable) -> None:
    if dashed and answer is None:
        n = sum(n for n, _ in dashed.values())
        signs = sorted({s for _, held in dashed.values() for s in held})
        what = f"{n:,} cells hold {shorten(signs)}, which some publishers write for nil and others for not known"
        made.questions.append(Question("dashes", CHOICES["dashes"], what, f"column {shorten(list(dashed), limit=2)}"))
        return
    for column, (n, signs) in dashed.items():
        where, what = f"column {column!r}", shorten(signs)
        if answer == "nil":
            made.say("dashes_nil", n, f"{what} is nil, as the owner says", where=where)
        else:
            made.say("dashes", n, f"{what} is not known, as the owner says", where=where, action="missing")
