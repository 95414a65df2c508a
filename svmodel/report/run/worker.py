"""One area's report: papermill runs the notebook on a kernel of this very interpreter."""

from __future__ import annotations

import json
import logging
import os
import site
import sys
import sysconfig
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from svmodel.errors import OutputError
from svmodel.files import atomic_folder
from svmodel.report.run.manifest import mark
from svmodel.report.study.notebook import NotebookParameters

KERNEL = "svmodel"
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_USER_ERRORS = ("DataError", "DesignError", "EstimationError", "StudyError")
_DISK = ("OutputError", "No space left on device", "Disk quota exceeded")


@dataclass(frozen=True)
class AreaTask:
    """What is needed to make one area's report; paths are absolute."""

    code: str
    hash: str
    notebook: str
    context: str
    folder: str
    kernels: str
    log: str

    def parameters(self, folder: Path) -> NotebookParameters:
        """Return what the notebook is given; places as seen from the folder in which it runs."""
        return NotebookParameters(context=os.path.relpath(self.context, folder), area_code=self.code, output=".")


@dataclass(frozen=True)
class Verdict:
    """What came of it: ``made``, ``failed`` (with why), or ``output`` (the output cannot be written)."""

    status: str
    message: str = ""


def install_kernel(folder: Path) -> Path:
    """Write a kernelspec that starts this interpreter, and return the folder for JUPYTER_PATH.

    A kernel called ``python3`` that the user has registered may belong to another environment; this one
    is private to the run and cannot.
    """
    place = folder / "jupyter" / "kernels" / KERNEL
    place.mkdir(parents=True, exist_ok=True)
    # One thread each: the workers share the cores, and sums then do not depend on how many cores there are.
    environment = {"MPLBACKEND": "agg", "PYTHONHASHSEED": "0"} | dict.fromkeys(_ONE_THREAD, "1")
    package = str(Path(__file__).resolve().parents[3])
    installed = {sysconfig.get_paths()["purelib"], *site.getsitepackages(), site.getusersitepackages()}
    if package not in installed:
        environment["PYTHONPATH"] = os.pathsep.join(p for p in (package, os.environ.get("PYTHONPATH")) if p)
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "svmodel",
        "language": "python",
        "interrupt_mode": "signal",
        "env": environment,
    }
    (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    return folder / "jupyter"


def make_report(task: AreaTask) -> Verdict:
    """Make one area's folder, whole or not at all; called in a process of its own."""
    log = Path(task.log)
    try:
        _redirect(log)
        with atomic_folder(task.folder) as folder:
            run_notebook(task, folder)
            (folder / "run.log").write_bytes(log.read_bytes())
            mark(folder, task.hash)
    except OutputError as error:
        return Verdict("output", str(error))
    except Exception as error:  # noqa: BLE001 - an area that fails is counted and shown; its traceback goes to the log
        traceback.print_exc()
        return _failed(error)
    return Verdict("made")


def run_notebook(task: AreaTask, folder: Path) -> None:
    """Execute the notebook with its parameters; it has to leave ``report.html``.

    Places are given to it as seen from its own folder, and times are taken out of it, so that it can be published
    with the page.

    Raises
    ------
    Exception
        Whatever papermill raises; its ``ename`` and ``evalue`` are those of the notebook's error.
    """
    kernels = Path(task.kernels)
    os.environ["JUPYTER_PATH"] = str(kernels)
    os.environ["JUPYTER_RUNTIME_DIR"] = str(kernels / "runtime")
    os.environ["IPYTHONDIR"] = str(kernels / "ipython")  # a user's start-up files must not change a report
    import papermill

    parameters = asdict(task.parameters(folder))
    executed = papermill.execute_notebook(
        task.notebook,
        str(folder / "evaluation.ipynb"),
        parameters=parameters,
        kernel_name=KERNEL,
        language="python",
        progress_bar=False,
        request_save_on_cell_execute=False,
        start_timeout=120,
        cwd=str(folder),
    )
    if not (folder / "report.html").is_file():
        raise RuntimeError("the notebook ran to its end and wrote no report.html")
    write_plainly(executed, folder / "evaluation.ipynb", parameters)


def write_plainly(notebook: Any, path: Path, parameters: dict[str, str]) -> None:
    """Write an executed notebook without the times and places of its making; of papermill's notes, the parameters stay.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
    path : Path
    parameters : dict of str to str
    """
    import nbformat

    for number, cell in enumerate(notebook.cells):
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = f"injected-parameters-{number}"
    notebook.metadata["papermill"] = {"parameters": parameters}
    nbformat.write(notebook, path)


def _failed(error: Exception) -> Verdict:
    name, value = getattr(error, "ename", None), getattr(error, "evalue", None)
    if name is None:
        return Verdict("failed", f"{type(error).__name__}: {error}")
    if any(sign in f"{name}: {value}" for sign in _DISK):
        return Verdict("output", str(value))
    return Verdict("failed", str(value) if name in _USER_ERRORS else f"{name}: {value}")


def _redirect(log: Path) -> None:
    """Send whatever this process prints to its log."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", force=True)
