"""Work side by side, each piece in a process of its own that has its imports done; a piece that dies takes no other."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

#: Imported once by the process from which the others are forked; kernels, which are started anew, gain nothing.
_PRELOAD = ["svmodel.report.run.worker", "svmodel.report.fits", "papermill"]


@dataclass(frozen=True)
class Piece:
    """One piece of work: a function of a module, and what it is called with; both have to pickle."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Answer:
    """What came of a piece.

    Parameters
    ----------
    name : str
    value : object
        What the function returned.
    error : Exception, optional
        What it raised.
    died : str
        How its process ended, where it did so before it answered.
    seconds : float
    """

    name: str
    value: Any = None
    error: Exception | None = None
    died: str = ""
    seconds: float = field(default=0.0, compare=False)


@dataclass
class _Running:
    piece: Piece
    process: ForkServerProcess
    answer: Connection
    since: float


def default_workers() -> int:
    """Return how many processes to use where nobody says: one for each core, 4 at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 4)


def side_by_side(
    pieces: list[Piece], workers: int, *, started: Callable[[Piece], None] | None = None
) -> Generator[Answer, None, None]:
    """Do pieces of work, `workers` at a time, and yield their answers as they come.

    Leaving the loop early, by an error or an interruption, stops what is still running, and what that has started.

    Parameters
    ----------
    pieces : list of Piece
    workers : int
    started : callable, optional
        Is told when a piece begins.
    """
    if not pieces:
        return
    from multiprocessing import connection, get_context

    server = get_context("forkserver")
    server.set_forkserver_preload(_PRELOAD)
    waiting, running = list(pieces), list[_Running]()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_start(server, waiting.pop(0)))
                if started is not None:
                    started(running[-1].piece)
            # an answer may be larger than a pipe holds, so it is read before its process is waited for
            ready = connection.wait([r.answer for r in running])
            for one in [r for r in running if r.answer in ready]:
                answer = _settle(one)
                running.remove(one)
                yield answer
    finally:
        _stop(running)


def _start(server: ForkServerContext, piece: Piece) -> _Running:
    receive, send = server.Pipe(duplex=False)
    process = server.Process(target=_work, args=(piece, dict(os.environ), send), name=piece.name)
    process.start()
    send.close()
    return _Running(piece, process, receive, time.monotonic())


def _settle(one: _Running) -> Answer:
    seconds = time.monotonic() - one.since
    name = one.piece.name
    try:
        value, error = one.answer.recv()
        answer = Answer(name, value, error, seconds=seconds)
    except EOFError:
        one.process.join()
        answer = Answer(name, died=_how(one.process.exitcode), seconds=seconds)
    one.process.join()
    one.answer.close()
    return answer


def _how(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"exit code {exitcode}"
    hint = "; the machine may have run out of memory" if exitcode == -signal.SIGKILL else ""
    return f"killed by signal {-exitcode}{hint}"


def _stop(running: list[_Running]) -> None:
    for one in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.process.pid or 0, signal.SIGTERM)
    for one in running:
        one.process.join(5)
        if one.process.is_alive():
            one.process.kill()
            one.process.join()


def _work(piece: Piece, environment: Mapping[str, str], answer: Connection) -> None:
    """Do one piece. The process that this one is forked from may have an older environment."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    _leave_with_parent()
    os.environ.clear()
    os.environ.update(environment)
    value, error = None, None
    try:
        value = piece.function(*piece.arguments)
    except Exception as raised:  # noqa: BLE001 - handed to whoever waits for the answer
        traceback.print_exc()
        error = raised
    try:
        answer.send((value, error))
    except (TypeError, AttributeError, ValueError) as unsendable:
        answer.send((None, RuntimeError(f"{type(error or unsendable).__name__}: {error or unsendable}")))
    answer.close()


def _leave(*_: Any) -> None:
    raise SystemExit(143)


def _leave_with_parent() -> None:
    """Stop when the run that started this process is no more, however it went."""
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
