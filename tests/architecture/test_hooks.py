"""The hooks before a commit and the host's gate are valid, and call what is there."""

import os
import re
import shlex
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def held(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_hooks_call_the_tools_of_the_environment_and_no_host():
    (repository,) = held(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    called = {}
    for hook in repository["hooks"]:
        assert {"id", "name", "entry", "language", "types"} <= set(hook)
        assert hook["language"] == "system"
        program, *words = shlex.split(hook["entry"])
        called[hook["id"]] = words
        # what `make lint` calls, of what the development extra installs
        assert program.replace(".venv", "$(VENV)") in MAKEFILE
        assert Path(program).name in {re.match(r"[\w-]+", r)[0] for r in PROJECT["optional-dependencies"]["dev"]}
    assert called == {
        "ruff-check": ["check", "--force-exclude"],
        "ruff-format": ["format", "--force-exclude"],
        "mypy": [],
    }


def test_the_hosts_gate_runs_ours_on_every_python_that_has_a_lock():
    flow = held(".github/workflows/ci.yml")
    # YAML 1.1 reads the key `on` as true
    assert set(flow[True]) == {"push", "pull_request"}
    (job,) = flow["jobs"].values()
    pythons = job["strategy"]["matrix"]["python"]
    assert all(isinstance(p, str) for p in pythons)
    assert {f"py{p.replace('.', '')}.txt" for p in pythons} == {p.name for p in (ROOT / "locks").glob("py3*.txt")}
    assert {s["uses"].split("@")[0] for s in job["steps"] if "uses" in s} == {
        "actions/checkout",
        "actions/setup-python",
    }
    (gate,) = [s for s in job["steps"] if s.get("run") == ".ci/run"]
    assert os.access(ROOT / gate["run"], os.X_OK)
    # the Makefile takes the Python of the step, which is the job's
    assert gate["env"] == {"PYTHON": "python${{ matrix.python }}"}
    assert re.search(r"^PYTHON\s*\?=", MAKEFILE, re.MULTILINE)
    for target in re.findall(r"^make (\w+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


def test_a_step_installs_a_browser_that_the_tests_of_pages_look_for():
    (job,) = held(".github/workflows/ci.yml")["jobs"].values()
    (step,) = [s["run"] for s in job["steps"] if "apt-get" in s.get("run", "")]
    wanted = (ROOT / "tests" / "browser" / "test_pages.py").read_text(encoding="utf-8")
    found = re.findall(r"command -v ([\w-]+)", step)
    assert found
    assert all(f'shutil.which("{name}")' in wanted for name in found)
