"""Running a study: plan, fit once, a report for every area side by side, then index and manifest."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from svmodel.errors import OutputError, UserError
from svmodel.files import atomic_folder, atomic_write_text, clear_partial
from svmodel.report import context as contexts
from svmodel.report.manifest import AreaOutcome, is_complete, mark, write_manifest
from svmodel.report.plan import AreaJob, Plan, make_plan
from svmodel.report.study import read_study
from svmodel.report.worker import AreaTask, Verdict, install_kernel, work

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext, ForkServerProcess

    from svmodel.panel import Panel

__all__ = ["Progress", "RunReport", "plan_study", "run_study"]


class Progress:
    """Is told how a run goes; this one keeps quiet."""

    def say(self, text: str) -> None:
        """Say what is being done for the study as a whole."""

    def begin(self, total: int) -> None:
        """Say how many reports are to be made."""

    def started(self, job: AreaJob) -> None:
        """Say that an area's report is being made."""

    def ended(self, outcome: AreaOutcome) -> None:
        """Say how an area fared."""


@dataclass(frozen=True)
class RunReport:
    """What a run did.

    Attributes
    ----------
    plan : Plan
    outcomes : tuple of AreaOutcome
        One for every area of this run, sorted by code.
    index : Path
        The page to open first.
    """

    plan: Plan
    outcomes: tuple[AreaOutcome, ...]
    index: Path
    seconds: float

    @property
    def failed(self) -> tuple[AreaOutcome, ...]:
        """Areas without a report."""
        return tuple(o for o in self.outcomes if o.failed)

    def count(self, status: str) -> int:
        """Return how many areas have that status."""
        return sum(o.status == status for o in self.outcomes)


@dataclass
class _Running:
    job: AreaJob
    process: ForkServerProcess
    answer: Connection
    since: float


def plan_study(
    path: Path | str,
    *,
    data: Path | str | None = None,
    out: Path | str = "output",
    areas: tuple[str, ...] | None = None,
) -> tuple[Plan, Panel]:
    """Read a study and its data, and lay out the run without doing it.

    Raises
    ------
    UserError
        With everything that is wrong with the study or its data.
    """
    from svmodel.report.study_data import load_panel

    study = read_study(path, data=data)
    panel = load_panel(study, data)
    return make_plan(study, panel, Path(out).resolve(), study.data_root(data), areas=areas), panel


def run_study(
    path: Path | str,
    *,
    data: Path | str | None = None,
    out: Path | str = "output",
    areas: tuple[str, ...] | None = None,
    jobs: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> RunReport:
    """Make the reports of a study.

    Parameters
    ----------
    path : path
        Study file.
    data : path, optional
        Folder of the data; see :meth:`svmodel.report.Study.data_root`.
    out : path
        The reports go to ``<out>/<study>``.
    areas : tuple of str, optional
        Reporting areas, by code or name; by default those of the study.
    jobs : int, optional
        Areas at a time; by default as many as there are cores, 4 at most.
    force : bool
        Whether to make reports anew that are still good.
    progress : Progress, optional

    Returns
    -------
    RunReport
        Areas that failed have a page that says so; they stop no other.

    Raises
    ------
    UserError
        If study, data or output folder cannot be used.
    KeyboardInterrupt
        If interrupted, after every worker has been stopped; running again goes on from there.
    """
    start = time.monotonic()
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    progress = progress or Progress()
    workers = _workers(jobs)
    progress.say("reading the study and its data")
    plan, panel = plan_study(path, data=data, out=out, areas=areas)
    with _output_folder(plan):
        todo = [j for j in plan.selected if force or not is_complete(plan.area_folder(j.code), j.hash)]
        done = {j.code: AreaOutcome(j.code, j.name, "skipped") for j in plan.selected if j not in todo}
        progress.begin(len(plan.selected))
        for outcome in done.values():
            progress.ended(outcome)
        if todo:
            _fit_once(plan, panel, data, progress)
        # from here on the old index would speak of reports that are being replaced
        for name in ("index.html", "manifest.json") if todo else ():
            (plan.folder / name).unlink(missing_ok=True)
        for outcome in _make(plan, todo, workers, progress, synthetic=panel.synthetic):
            done[outcome.code] = outcome
        outcomes = tuple(done[j.code] for j in plan.selected)
        listed = (*outcomes, *_good_ones_of_earlier_runs(plan))
        seconds = time.monotonic() - start
        index = _write_index(plan, listed, synthetic=panel.synthetic)
        write_manifest(plan, listed, started=started, seconds=seconds)
        if not any(o.failed for o in outcomes):
            shutil.rmtree(plan.work, ignore_errors=True)
    return RunReport(plan, outcomes, index, seconds)


@contextlib.contextmanager
def _output_folder(plan: Plan) -> Iterator[None]:
    """Hold the output folder for this run alone, and say plainly what cannot be written there."""
    import fcntl

    try:
        (plan.folder / "areas").mkdir(parents=True, exist_ok=True)
        plan.work.mkdir(parents=True, exist_ok=True)
        plan.work.chmod(0o700)
        lock = (plan.work.parent / f"{plan.study.key}.lock").open("w")
    except OSError as error:
        raise OutputError(f"cannot write {plan.folder}: {error.strerror}. Choose another folder with --out.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"another run is writing to {plan.folder}; wait for it, or choose another --out"
            ) from None
        try:
            clear_partial(plan.folder / "areas")
            yield
        except OSError as error:
            if isinstance(error, UserError):
                raise
            why = {28: "the disk is full", 122: "the disk quota is used up"}.get(error.errno or 0)
            if why is None and not str(error.filename or "").startswith(str(plan.folder.parent)):
                raise
            raise OutputError(f"cannot write {plan.folder}: {why or error.strerror}") from None
        finally:
            clear_partial(plan.folder / "areas")


def _fit_once(plan: Plan, panel: Panel, data: Path | str | None, progress: Progress) -> None:
    """Have the study's fits on disk: those of a run that was broken off, or new ones."""
    if plan.context.is_file():
        with contextlib.suppress(UserError):
            contexts.load(plan.context)
            return
    contexts.prepare(plan.study, data, panel=panel, progress=progress.say).save(plan.context)


def _workers(jobs: int | None) -> int:
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs has to be 1 or more, and is {jobs}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return jobs or min(cores, 4)


def _make(
    plan: Plan, todo: list[AreaJob], workers: int, progress: Progress, *, synthetic: bool
) -> Iterator[AreaOutcome]:
    """Make the reports, `workers` at a time, each in a process that has its imports done."""
    if not todo:
        return
    import multiprocessing as mp
    from multiprocessing import connection

    server = mp.get_context("forkserver")
    server.set_forkserver_preload(["svmodel.report.worker", "papermill"])
    kernels = install_kernel(plan.work)
    waiting, running = list(todo), list[_Running]()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_start(server, plan, waiting.pop(0), kernels))
                progress.started(running[-1].job)
            connection.wait([r.process.sentinel for r in running])
            for one in [r for r in running if not r.process.is_alive()]:
                running.remove(one)
                outcome = _settle(plan, one, synthetic=synthetic)
                progress.ended(outcome)
                yield outcome
    finally:
        _stop(running)


def _start(server: ForkServerContext, plan: Plan, job: AreaJob, kernels: Path) -> _Running:
    log = plan.work / f"{job.code}.log"
    task = AreaTask(
        code=job.code,
        hash=job.hash,
        notebook=str(plan.notebook.resolve()),
        context=str(plan.context),
        folder=str(plan.area_folder(job.code)),
        kernels=str(kernels),
        log=str(log),
        environment=dict(os.environ),
    )
    receive, send = server.Pipe(duplex=False)
    process = server.Process(target=work, args=(task, send), name=job.code)
    process.start()
    send.close()
    return _Running(job, process, receive, time.monotonic())


def _settle(plan: Plan, one: _Running, *, synthetic: bool) -> AreaOutcome:
    """Turn a worker's verdict into the area's outcome; a failed area gets its page."""
    one.process.join()
    try:
        verdict: Verdict = one.answer.recv() if one.answer.poll() else _died(one.process.exitcode)
    except EOFError:
        verdict = _died(one.process.exitcode)
    seconds = time.monotonic() - one.since
    if verdict.status == "output":
        raise OutputError(verdict.message)
    outcome = AreaOutcome(one.job.code, one.job.name, verdict.status, verdict.message, round(seconds, 1))
    if outcome.failed:
        _write_failed(plan, one.job, verdict.message, synthetic=synthetic)
    return outcome


def _died(exitcode: int | None) -> Verdict:
    how = f"killed by signal {-exitcode}" if exitcode is not None and exitcode < 0 else f"exit code {exitcode}"
    hint = "; the machine may have run out of memory" if exitcode == -signal.SIGKILL else ""
    return Verdict("failed", f"the process that made this report ended unexpectedly ({how}{hint})")


def _write_failed(plan: Plan, job: AreaJob, message: str, *, synthetic: bool) -> None:
    from svmodel.report.index_page import failed_page

    log = plan.work / f"{job.code}.log"
    with atomic_folder(plan.area_folder(job.code)) as folder:
        html = failed_page(title=plan.study.title, code=job.code, name=job.name, message=message, synthetic=synthetic)
        (folder / "report.html").write_text(html, encoding="utf-8")
        (folder / "run.log").write_bytes(log.read_bytes() if log.is_file() else b"")
        mark(folder, job.hash, message=message)


def _stop(running: list[_Running]) -> None:
    """Stop workers with their kernels; nothing that they were writing stays."""
    for one in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.process.pid or 0, signal.SIGTERM)
    for one in running:
        one.process.join(5)
        if one.process.is_alive():
            one.process.kill()
            one.process.join()


def _good_ones_of_earlier_runs(plan: Plan) -> tuple[AreaOutcome, ...]:
    rest = (j for j in plan.jobs if not j.selected)
    return tuple(AreaOutcome(j.code, j.name, "skipped") for j in rest if is_complete(plan.area_folder(j.code), j.hash))


def _write_index(plan: Plan, outcomes: tuple[AreaOutcome, ...], *, synthetic: bool) -> Path:
    from svmodel.report.index_page import index_page

    path = plan.folder / "index.html"
    atomic_write_text(path, index_page(plan.study, outcomes, synthetic=synthetic))
    return path
