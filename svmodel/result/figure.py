"""Figure: a drawing that cannot be saved without its text alternative and its data."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from svmodel.errors import DataError
from svmodel.files import path_name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Canvas


_SAYS_SOMETHING = re.compile(
    r"\d|\b(fell|rose|fall|rise|falling|rising|lower|higher|below|above|no change|flat|fewer|more|suppressed)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class Figure:
    """A plot with the sentence that stands in for it and the numbers that it shows.

    Parameters
    ----------
    canvas : matplotlib.figure.Figure
    alt : str
        A sentence with a number or a direction in it, for readers who cannot see the drawing.
    data : pandas.DataFrame
        Every number that is drawn, after disclosure control.
    title : str
        What the figure shows, at most about ten words.
    name : str
        Short snake_case name, used for file names.

    Raises
    ------
    DataError
        If the alternative says nothing, or there are no data.
    """

    canvas: Canvas
    alt: str
    data: pd.DataFrame
    title: str = ""
    name: str = "figure"

    def __post_init__(self) -> None:
        if not _SAYS_SOMETHING.search(self.alt):
            raise DataError("a figure's text alternative has to hold a number or a direction")
        if len(self.data) == 0:
            raise DataError("a figure has to carry the data that it shows")

    @property
    def file(self) -> str:
        """The name as that of its files, without an ending: one that every file system takes."""
        return path_name(self.name)

    def svg(self) -> str:
        """Return the drawing as SVG text, the same bytes for the same drawing."""
        return self._drawn

    @cached_property
    def _drawn(self) -> str:
        import matplotlib as mpl

        buffer = io.StringIO()
        with mpl.rc_context({"svg.hashsalt": "svmodel", "svg.fonttype": "path"}):
            self.canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "svmodel"})
        text = buffer.getvalue()
        return text[text.index("<svg") :]

    def save(self, folder: Path | str) -> tuple[Path, ...]:
        """Write ``<file>.svg``, ``<file>.csv`` (the data) and ``<file>.txt`` (the alternative)."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = tuple(folder / f"{self.file}.{ending}" for ending in ("svg", "csv", "txt"))
        paths[0].write_text(self.svg(), encoding="utf-8")
        self.data.to_csv(paths[1], index=False)
        paths[2].write_text(self.alt + "\n", encoding="utf-8")
        return paths

    def _repr_html_(self) -> str:
        return f"<figure>{self.svg()}<figcaption>{escape(self.alt)}</figcaption></figure>"
