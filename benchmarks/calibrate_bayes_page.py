"""The page that the calibration of the Bayesian models writes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pandas as pd

LOW, HIGH = 0.93, 0.97
#: All p-values of one model and engine together may cry wolf once in this many models.
_ALARM = 0.01

_INTRO = """\
# Calibration of the Bayesian models

Made by `make calibrate` (benchmarks/calibrate_bayes.py).

## Ranks of truths drawn from the prior

Truths are drawn from each model's prior and counts from the truths; the model is fitted; and each truth is ranked among
199 draws of its posterior (Talts and others 2018, arXiv 1804.06788). If engine and model are right, ranks are uniform.
Templates are small (12 areas and 24 months for panels), with the priors that the estimators have by default. They give
rise to panels from hardly an event to some hundreds a month.

- **smallest p**: of all quantities, by the largest departure of the ranks' distribution function (the simultaneous
  test of Säilynoja, Bürkner and Vehtari 2022; exact), and **of**, whose it is. **chi-square**: the smallest in 20 bins.
  A mark ! stands where the smallest of the first is below 0.01 over the number of quantities.
- **average effect**: how often its 95% interval holds the truth; **lowest**, **highest**: of all quantities. A mark !
  stands outside of 93% to 97% by more than two Monte Carlo standard errors, for the average effect.
- **refused**: fits that an estimator would have refused because they had not converged; they are not among the ranks.

{verdict}

{ranks}

Every quantity: [calibration_bayes.csv](calibration_bayes.csv).
{picture}
"""

_PICTURE = """
The ranks of every quantity, in 25 bins: [calibration_bayes_ranks.csv](calibration_bayes_ranks.csv). Each picture below
is a model and an engine, each line a quantity: how many more ranks lie below a point than there would be of uniform
ones, as a share of the fits. Uniform ranks stay within the shaded band, at all points at once, in 95 of 100 cases; what
leaves it is named.

![{described}](calibration_bayes.svg)
"""

_COVERAGE = """\
## Effects that are fixed, where the model is right and where it is not

HierarchicalDiD by nested Laplace with default priors, on synthetic panels of 60 areas and 36 months with a mean of 5
events (variance 1.5 times the mean), a season and a trend. The effect is none or a rate ratio of 0.80, the same in each
treated area. These truths do not come from the prior, so that nothing promises 95%.

- **drawn**: panels of each kind and effect; fewer where a fit is dear, or where the model is wrong.
- **events**: coverage for the events averted, for the realised expected counts.
- **too low**: intervals of the rate ratio that lie below the truth. **claims an effect**: intervals without 1.
- **bias**: mean error of the log rate ratio. **warned**: results that say that their interval is in doubt.
- A mark ! stands outside of 93% to 97% by more than two Monte Carlo standard errors ({slack:.1f} points for most);
  it is !! where fewer than half of the results warn.
- Effects next door are in no panel's own counts, so that the fit cannot warn of them: the check `spillover` does.

{verdict}

{table}
"""

_HEAD = (
    "| model | engine | fits | smallest p | of | chi-square | average effect | lowest | highest | refused | failed |"
)
_HEAD_COVERAGE = (
    "| panels | model is | drawn | ratio 1: coverage | too low | claims an effect | ratio 0.80: coverage | too low "
    "| events | bias | claims an effect | warned | refused |"
)


def slack(n: int) -> float:
    """Return two Monte Carlo standard errors of a coverage at the edge of what is let pass."""
    return 2 * math.sqrt(LOW * (1 - LOW) / max(n, 1))


def outside(value: float, n: int) -> bool:
    """Whether a coverage lies outside of 93% to 97% by more than chance allows."""
    return not LOW - slack(n) <= value <= HIGH + slack(n)


def page(
    ranks: pd.DataFrame | None, coverage: pd.DataFrame | None, kinds: Sequence[str] = (), described: str = ""
) -> str:
    """Return both tables as Markdown; what has not been made, of `kinds` of panels too, is said not to have been.

    `described` stands in for the picture of the ranks; without it there is none.
    """
    missing = "The table has not been made."
    verdict, table = ("", missing) if ranks is None else _ranks(ranks)
    text = _INTRO.format(
        verdict=verdict,
        ranks=table,
        # square brackets of a name would end the text
        picture=_PICTURE.format(described=re.sub(r"([\[\]])", r"\\\1", described)) if described else "",
    )
    if coverage is None:
        return text + "## Effects that are fixed\n\n" + missing + "\n"
    verdict, table = _coverage(coverage)
    lacking = [kind for kind in kinds if kind not in set(coverage["panel"])]
    if lacking:
        table += f"\n\nNot drawn yet: {'; '.join(lacking)}."
    return text + _COVERAGE.format(verdict=verdict, table=table, slack=100 * slack(int(coverage["panels"].max())))


def _ranks(held: pd.DataFrame) -> tuple[str, str]:
    lines, marked = [_HEAD, "|---|---|--:|--:|---|--:|--:|--:|--:|--:|--:|"], 0
    for (model, engine), rows in held.groupby(["model", "engine"], sort=False):
        worst = rows.loc[rows["ecdf_p"].idxmin()]
        headline = rows[rows["quantity"] == "average log ratio"]
        fits = int(worst["fits"])
        small = worst["ecdf_p"] < _ALARM / len(rows)
        share = float(headline["coverage_95"].iloc[0]) if len(headline) else math.nan
        off = not math.isnan(share) and outside(share, fits)
        marked += bool(small or off)
        chi = rows["chi_square_p"].min()
        lines.append(
            f"| {model} | {engine} | {fits} | {worst['ecdf_p']:.2g}{' !' if small else ''} | {worst['quantity']} "
            f"| {'' if math.isnan(chi) else f'{chi:.2g}'} | {_percent(share)}{' !' if off else ''} "
            f"| {_percent(rows['coverage_95'].min())} | {_percent(rows['coverage_95'].max())} "
            f"| {int(worst['unconverged'])} | {int(worst['failed'])} |"
        )
    count = len(lines) - 2
    engines = held.groupby("model", sort=False)["engine"].unique()
    alone = [str(model) for model, used in engines.items() if "nuts" not in used]
    if alone:
        lines += ["", f"By nested Laplace alone: {'; '.join(alone)}."]
    return f"Of {count} models and engines {count - marked} have no mark.", "\n".join(lines)


def _coverage(held: pd.DataFrame) -> tuple[str, str]:
    lines, marks = [_HEAD_COVERAGE, "|---|---|" + "--:|" * 11], {"": 0, "!": 0, "!!": 0}
    for name, rows in held.groupby("panel", sort=False):
        none, some = (rows[rows["effect"] == e].iloc[0] for e in (1.0, 0.8))
        cells = [
            name,
            "right" if none["right"] else "wrong",
            f"{int(none['panels']):,}",
            _marked(none, "covered", marks),
            _percent(none["below"]),
            _percent(none["rejected"]),
            _marked(some, "covered", marks),
            _percent(some["below"]),
            _marked(some, "covered_events", marks),
            f"{some['bias']:+.3f}",
            _percent(some["rejected"]),
            f"{50 * (none['warned'] + some['warned']):.0f}%",
            int(none["refused"] + some["refused"]),
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    panels = int(held["panels"].max())
    verdict = (
        f"Of {sum(marks.values())} coverages on up to {panels:,} panels each {marks['']} lie within 93% to 97% as far "
        f"as can be told, {marks['!']} outside where the package warns, and {marks['!!']} outside where it does not."
    )
    return verdict, "\n".join(lines)


def _marked(row: pd.Series, key: str, marks: dict[str, int]) -> str:
    value = float(row[key])
    wrong = outside(value, int(row["panels"] - row["refused"]))
    mark = ("!" if row["warned"] > 0.5 else "!!") if wrong else ""
    marks[mark] += 1
    return f"{_percent(value)} {mark}".strip()


def _percent(value: float) -> str:
    return "" if math.isnan(value) else re.sub(r"^-0\.0%$", "0.0%", f"{100 * value:.1f}%")
