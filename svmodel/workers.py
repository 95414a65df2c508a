"""Work spread over processes: a list of tasks in, their outcomes in the same order out.

How work is spread is a value: something with the ``run`` of :class:`Spread`. :class:`LocalFork` uses this machine.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import pickle
import re
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from svmodel.errors import EstimationError, Problems, UserError

if TYPE_CHECKING:
    from concurrent.futures import Future


Ending = Literal["value", "error", "died", "timed out", "out of memory"]
_RUNS = itertools.count()
#: Seconds in which a worker whose parent is gone may clean up.
_GRACE = 5.0


@dataclass(frozen=True)
class Task:
    """A function of a module and what it is called with; all of it, and what comes back, has to pickle."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Parameters
    ----------
    name : str
        Of the task.
    ending : {"value", "error", "died", "timed out", "out of memory"}
    value : object
        What the function returned.
    text : str
        Why there is no value.
    error : Exception, optional
        What the function raised.
    seconds : float
    """

    name: str
    ending: Ending
    value: Any = None
    text: str = ""
    error: Exception | None = None
    seconds: float = field(default=0.0, compare=False)

    def result(self) -> Any:
        """Return the value.

        Raises
        ------
        Exception
            What the function raised.
        EstimationError
            If its process died or went beyond its limits.
        """
        if self.ending == "error" and self.error is not None:
            raise self.error
        if self.ending != "value":
            raise EstimationError(f"{self.name}: {self.text}")
        return self.value


class Spread(Protocol):
    """A way of spreading work."""

    def run(
        self,
        tasks: Sequence[Task],
        *,
        started: Callable[[Task], None] | None = None,
        progress: Callable[[Outcome], None] | None = None,
    ) -> list[Outcome]:
        """Do every task; return their outcomes in order. Callbacks are called in the caller's own thread."""


def default_jobs() -> int:
    """Return how many processes to use where nobody says: one for each core, 4 at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 4)


@dataclass(frozen=True)
class LocalFork:
    """Processes of this machine, one for each task: what befalls one touches no other.

    Parameters
    ----------
    jobs : int
        Tasks at a time.
    start : {"forkserver", "fork", "spawn"}, optional
        How a process begins. ``"forkserver"``, the default where there is one, forks it from a process that has done
        its imports and has no threads. ``"fork"`` forks it from this one: it finds all modules and data that are
        loaded here, and arguments need not pickle; but it may hang where a library's threads (OpenMP) have run.
        ``"spawn"``, the default elsewhere, begins from nothing.
    seconds : float, optional
        Time that a task may take, with the start of its process.
    memory : int, optional
        Bytes that a task may take beyond what its process begins with; programs that it starts may take as much
        each. Linux alone holds such a limit.
    preload : tuple of str
        Modules that the process from which others are forked imports besides those of the tasks, when it is made.

    Examples
    --------
    >>> import math
    >>> ways = LocalFork(jobs=2)
    >>> [o.result() for o in ways.run([Task("four", math.sqrt, (16.0,)), Task("five", math.sqrt, (25.0,))])]
    [4.0, 5.0]
    >>> (failed,) = ways.run([Task("of a negative", math.sqrt, (-1.0,))])
    >>> failed.ending, failed.text
    ('error', 'ValueError: math domain error')
    """

    jobs: int
    start: Literal["forkserver", "fork", "spawn"] | None = None
    seconds: float | None = None
    memory: int | None = None
    preload: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        from multiprocessing import get_all_start_methods

        wrong, ways = Problems(), get_all_start_methods()
        if self.jobs < 1:
            wrong.add(f"{self.jobs} at a time are too few", where="jobs", fix="Give 1 or more.")
        if self.start is not None and self.start not in ways:
            wrong.add(f"processes cannot begin by {self.start!r} here", where="start", fix=f"Choose of {ways}.")
        if self.seconds is not None and not self.seconds > 0:
            wrong.add(f"{self.seconds} is no time", where="seconds", fix="Give a number above 0.")
        if self.memory is not None and not self.memory > 0:
            wrong.add(f"{self.memory} bytes are no memory", where="memory", fix="Give a number above 0.")
        elif self.memory is not None and sys.platform != "linux":
            wrong.add("only Linux holds a process to its memory", where="memory", fix="Leave it out.")
        wrong.raise_if_any(UserError, "work cannot be spread so")

    def run(
        self,
        tasks: Sequence[Task],
        *,
        started: Callable[[Task], None] | None = None,
        progress: Callable[[Outcome], None] | None = None,
    ) -> list[Outcome]:
        """Do every task, `jobs` at a time.

        An error in a callback, or an interruption, stops what is still running and is passed on.

        Parameters
        ----------
        tasks : sequence of Task
        started : callable, optional
            Is told of each task as it begins.
        progress : callable, optional
            Is told of each outcome as it comes.

        Returns
        -------
        list of Outcome
            One for each task, in order.
        """
        from concurrent.futures import FIRST_COMPLETED, wait

        begin = self._launcher(tasks, run := f"svmodel-{next(_RUNS)}-")
        waiting, outcomes = deque(enumerate(tasks)), dict[int, Outcome]()
        running: dict[Future[tuple[Ending, bytes]], tuple[int, float]] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    place, task = waiting.popleft()
                    since = time.monotonic()
                    running[begin(task)] = place, since
                    if started is not None:
                        started(task)
                # not without end: Windows hears an interrupt between two waits alone
                done, _ = wait(running, timeout=1, return_when=FIRST_COMPLETED)
                for future in done:
                    place, since = running.pop(future)
                    outcomes[place] = self._outcome(tasks[place].name, future, time.monotonic() - since)
                    if progress is not None:
                        progress(outcomes[place])
        finally:
            _stop(running, run)
        return [outcomes[place] for place in range(len(tasks))]

    def _launcher(self, tasks: Sequence[Task], run: str) -> Callable[[Task], Future[tuple[Ending, bytes]]]:
        """Return what begins a task.

        Each has a pipe of its own: the workers of a pool share one, and its lock, which a worker that is killed
        takes along, so that the others wait for ever.
        """
        from concurrent.futures import Future
        from multiprocessing import get_all_start_methods, get_context

        from pebble import concurrent

        start = self.start or ("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
        context: Any = get_context(start)
        if start == "forkserver":
            modules = {t.function.__module__ for t in tasks} - {"__main__"}
            context.set_forkserver_preload(["pebble", __name__, *self.preload, *sorted(modules)])

        def begin(task: Task) -> Future[tuple[Ending, bytes]]:
            # not a daemon, so that a task may spread work in its turn
            process: Any = concurrent.process  # its type has another name for `context`
            decorate = process(name=run + task.name, daemon=False, timeout=self.seconds, context=context)
            try:
                future: Future[tuple[Ending, bytes]] = decorate(_work)(
                    task.function, task.arguments, dict(os.environ), self.memory
                )
            except Exception as error:  # noqa: BLE001 - what does not travel, or has no room, costs its own task
                future = Future()
                future.set_exception(error)
            return future

        return begin

    def _outcome(self, name: str, future: Future[tuple[Ending, bytes]], seconds: float) -> Outcome:
        from pebble import ProcessExpired

        problem = future.exception()
        if problem is None:
            ending, packed = future.result()
            try:
                held = pickle.loads(packed)  # noqa: S301 - from a process that this one started
            except Exception as error:  # noqa: BLE001 - whatever a value's own class raises
                ending, held = "error", error
            if ending == "value":
                return Outcome(name, ending, held, seconds=seconds)
            text = f"{type(held).__name__}: {held}"
            if ending == "out of memory" and self.memory is not None:
                text = f"it needs more than the {self.memory / 1e6:,.0f} MB of memory that it may take ({text})"
            return Outcome(name, ending, None, text, held, seconds)
        if isinstance(problem, TimeoutError) and self.seconds is not None:
            text = f"it took longer than the {self.seconds:g} s that it may take, and was stopped"
            return Outcome(name, "timed out", None, text, None, seconds)
        if isinstance(problem, Exception) and not isinstance(problem, ProcessExpired):
            return Outcome(name, "error", None, f"{type(problem).__name__}: {problem}", problem, seconds)
        how = _how(problem.exitcode) if isinstance(problem, ProcessExpired) else repr(problem)
        return Outcome(name, "died", None, f"the process ended unexpectedly ({how})", None, seconds)


def each_draw(one: Callable[[Any, int], Any], work: Any, draws: int, jobs: int) -> list[Any]:
    """Return ``one(work, b)`` for every draw b, in order.

    Parameters
    ----------
    one : callable
        A function of a module, and `work` something that pickles, where `jobs` is above 1.
    work : object
    draws, jobs : int
        The answer does not depend on `jobs`.
    """
    if jobs == 1 or draws < 2:
        return _some_draws(one, work, range(draws))
    # a few chunks a process, so that no process waits long for the last one
    size = max(1, math.ceil(draws / (4 * jobs)))
    chunks = [range(i, min(i + size, draws)) for i in range(0, draws, size)]
    tasks = [Task(f"draws {c.start + 1} to {c.stop}", _some_draws, (one, work, c)) for c in chunks]
    return [made for o in LocalFork(jobs, preload=(one.__module__,)).run(tasks) for made in o.result()]


def _some_draws(one: Callable[[Any, int], Any], work: Any, which: range) -> list[Any]:
    from threadpoolctl import threadpool_limits

    # small matrices: threads would wait for each other, and their number must not move a digit
    with threadpool_limits(1):
        return [one(work, b) for b in which]


def _how(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"exit code {exitcode}"
    hint = "; the machine may have run out of memory" if exitcode == -9 else ""
    return f"killed by signal {-exitcode}{hint}"


def _stop(running: Mapping[Future[tuple[Ending, bytes]], Any], run: str) -> None:
    """End the processes of a run, and wait until they have ended."""
    from multiprocessing import active_children

    for future in running:
        future.cancel()
    for thread in threading.enumerate():
        if thread.name.startswith(run):
            thread.join()
    for child in active_children():
        if child.name.startswith(run):  # an interruption came before its future was there
            child.kill()
            child.join()


def _work(
    function: Callable[..., Any], arguments: tuple[Any, ...], environment: Mapping[str, str], memory: int | None
) -> tuple[Ending, bytes]:
    """Do one task, in its own process, and pack what comes of it."""
    if hasattr(os, "setsid"):
        os.setsid()  # an interrupt from the keyboard is the parent's to pass on
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    # the process that this one is forked from may have an older environment
    os.environ.clear()
    os.environ.update(environment)
    try:
        with _memory_limit(memory):
            return "value", pickle.dumps(function(*arguments), protocol=pickle.HIGHEST_PROTOCOL)
    except MemoryError as raised:
        return "out of memory", _packed(raised)
    except Exception as raised:  # noqa: BLE001 - handed to whoever waits for the outcome
        return "error", _packed(raised)
    finally:
        # pebble ends a process that has answered; this one has still to run its finalizers
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _packed(error: Exception) -> bytes:
    """Pack an error, or one that says the same where it does not travel; a bug of ours keeps its traceback."""
    if not isinstance(error, UserError):
        error.add_note(f"In the worker process:\n{traceback.format_exc()}")
    try:
        packed = pickle.dumps(error)
        pickle.loads(packed)  # noqa: S301 - of this very process
    except Exception:  # noqa: BLE001 - whatever an error's own class raises
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return packed


@contextlib.contextmanager
def _memory_limit(limit: int | None) -> Iterator[None]:
    """Hold this process to what it has plus `limit` bytes."""
    if limit is None:
        yield
        return
    import resource

    has = re.search(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert has is not None
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = 1024 * int(has[1]) + limit
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _leave(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(143)


def _leave_with_parent() -> None:
    """Stop when the run that started this process is no more, however it went."""
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE)
        os._exit(143)
