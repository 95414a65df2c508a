"""Writing a simulation: the panel, who was treated when, the truth, and a datasheet; each says it is synthetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import svmodel
from svmodel import periods
from svmodel.files import atomic_write_text
from svmodel.simulate.datasheet import datasheet
from svmodel.simulate.truth import Simulation, TrueEffect

NOTICE = "Synthetic data: simulated by svmodel, about no real place, person or event."


def write(simulation: Simulation, folder: str | Path, *, csv: bool = False) -> tuple[Path, ...]:
    """Write a simulation into a folder.

    Parameters
    ----------
    simulation : Simulation
    folder : str or Path
        Made where it does not exist; other files in it stay.
    csv : bool
        Whether to write the panel as ``panel.csv`` too.

    Returns
    -------
    tuple of Path
        ``panel.parquet`` (for :func:`svmodel.read_panel`), ``starts.csv`` (area, start), ``truth.json``,
        ``datasheet.md``, and ``panel.csv`` if asked for. The same simulation gives the same bytes.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full; no half-written file is left.

    Examples
    --------
    >>> import tempfile
    >>> from svmodel.simulate import panel
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write(panel(n_areas=8, n_periods=24, cohorts=[(12, 2)]), folder)]
    ['panel.parquet', 'starts.csv', 'truth.json', 'datasheet.md']
    """
    folder = Path(folder)
    # write_panel stands in `sources`, on this floor; the package's public name is the way to it.
    written = [svmodel.write_panel(simulation.panel, folder / "panel.parquet")]
    if csv:
        written.append(svmodel.write_panel(simulation.panel, folder / "panel.csv"))
    texts = {
        "starts.csv": _starts(simulation),
        "truth.json": json.dumps(truth_record(simulation), ensure_ascii=False, indent=1, allow_nan=False) + "\n",
        "datasheet.md": datasheet(simulation, NOTICE),
    }
    for name, text in texts.items():
        atomic_write_text(folder / name, text)
        written.append(folder / name)
    return tuple(written)


def _starts(simulation: Simulation) -> str:
    rows = [f"{area},{periods.code(start)},yes" for area, start in sorted(simulation.starts.items())]
    return "\n".join(["area,start,synthetic", *rows]) + "\n"


def truth_record(simulation: Simulation) -> dict[str, Any]:
    """Return everything that is true of a simulation as plain values, as ``truth.json`` holds it.

    Returns
    -------
    dict
        ``synthetic`` (True), ``notice``, ``recipe``, ``seed``, ``settings``, ``sign``, ``starts`` (area -> first
        month), and ``outcomes``: for each its ``process``, its ``effect`` over all treated cells,
        ``by_area``, ``by_reporting_area`` and the ``naive_before_after``.
    """
    outcomes = {}
    settings = simulation.settings
    months, lag = int(settings.get("baseline", 12)), int(settings.get("lag", 0))
    for process in simulation.processes:
        truth = simulation.truth[process.outcome]
        treated = [a for a in truth.areas if a in simulation.starts]
        record: dict[str, Any] = {
            "process": {
                name: [vars(dip) for dip in value] if name == "dips" else value
                for name, value in vars(process).items()
                if name != "outcome"
            },
            "effect": _plain(truth.effect()),
            "by_area": {a: _plain(truth.effect([a])) for a in treated},
        }
        parents = simulation.panel.parents
        if parents:
            record["by_reporting_area"] = {
                parent: _plain(truth.effect([a for a in treated if parents[a] == parent]))
                for parent in sorted({parents[a] for a in treated})
            }
        compared = truth.before_after(months=months, lag=lag)
        record["naive_before_after"] = {
            "months": months,
            "lag": lag,
            "treated_areas": round(compared.naive, 4),
            "treated_areas_without_intervention": round(compared.without_effect, 4),
            "untreated_areas": round(compared.untreated_areas, 4),
            "regression_to_the_mean": round(compared.regression_to_the_mean, 4),
            "text": (
                f"Events in the {months} months from each start over those in the {months} months that the areas were "
                f"chosen on. The comparison would read {100 * (compared.naive - 1):+.1f}%; the truth is "
                f"{100 * (truth.effect().rate_ratio - 1):+.1f}%. Without any intervention it would have read "
                f"{100 * (compared.without_effect - 1):+.1f}%, and untreated areas changed by "
                f"{100 * (compared.untreated_areas - 1):+.1f}%."
            ),
        }
        outcomes[process.outcome] = record
    return {
        "synthetic": True,
        "notice": NOTICE,
        "recipe": simulation.recipe,
        "seed": simulation.seed,
        "settings": dict(settings),
        "sign": "Negative, or a rate ratio below 1, means fewer harms.",
        "intervention": simulation.intervention.name,
        "starts": {a: periods.code(p) for a, p in sorted(simulation.starts.items())},
        "outcomes": outcomes,
    }


def _plain(effect: TrueEffect) -> dict[str, float | int]:
    # Nine digits are more than any use of the truth needs, and the same on every machine.
    return {k: v if isinstance(v, int) else float(f"{v:.9g}") for k, v in vars(effect).items()}
