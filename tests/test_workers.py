"""Workers that are really killed, hang, eat memory and are interrupted; the others' outcomes survive."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from multiprocessing import util
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from svmodel.errors import DataError, EstimationError, Problem, UserError
from svmodel.workers import LocalFork, Task, default_jobs, each_draw

ROOT = Path(__file__).resolve().parents[1]
STARTS = ("fork", "forkserver", "spawn")
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone holds a process to its memory")
# Python 3.12 and later warn of any fork beside a thread; the choice of "fork" says so too
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

#: What is loaded in this process and in no file.
LOADED = []


def double(x):
    return 2 * x


def later(x, seconds):
    time.sleep(seconds)
    return x


def large(n):
    return b"x" * n


def fail(text):
    raise ValueError(text)


def refuse():
    raise DataError("the file cannot be used", [Problem("2 areas are missing", where="areas", rule="missing")])


def die(number=signal.SIGKILL):
    os.kill(os.getpid(), number)
    time.sleep(60)


def leave(code):
    os._exit(code)


def hang(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)


def hang_deafly(path):
    """Neither hear a request to stop nor give way."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(path).write_text(str(os.getpid()))
    while True:
        pass


def clean_up(path):
    try:
        time.sleep(600)
    finally:
        Path(path).write_text("clean")


def finish_slowly(path):
    """What a process does at its end, after it has answered."""

    def write():
        time.sleep(0.5)
        Path(path).write_text("finished")

    util.Finalize(None, write, exitpriority=0)
    return 1


def eat(megabytes):
    """Take memory and use it; a broken limit costs a gigabyte at most."""
    assert megabytes <= 1_000
    return len(b"x" * (megabytes * 1_000_000))


def environment(name):
    return os.environ.get(name)


def loaded():
    return list(LOADED)


def parent():
    return os.getppid()


def call(function):
    return function()


def spread_again(n):
    return [o.result() for o in LocalFork(2).run([Task(str(i), double, (i,)) for i in range(n)])]


class OddError(Exception):
    """An error that pickles and cannot be made again."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class Unreadable:
    """A value that is sent and cannot be made again."""

    def __reduce__(self):
        return fail, ("not to be read",)


class Deadly:
    """A value whose process dies while it is packed."""

    def __reduce__(self):
        die()


def odd():
    raise OddError(1, 2)


def unreadable():
    return Unreadable()


def deadly():
    return Deadly()


def unsendable():
    return lambda: None


def outcomes(*tasks, jobs=2, **more):
    return LocalFork(jobs, **more).run([Task(f"{i}", *t) for i, t in enumerate(tasks)])


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def written(path):
    """The process id in a file that is whole."""
    wait_until(lambda: path.is_file() and path.read_text())
    return int(path.read_text())


@pytest.mark.parametrize("start", STARTS)
def test_values_errors_and_deaths_stay_apart_and_in_order(start, monkeypatch):
    monkeypatch.setenv("SVMODEL_TEST_NOW", "now")
    found = outcomes(
        (later, ("first", 0.5)),
        (fail, ("no",)),
        (die,),
        (double, (4,)),
        (leave, (0,)),
        (large, (3_000_000,)),
        (environment, ("SVMODEL_TEST_NOW",)),
        (sys.exit, (3,)),
        (deadly,),
        (double, (5,)),
        jobs=3,
        start=start,
    )
    assert [o.name for o in found] == [str(i) for i in range(10)]
    ends = ["value", "error", "died", "value", "died", "value", "value", "died", "died", "value"]
    assert [o.ending for o in found] == ends
    assert [found[i].value for i in (0, 3, 6, 9)] == ["first", 8, "now", 10]
    assert len(found[5].value) == 3_000_000
    assert isinstance(found[1].error, ValueError)
    assert found[1].text == "ValueError: no"
    assert "killed by signal 9; the machine may have run out of memory" in found[2].text
    assert "exit code 0" in found[4].text
    assert "SystemExit(3)" in found[7].text
    assert 0.5 <= found[0].seconds < 30


def test_what_comes_back_depends_neither_on_the_start_nor_on_the_jobs():
    tasks = [(double, (1,)), (fail, ("x",)), (die,), (double, (2,))]
    first, *others = [
        [(o.name, o.ending, o.value, o.text) for o in outcomes(*tasks, jobs=jobs, start=start)]
        for start in STARTS
        for jobs in (1, 3)
    ]
    assert all(o == first for o in others)


def test_a_fork_finds_what_is_loaded_here_and_a_spawn_begins_from_nothing(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "LOADED", ["data"])
    here = os.getpid()
    forked = outcomes((loaded,), (parent,), (call, (lambda: "not pickled",)), start="fork")
    assert [o.value for o in forked] == [["data"], here, "not pickled"]
    for start in ("spawn", "forkserver"):
        apart = outcomes((loaded,), (parent,), (call, (lambda: "not pickled",)), (double, (3,)), start=start)
        assert apart[0].value == []
        # the server is this process's child, and its own child's parent
        assert (apart[1].value == here) == (start == "spawn")
        assert apart[2].ending == "error"
        assert "ickle" in apart[2].text
        assert apart[3].value == 6


@pytest.mark.parametrize("start", ["fork", "forkserver"])
def test_a_worker_that_is_killed_from_outside_costs_its_own_task(start, tmp_path):
    path = tmp_path / "pid"
    killer = threading.Thread(target=lambda: os.kill(written(path), signal.SIGKILL))
    killer.start()
    found = outcomes((hang, (str(path),)), *[(later, (i, 0.2)) for i in range(4)], start=start)
    killer.join()
    assert [o.ending for o in found] == ["died", *["value"] * 4]
    assert [o.value for o in found[1:]] == [0, 1, 2, 3]


@pytest.mark.parametrize("hanging", [hang, hang_deafly])
def test_a_worker_that_hangs_is_stopped_and_costs_its_own_task(hanging, tmp_path):
    path = tmp_path / "pid"
    begin = time.monotonic()
    found = outcomes((hanging, (str(path),)), *[(later, (i, 0.2)) for i in range(6)], seconds=2)
    assert time.monotonic() - begin < 30
    assert [o.ending for o in found] == ["timed out", *["value"] * 6]
    assert found[0].text == "it took longer than the 2 s that it may take, and was stopped"
    assert not is_running(written(path))
    with pytest.raises(EstimationError, match="0: it took longer"):
        found[0].result()


def test_a_task_out_of_time_may_clean_up(tmp_path):
    path = tmp_path / "clean"
    assert outcomes((clean_up, (str(path),)), seconds=2)[0].ending == "timed out"
    assert path.read_text() == "clean"


@linux
@pytest.mark.parametrize("start", STARTS)
def test_a_task_that_eats_memory_is_refused_it_and_the_others_have_theirs(start):
    found = outcomes((eat, (20,)), (eat, (1_000,)), (eat, (50,)), (double, (2,)), start=start, memory=300_000_000)
    assert [o.ending for o in found] == ["value", "out of memory", "value", "value"]
    assert "more than the 300 MB of memory that it may take" in found[1].text
    assert isinstance(found[1].error, MemoryError)
    with pytest.raises(EstimationError, match="300 MB"):
        found[1].result()


@linux
def test_memory_that_a_fork_has_inherited_is_not_counted_against_it():
    held = bytearray(b"x" * 400_000_000)
    found = outcomes((eat, (100,)), (eat, (400,)), start="fork", memory=250_000_000)
    assert len(held) == 400_000_000
    assert [o.ending for o in found] == ["value", "out of memory"]


@linux
def test_programs_that_a_task_starts_are_held_to_the_limit_too():
    code = "x = b'x' * 1_000_000_000"
    run = partial(subprocess.run, [sys.executable, "-c", code], capture_output=True)
    free, held = outcomes((run,))[0], outcomes((run,), memory=300_000_000)[0]
    assert free.value.returncode == 0
    assert b"MemoryError" in held.value.stderr


def test_an_error_travels_whole_or_says_the_same():
    found = outcomes((refuse,), (odd,), (unreadable,), (unsendable,), (fail, ("why",)), (double, (1,)))
    with pytest.raises(DataError) as refused:
        found[0].result()
    assert refused.value.problems[0].rule == "missing"
    assert not hasattr(refused.value, "__notes__"), "a user's mistake needs no traceback"
    assert found[1].text == "RuntimeError: OddError: 1 and 2"
    assert found[2].text == "ValueError: not to be read"
    assert found[3].ending == "error"
    with pytest.raises(ValueError, match="why") as bug:
        found[4].result()
    assert "in fail" in bug.value.__notes__[0]
    assert found[5].result() == 2


@pytest.mark.parametrize("start", STARTS)
def test_a_process_that_has_answered_still_comes_to_its_end(start, tmp_path):
    assert outcomes((finish_slowly, (str(tmp_path / "end"),)), start=start)[0].value == 1
    assert (tmp_path / "end").read_text() == "finished"


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_task_is_told_of_when_it_begins_and_when_it_ends(jobs):
    begun, ended, here = [], [], threading.current_thread()

    def told(outcome):
        assert threading.current_thread() is here
        ended.append(outcome)

    tasks = [Task(str(i), later, (i, 0.6 - 0.3 * i)) for i in range(3)]
    found = LocalFork(jobs).run(tasks, started=lambda t: begun.append(t.name), progress=told)
    assert begun == ["0", "1", "2"]
    assert sorted(ended, key=lambda o: o.name) == found
    assert [o.value for o in ended] == ([0, 1, 2] if jobs == 1 else [2, 1, 0])


def test_an_error_in_a_callback_stops_what_is_running(tmp_path):
    path = tmp_path / "pid"

    def stop(_):
        written(path)
        raise OSError("the disk is full")

    begin = time.monotonic()
    tasks = [Task("slow", hang, (str(path),)), Task("quick", double, (1,)), Task("never", hang, (str(path) + "2",))]
    with pytest.raises(OSError, match="the disk is full"):
        LocalFork(2).run(tasks, progress=stop)
    assert time.monotonic() - begin < 30
    assert not is_running(written(path))
    assert not Path(f"{path}2").exists()


def test_an_interruption_before_a_process_is_known_leaves_it_not_behind(monkeypatch, tmp_path):
    from pebble import common

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(common, "launch_thread", interrupted)
    with pytest.raises(KeyboardInterrupt):
        outcomes((hang, (str(tmp_path / "pid"),)))
    assert not [p for p in multiprocessing.active_children() if p.name.startswith("svmodel-")]


@pytest.mark.parametrize("problem", [TimeoutError("no answer"), OSError("no room for a process")])
def test_a_process_that_cannot_be_started_costs_its_own_task(problem, monkeypatch):
    from pebble import common

    real, first = common.launch_process, [True]

    def launch(*arguments):
        if first:
            first.clear()
            raise problem
        return real(*arguments)

    monkeypatch.setattr(common, "launch_process", launch)
    found = outcomes((double, (1,)), (double, (2,)))
    assert [o.ending for o in found] == ["error", "value"]
    assert str(problem) in found[0].text


SCRIPT = """
import signal, sys
sys.path.insert(0, {tests!r})
import test_workers as t
from svmodel.workers import LocalFork, Task

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
    tasks = [Task("a", t.hang, ({one!r},)), Task("b", t.{other}, ({two!r},))]
    try:
        LocalFork(2, start={start!r}).run(tasks)
    except KeyboardInterrupt:
        print("passed on")
        sys.exit(130)
"""


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_ends_the_children_and_is_passed_on(start, number, tmp_path):
    """To the whole group, as a keyboard sends it; a run that is killed takes its children along."""
    one, two, script = tmp_path / "one", tmp_path / "two", tmp_path / "script.py"
    other = "hang" if number == signal.SIGKILL and start != "spawn" else "hang_deafly"
    script.write_text(SCRIPT.format(tests=str(ROOT / "tests"), one=str(one), two=str(two), start=start, other=other))
    pipe, environment = subprocess.PIPE, {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script)]
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True
    ) as process:
        children = [written(one), written(two)]
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.kill()
        told, error = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert (process.returncode, told) == (130, "passed on\n")
        assert "Traceback" not in error
        assert not [c for c in children if is_running(c)]
    wait_until(lambda: not [c for c in children if is_running(c)])


def test_a_task_may_spread_work_in_its_turn():
    assert outcomes((spread_again, (3,)))[0].result() == [0, 2, 4]


def test_no_tasks_give_no_outcomes_and_the_default_is_modest():
    assert outcomes() == []
    assert 1 <= default_jobs() <= 4


def test_everything_that_is_wrong_with_the_limits_is_told_at_once(monkeypatch):
    with pytest.raises(UserError) as error:
        LocalFork(0, start="thread", seconds=0, memory=-1)
    assert [p.where for p in error.value.problems] == ["jobs", "start", "seconds", "memory"]
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UserError, match="only Linux holds a process to its memory"):
        LocalFork(1, memory=1_000_000)


ELSEWHERE = """
import math, multiprocessing, os, signal, sys

sys.modules["resource"] = sys.modules["fcntl"] = None
for name in ("setsid", "fork", "sched_getaffinity", "killpg", "getppid"):
    delattr(os, name)
del signal.SIGKILL
multiprocessing.get_all_start_methods = lambda: ["spawn"]
before = {*sys.modules}
from svmodel.workers import LocalFork, Task, default_jobs

assert not {"pebble", "multiprocessing.connection"} & ({*sys.modules} - before)
if __name__ == "__main__":
    assert default_jobs() >= 1
    found = LocalFork(2, seconds=60).run([Task(str(i), math.sqrt, (i,)) for i in (4, 9, -1)])
    print([o.value for o in found], found[2].text)
"""


def test_where_there_is_no_fork_an_ordinary_run_spawns(tmp_path):
    """As Windows has it: no fork, no session, no limits; and nothing heavy on the import path."""
    script = tmp_path / "script.py"
    script.write_text(ELSEWHERE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment)
    assert done.stdout == "[2.0, 3.0, None] ValueError: math domain error\n", done.stderr


def add(work, b):
    if b == work.get("wrong"):
        raise EstimationError(f"draw {b} cannot be made")
    return work["base"] + b


def count_threads(*_):
    assert np.__name__  # numpy has the threads
    return max(i["num_threads"] for i in threadpool_info())


@pytest.mark.parametrize("draws", [1, 7, 40])
def test_draws_are_the_same_in_order_with_any_number_of_jobs(draws):
    expected = [100 + b for b in range(draws)]
    assert [each_draw(add, {"base": 100}, draws, jobs) for jobs in (1, 2, 5)] == [expected] * 3


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_first_draw_that_fails_is_told(jobs):
    with pytest.raises(EstimationError, match="draw 5 cannot be made"):
        each_draw(add, {"base": 0, "wrong": 5}, 30, jobs)


def test_a_draw_has_one_thread():
    with threadpool_limits(2):
        assert count_threads() == 2
        assert each_draw(count_threads, None, 3, 1) == [1, 1, 1]
        assert each_draw(count_threads, None, 3, 2) == [1, 1, 1]


def test_a_run_inside_a_thread_is_like_any_other():
    held = []
    thread = threading.Thread(target=lambda: held.extend(outcomes((double, (1,)), (die,), (double, (2,)))))
    thread.start()
    thread.join(60)
    assert [o.ending for o in held] == ["value", "died", "value"]


def test_many_tasks_leave_no_process_no_thread_and_no_file_behind():
    def open_files():
        place = Path("/proc/self/fd")
        return len([*place.iterdir()]) if place.exists() else 0

    outcomes((double, (1,)))
    threads, files = threading.active_count(), open_files()
    found = outcomes(*[(double, (i,)) for i in range(40)], jobs=4)
    assert [o.value for o in found] == [2 * i for i in range(40)]
    wait_until(lambda: threading.active_count() <= threads)
    assert open_files() <= files + 2
    assert not [p for p in multiprocessing.active_children() if p.name.startswith("svmodel-")]
