"""What a synthetic control says in words: its donors, its fit, what its errors rest on, and when not to believe it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from svmodel import periods as period_words
from svmodel.counterfactual._sc_fit import FAR
from svmodel.counterfactual._series import quiet_donors
from svmodel.errors import shorten
from svmodel.inference import doubts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from svmodel.counterfactual._sc_fit import Fitted
    from svmodel.counterfactual._sc_placebos import Gaps, Placebos
    from svmodel.counterfactual._sc_units import Layout
    from svmodel.counterfactual.synthetic_control import SyntheticControl
    from svmodel.design import Design

__all__ = ["errors_told", "say"]

#: Fewer donors than this make a comparison that few readers would call synthetic.
_FEW_DONORS = 5


def say(
    estimator: SyntheticControl,
    design: Design,
    layout: Layout,
    fits: Sequence[Fitted],
    real: Gaps,
    made: Placebos,
    table: pd.DataFrame,
    *,
    p_ratio: float,
) -> list[str]:
    """Return the notes, gravest first."""
    return [
        *_outside(design, layout, fits),
        *errors_told(estimator, layout, made, p_ratio, held_back=any(f.outside for f in fits)),
        *_fit(estimator, design, layout, fits, real, table),
        *_left_out(design, layout),
        *quiet_donors(design, layout.y[np.ix_(layout.donors, layout.slots[0].before)]),
        *doubts(design, additive=True, rates=True),
    ]


def _names(design: Design, layout: Layout, rows: Sequence[int] | np.ndarray) -> str:
    return shorten([design.panel.label(layout.arrays.areas[int(i)]) for i in rows]).replace("'", "")


def _outside(design: Design, layout: Layout, fits: Sequence[Fitted]) -> list[str]:
    notes = []
    for s, f in zip(layout.slots, fits, strict=True):
        if not f.outside:
            continue
        A = layout.rates[np.ix_(f.donors, s.before)]
        own = (f.path + f.gap)[s.before]
        above, below = int((own > A.max(axis=0)).sum()), int((own < A.min(axis=0)).sum())
        side = f"above every donor in {above} and below every donor in {below} of {len(own)} periods before the start"
        notes.append(
            f"OUTSIDE THE DONORS' HULL: {_names(design, layout, s.rows)} lies {side}, and no weighting of donors "
            f"follows it: what is left over systematically is {f.misfit:.2f} of the donors' standard deviation, above "
            f"the limit of {FAR}. The gap after the start mixes this misfit with the effect, and placebo areas that "
            "are matched well cannot show how large it is, so no interval and no p-value is given (Abadie 2021; "
            "Ferman and Pinto 2021). Take donors more like it, rates instead of counts, or "
            "intercept=True where only levels differ."
        )
    return notes


def errors_told(
    estimator: SyntheticControl, layout: Layout, made: Placebos, p_ratio: float, *, held_back: bool
) -> list[str]:
    """Return one note on what errors rest on; none where they are held back."""
    J, m = len(layout.donors), sum(len(s.rows) for s in layout.slots)
    if not len(made):
        text = f"{J} donors are too few to put {m} of them in the treated areas' place and match them by the rest"
        return [f"{text}, so there is no error, no interval and no p-value."]
    if held_back:
        return []
    n = len(made)
    if m == 1:
        what = f"each of the {n} donors in turn was given the treated area's start"
    elif made.enumerated:
        what = f"the treated areas' places were dealt out among the donors in all {n} ways"
    else:
        what = f"the treated areas' places were dealt out among the donors in {n} ways drawn by lot"
    text = (
        f"Errors rest on placebos in space: {what} and matched by the others, treated areas left out. Interval and "
        "p-value suppose that treated areas would have strayed from their synthetic control as donors of their size "
        f"stray from theirs. By the ratio of the gaps after and before the start p = {p_ratio:.3f} (Abadie, Diamond "
        "and Hainmueller 2010)."
    )
    needed = int(np.ceil(1 / (1 - estimator.level) - 1e-9)) - 1
    if n < needed:
        text += (
            f" With {n} placebos no p-value can be below {1 / (n + 1):.3f}, so a {estimator.level:.0%} interval would "
            f"be without limits and is not given; it takes {needed}."
        )
    return [text]


def _fit(
    estimator: SyntheticControl,
    design: Design,
    layout: Layout,
    fits: Sequence[Fitted],
    real: Gaps,
    table: pd.DataFrame,
) -> list[str]:
    notes = []
    word = period_words.describe_frequency(layout.arrays.periods)
    level = np.mean([layout.y[np.ix_(s.rows, s.before)].mean() for s in layout.slots])
    share = f" ({real.before / level:.0%} of the level)" if level > 0 else ""
    carrying = sorted({int((f.weights != 0).sum()) for f in fits})
    number = f"{carrying[0]} to {carrying[-1]}" if len(carrying) > 1 else f"{carrying[0]}"
    notes.append(
        f"Before the start observed and synthetic outcomes differ by {real.before:.3g} per area and {word}{share}, "
        f"root mean square, and after it by {real.after:.3g}. {number} of {len(layout.donors)} donors carry weight."
    )
    if len(layout.donors) < _FEW_DONORS:
        notes.append(f"Only {len(layout.donors)} donors: what else happened in one of them passes for the effect.")
    shortest = min(len(f.target) for f in fits)
    if estimator.method == "outcome" and shortest < len(layout.donors):
        coarse = f"blocks of {estimator.block}" if estimator.block > 1 else f"{word}s"
        notes.append(
            f"{shortest} {coarse} before the start and {len(layout.donors)} donors: weights can follow noise, so that "
            "the fit before the start looks better than it is. The placebos are fitted in the same way."
        )
    if estimator.augment == "ridge":
        negative = max(float(-np.minimum(f.weights, 0).sum()) for f in fits)
        notes.append(
            f"Ridge augmentation mends the misfit by a linear model; the negative weights it needs sum to "
            f"{-negative:.2f}, which is how far it extrapolates beyond the donors."
        )
    if layout.predictors:
        far = table[(table["gap"].abs() > FAR) & (table["predictor"] != "outcome before the start")]
        if len(far):
            which = shorten(sorted(set(far["predictor"]))).replace("'", "")
            notes.append(
                f"Not balanced within {FAR} standard deviations of the donors: {which}. V gives such predictors little "
                "weight where others tell more of the outcome before the start."
            )
        losses = [f.nested for f in fits if f.nested is not None]
        worst = max(n.loss / n.bound if n.bound > 0 else 1.0 for n in losses)
        notes.append(
            f"V was chosen by the fit before the start; its mean square is {worst:.2f} times that of the best weights "
            "without predictors."
        )
    unused = [c for c in design.covariates if c not in {p.column for p in layout.predictors}]
    if unused:
        notes.append(f"Covariates of the design that no predictor names are not used: {shorten(unused)}.")
    if layout.arrays.exposure is None and design.is_count:
        notes.append(
            "Without an exposure numbers are matched, not rates: donors have to be as large as the treated area."
        )
    return notes


def _left_out(design: Design, layout: Layout) -> list[str]:
    notes = []
    if len(layout.dropped):
        which = _names(design, layout, layout.dropped)
        notes.append(f"{len(layout.dropped)} areas never treated have gaps and are no donors: {which}.")
    if len(layout.left_out):
        times = shorten([period_words.label(layout.arrays.periods[int(t)]) for t in layout.left_out]).replace("'", "")
        notes.append(f"{times}: unknown in most areas never treated, and left out.")
    if len(layout.lost):
        which = _names(design, layout, layout.lost)
        notes.append(f"{which}: too little is known before or after the start, so left out of every effect.")
    wanted = int(layout.arrays.treated.sum())
    if layout.cells < wanted:
        notes.append(f"The average effect is taken over {layout.cells:,} of {wanted:,} treated area-periods.")
    start, T = layout.arrays.start, len(layout.arrays.periods)
    staggered = {int(start[s.rows[0]]) for s in layout.slots}
    later = int(((start < 10**6) & (start < T)).sum()) - sum(len(s.rows) for s in layout.slots) - len(layout.lost)
    if len(staggered) > 1:
        notes.append(
            f"{len(staggered)} starts: each is matched on the time before its own, by areas that are never treated."
        )
    if later > 0:
        notes.append(f"{later} areas whose treated periods are not known are left out.")
    return notes
