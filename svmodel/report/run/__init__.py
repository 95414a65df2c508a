"""Running a study: plan, fit once, a report for every area side by side, then index and manifest."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from svmodel.errors import OutputError, UserError
from svmodel.files import atomic_folder, atomic_write_text, clear_partial
from svmodel.panel import Panel
from svmodel.report import fits as contexts
from svmodel.report.fits.second_looks import FAULT
from svmodel.report.run.index import failed_page, index_page, read_numbers, study_numbers
from svmodel.report.run.manifest import AreaOutcome, is_complete, mark, write_manifest
from svmodel.report.run.plan import AreaJob, Plan, make_plan
from svmodel.report.run.worker import AreaTask, Verdict, install_kernel, make_report
from svmodel.report.study.data import StudyData
from svmodel.report.study.read import open_study
from svmodel.workers import LocalFork, Outcome, Spread, Task, default_jobs


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
    faults : tuple of str
        Methods that broke down, which is a fault of the package; a method that refuses a question is none.
    """

    plan: Plan
    outcomes: tuple[AreaOutcome, ...]
    index: Path
    seconds: float
    faults: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[AreaOutcome, ...]:
        """Areas without a report."""
        return tuple(o for o in self.outcomes if o.failed)

    def count(self, status: str) -> int:
        """Return how many areas have that status."""
        return sum(o.status == status for o in self.outcomes)


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
    opened = open_study(path, data=data)
    return make_plan(opened, Path(out).resolve(), areas=areas), opened.panel


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
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs has to be 1 or more, and is {jobs}")
    # kernels, which are started anew, gain nothing from what is imported beforehand
    workers = LocalFork(jobs or default_jobs(), preload=(make_report.__module__, "papermill"))
    progress.say("reading the study and its data")
    opened = open_study(path, data=data)
    plan, synthetic = make_plan(opened, Path(out).resolve(), areas=areas), opened.panel.synthetic
    with _output_folder(plan):
        todo = [j for j in plan.selected if force or not is_complete(plan.area_folder(j.code), j.hash)]
        done = {j.code: _outcome(plan, j, "skipped") for j in plan.selected if j not in todo}
        progress.begin(len(plan.selected))
        for outcome in done.values():
            progress.ended(outcome)
        if todo:
            _fit_once(plan, opened, workers, progress)
        # from here on the old index would speak of reports that are being replaced
        for name in ("index.html", "manifest.json") if todo else ():
            (plan.folder / name).unlink(missing_ok=True)
        for outcome in _make(plan, todo, workers, progress, synthetic=synthetic):
            done[outcome.code] = outcome
        outcomes = tuple(done[j.code] for j in plan.selected)
        listed = (*outcomes, *_good_ones_of_earlier_runs(plan))
        seconds = time.monotonic() - start
        index = _write_index(plan, listed, synthetic=synthetic)
        write_manifest(plan, listed, started=started, seconds=seconds)
        if not any(o.failed for o in outcomes):
            shutil.rmtree(plan.work, ignore_errors=True)
    return RunReport(plan, outcomes, index, seconds, _faults(plan, outcomes))


def _faults(plan: Plan, outcomes: tuple[AreaOutcome, ...]) -> tuple[str, ...]:
    """Return what broke down, as the reports themselves say it, so that a resumed run says it again."""
    found: dict[str, None] = {}
    for made in (o for o in outcomes if not o.failed):
        held = json.loads((plan.area_folder(made.code) / "result.json").read_text(encoding="utf-8"))
        for outcome, failed in held.get("failures", {}).items():
            for label, text in failed.items():
                if text.startswith(FAULT):
                    found[f"{outcome}, {label}: {text}"] = None
    return tuple(found)


@contextlib.contextmanager
def _output_folder(plan: Plan) -> Iterator[None]:
    """Hold the output folder for this run alone, and say plainly what cannot be written there."""
    import fcntl

    try:
        (plan.folder / "areas").mkdir(parents=True, exist_ok=True)
        plan.work.mkdir(parents=True, exist_ok=True)
        plan.work.chmod(0o700)
        lock = (plan.work.parent / f"{plan.work.name}.lock").open("w")
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


def _fit_once(plan: Plan, data: StudyData, workers: Spread, progress: Progress) -> None:
    """Have the study's fits on disk: those of a run that was broken off, or new ones."""
    if plan.context.is_file():
        with contextlib.suppress(UserError):
            contexts.load(plan.context)
            return
    contexts.prepare(data, workers=workers, progress=progress.say).save(plan.context)


def _make(
    plan: Plan, todo: list[AreaJob], workers: Spread, progress: Progress, *, synthetic: bool
) -> list[AreaOutcome]:
    """Make the reports; an area that fails gets its page."""
    kernels = install_kernel(plan.work)
    jobs, made = {j.code: j for j in todo}, list[AreaOutcome]()

    def ended(outcome: Outcome) -> None:
        job, verdict = jobs[outcome.name], _verdict(outcome)
        if verdict.status == "output":
            raise OutputError(verdict.message)
        made.append(_outcome(plan, job, verdict.status, verdict.message, round(outcome.seconds, 1)))
        if made[-1].failed:
            _write_failed(plan, job, verdict.message, synthetic=synthetic)
        progress.ended(made[-1])

    tasks = [Task(j.code, make_report, (_task(plan, j, kernels),)) for j in todo]
    workers.run(tasks, started=lambda task: progress.started(jobs[task.name]), progress=ended)
    return made


def _outcome(plan: Plan, job: AreaJob, status: str, message: str = "", seconds: float = 0.0) -> AreaOutcome:
    return AreaOutcome(job.code, job.name, status, message, seconds, plan.folder_name(job.code))


def _log(plan: Plan, code: str) -> Path:
    return plan.work / f"{plan.folder_name(code)}.log"


def _task(plan: Plan, job: AreaJob, kernels: Path) -> AreaTask:
    return AreaTask(
        code=job.code,
        hash=job.hash,
        notebook=str(plan.notebook.resolve()),
        context=str(plan.context),
        folder=str(plan.area_folder(job.code)),
        kernels=str(kernels),
        log=str(_log(plan, job.code)),
    )


def _verdict(outcome: Outcome) -> Verdict:
    return outcome.value if outcome.ending == "value" else Verdict("failed", outcome.text)


def _write_failed(plan: Plan, job: AreaJob, message: str, *, synthetic: bool) -> None:
    log = _log(plan, job.code)
    with atomic_folder(plan.area_folder(job.code)) as folder:
        html = failed_page(title=plan.study.title, code=job.code, name=job.name, message=message, synthetic=synthetic)
        (folder / "report.html").write_text(html, encoding="utf-8")
        (folder / "run.log").write_bytes(log.read_bytes() if log.is_file() else b"")
        mark(folder, job.hash, message=message)


def _good_ones_of_earlier_runs(plan: Plan) -> tuple[AreaOutcome, ...]:
    rest = (j for j in plan.jobs if not j.selected)
    return tuple(_outcome(plan, j, "skipped") for j in rest if is_complete(plan.area_folder(j.code), j.hash))


def _write_index(plan: Plan, outcomes: tuple[AreaOutcome, ...], *, synthetic: bool) -> Path:
    path = plan.folder / "index.html"
    numbers = study_numbers(
        plan.study, read_numbers(plan.folder, [o.code for o in outcomes if not o.failed], plan.folders)
    )
    atomic_write_text(path, index_page(plan.study, outcomes, synthetic=synthetic, numbers=numbers))
    return path
