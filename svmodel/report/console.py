"""What the command line shows of a run: a bar on a terminal, one line for each area elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from svmodel.report.publish.verify import Verification
from svmodel.report.run import Progress, RunReport
from svmodel.report.run.manifest import AreaOutcome, is_complete
from svmodel.report.run.plan import AreaJob, Plan

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


def duration(seconds: float) -> str:
    """Return a time in words.

    Examples
    --------
    >>> duration(8.24), duration(75), duration(3700)
    ('8.2 s', '1 min 15 s', '1 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Clock:
    """How long the areas that are left will take, from those that were made."""

    def __init__(self) -> None:
        self.total = self.done = self.made = 0
        self.since = time.monotonic()

    def begin(self, total: int) -> None:
        """Start with so many areas."""
        self.total = total

    def started(self) -> None:
        """Note that an area is being made; the first one starts the clock."""
        if not self.made:
            self.since = min(self.since, time.monotonic()) if self.done else time.monotonic()

    def ended(self, outcome: AreaOutcome) -> None:
        """Note that an area is done."""
        self.done += 1
        self.made += outcome.status != "skipped"

    @property
    def left(self) -> str:
        """What is left, in words."""
        rest = self.total - self.done
        if not rest:
            return "none left"
        if not self.made:
            return f"{rest} left"
        return f"{rest} left, about {duration((time.monotonic() - self.since) / self.made * rest)}"


class LineProgress(Progress):
    """One line for each area, for logs and pipes."""

    def __init__(self) -> None:
        self.clock = Clock()

    def say(self, text: str) -> None:
        """Print it."""
        _line(text)

    def begin(self, total: int) -> None:
        """Print how many."""
        self.clock.begin(total)
        _line(f"{total} report{'' if total == 1 else 's'}")

    def started(self, job: AreaJob) -> None:  # noqa: ARG002 - the line comes when the area is done
        """Start the clock."""
        self.clock.started()

    def ended(self, outcome: AreaOutcome) -> None:
        """Print how the area fared and what is left."""
        self.clock.ended(outcome)
        _line(f"[{self.clock.done}/{self.clock.total}] {_fared(outcome)} ({self.clock.left})")


class BarProgress(Progress):
    """A bar with the areas that are being made, for a terminal."""

    def __init__(self, bar: Bar) -> None:
        self.bar = bar
        self.clock = Clock()
        self.task: TaskID = bar.add_task("starting", total=None)
        self.now: list[str] = []

    def say(self, text: str) -> None:
        """Show it."""
        self.bar.update(self.task, description=text)

    def begin(self, total: int) -> None:
        """Show how many."""
        self.clock.begin(total)
        self.bar.update(self.task, total=total)

    def started(self, job: AreaJob) -> None:
        """Show the area."""
        self.clock.started()
        self.now.append(job.name)
        self.bar.update(self.task, description=", ".join(self.now))

    def ended(self, outcome: AreaOutcome) -> None:
        """Show how the area fared and what is left."""
        self.clock.ended(outcome)
        if outcome.name in self.now:
            self.now.remove(outcome.name)
        if outcome.failed:
            self.bar.console.print(_fared(outcome), markup=False, highlight=False)
        shown = "; ".join(p for p in (", ".join(self.now), self.clock.left) if p)
        self.bar.update(self.task, advance=1, description=shown)


def _fared(outcome: AreaOutcome) -> str:
    who = outcome.code if outcome.name == outcome.code else f"{outcome.code} {outcome.name}"
    if outcome.status == "skipped":
        return f"{who}: unchanged, kept"
    if outcome.failed:
        return f"{who}: FAILED after {duration(outcome.seconds)}: {' '.join(outcome.message.split())}"
    return f"{who}: made in {duration(outcome.seconds)}"


def _line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def console_progress() -> Iterator[Progress]:
    """Show progress on standard error: a bar on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        yield LineProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Bar(*columns, console=Console(stderr=True)) as bar:
        yield BarProgress(bar)


def describe_plan(plan: Plan, *, force: bool = False) -> str:
    """Return what a run would do, one line for each area."""
    lines = [
        f"{plan.study.title}",
        f"  into       {plan.folder}",
        f"  notebook   {plan.notebook.name}, hash {plan.hashes['notebook'][:12]}",
        f"  data       {len(plan.files)} files, hash {plan.hashes['data'][:12]}",
        f"  code       hash {plan.hashes['code'][:12]}; seed {plan.study.seed}",
        f"  versions   {', '.join(f'{k} {v}' for k, v in plan.versions.items())}",
        f"  outcomes   {', '.join(o.column for o in plan.study.outcomes)}",
        f"  estimators {', '.join(e.label for e in plan.study.estimators) or 'none (no effect is estimated)'}",
        f"  {len(plan.selected)} reports:",
    ]
    for job in plan.selected:
        keep = not force and is_complete(plan.area_folder(job.code), job.hash)
        lines.append(f"    {job.code}  {job.name}  {'unchanged, kept' if keep else 'to be made'}  {job.hash[:12]}")
    return "\n".join(lines)


def describe_report(report: RunReport) -> str:
    """Return how a run went, failures first, and where the index is."""
    lines = [_fared(o) for o in report.failed]
    lines += [f"BROKE DOWN  {fault}" for fault in report.faults]
    counts = [f"{report.count(s)} {w}" for s, w in (("made", "made"), ("skipped", "unchanged"), ("failed", "FAILED"))]
    shown = [c for c in counts if not c.startswith("0 ")]
    lines.append(f"{len(report.outcomes)} reports: {', '.join(shown)}, in {duration(report.seconds)}")
    published = report.plan.study.published
    if published is not None:
        lines.append(f"Published numbers: svmodel verify {report.plan.folder} {published}")
    lines.append(f"Open {report.index}")
    return "\n".join(lines)


def describe_verification(verification: Verification) -> str:
    """Return the table of a verification as text, trouble first."""
    from svmodel.report.publish.verify import STATUSES

    order = {s: i for i, s in enumerate(("mismatch", "missing", "extra", "rounding", "match"))}
    table = verification.table.sort_values("status", key=lambda s: s.map(order), kind="stable")
    lines = []
    for row in table.to_dict("records"):
        which = " ".join(
            f"{c} {row[c]:g}" if isinstance(row[c], float) else f"{c} {row[c]}"
            for c in ("report", "area", "cohort", "period", "horizon")
            if row[c] != ""
        )
        name = f"{row['outcome']} {row['estimator']} {row['term']} {row['scale']} {which}".rstrip()
        lines.append(
            f"{row['status']:<9} {name} {row['number']}: published {row['published'] or '-'}, found {row['found']:.10g}"
        )
    widths = ", ".join(f"{verification.count(s)} {s}" for s in STATUSES)
    return "\n".join([*lines, widths])
