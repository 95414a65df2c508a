"""What few areas on one side of the comparison do to a result: intervals taken away, and what then stands for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from svmodel.errors import shorten

if TYPE_CHECKING:
    import pandas as pd

    from svmodel.design import Design

__all__ = ["whole_reporting_areas", "without_intervals"]


def whole_reporting_areas(design: Design) -> list[str]:
    """Return a note where all small areas of a reporting area, or of several, are treated."""
    starts, parents = design.intervention.starts, design.panel.parents
    whole = [p for p in sorted({parents[a] for a in starts if a in parents}) if _is_whole(design, p)]
    if not whole:
        return []
    names = shorten([design.panel.label(p) for p in whole]).replace("'", "")
    text = (
        f"Every area of {names} is treated. Standard errors take areas for separate trials; what else befell {names} "
        "as a whole passes for the effect and is in no interval."
    )
    return [text]


def _is_whole(design: Design, parent: str) -> bool:
    children = design.panel.children(parent)
    return len(children) > 1 and all(c in design.intervention.starts for c in children)


def without_intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of estimates, or of expected counts, without its intervals and p-values."""
    blank = [c for c in ("conf_low", "conf_high", "p_value", "low", "high") if c in frame.columns]
    return frame.assign(**dict.fromkeys(blank, np.nan))
