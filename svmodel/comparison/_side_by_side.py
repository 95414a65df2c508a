"""Draws one after the other, or in processes side by side; a draw's numbers are its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any


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
        return _chunk(one, work, range(draws))
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # a few chunks a process, so that no process waits long for the last one
    size = max(1, math.ceil(draws / (4 * jobs)))
    chunks = [range(i, min(i + size, draws)) for i in range(0, draws, size)]
    with ProcessPoolExecutor(
        min(jobs, len(chunks)), mp_context=get_context("spawn"), initializer=_take, initargs=(one, work)
    ) as pool:
        return [made for part in pool.map(_held_chunk, chunks) for made in part]


_HELD: list[tuple[Callable[[Any, int], Any], Any]] = []


def _take(one: Callable[[Any, int], Any], work: Any) -> None:
    """Keep the work in a process that has just begun, so that it travels once."""
    _HELD[:] = [(one, work)]


def _held_chunk(which: Sequence[int]) -> list[Any]:
    one, work = _HELD[0]
    return _chunk(one, work, which)


def _chunk(one: Callable[[Any, int], Any], work: Any, which: Sequence[int]) -> list[Any]:
    from threadpoolctl import threadpool_limits

    # small matrices: threads would wait for each other, and their number must not move a digit
    with threadpool_limits(1):
        return [one(work, b) for b in which]
