"""The project's own files are in step with each other."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
HEAVY = ["pandas", "scipy", "statsmodels", "sklearn", "matplotlib", "pymc", "pyfixest", "pyarrow", "papermill"]


def names_in(requirements):
    return {re.match(r"[A-Za-z0-9_.-]+", r)[0].lower().replace("_", "-") for r in requirements}


def test_import_is_light():
    """Start-up stays quick because nothing heavy loads; the time itself is measured in benchmarks/."""
    code = f"import sys, svmodel; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_loads():
    import svmodel

    for name in svmodel.__all__:
        assert getattr(svmodel, name) is not None
    with pytest.raises(AttributeError, match="svmodel has no"):
        svmodel.nothing_of_the_kind  # noqa: B018


def test_environment_is_in_step_with_pyproject():
    done = subprocess.run([sys.executable, ROOT / "locks" / "make_environment.py", "--check"], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: p.name)
def test_lock_names_versions_hashes_and_no_address(lock):
    text = lock.read_text(encoding="utf-8")
    assert not re.search(r"://|--index-url|--extra-index-url|--find-links", text)
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", text, flags=re.MULTILINE)
    assert names_in(PROJECT["dependencies"]) <= {n.lower().replace("_", "-") for n, _ in pins}
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(pins)
    assert all("--hash=sha256:" in block for block in blocks)


def test_a_lock_for_every_supported_python():
    versions = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert {f"py{v.replace('.', '')}.txt" for v in versions} <= {p.name for p in LOCKS}


def test_version_is_the_same_everywhere():
    import svmodel

    assert svmodel.__version__ == PROJECT["version"]
    assert f"version: {PROJECT['version']}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"[{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").rglob("*.ipynb")), ids=lambda p: p.name)
def test_notebooks_are_committed_without_output(notebook):
    import nbformat

    for cell in nbformat.read(notebook, 4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_ci_sets_the_real_data_when_it_can():
    if "CI" in os.environ and (ROOT.parent / "shared" / "data").is_dir():
        assert Path(os.environ["SVMODEL_REAL_DATA"]).is_dir()


def test_the_changelog_knows_every_method_and_check():
    from svmodel import bayes, checks, counterfactual, did

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    methods = [n for room in (bayes, counterfactual, did) for n in room.__all__ if n[0].isupper()]
    # what a method returns or is made of goes without an entry of its own
    parts = {"LatentModel", "MetaResult", "SmoothedAreas", "Term"}
    missing = [n for n in [*methods, *checks.CHECKS] if n not in parts and f"`{n}`" not in text]
    assert not missing, f"these have no entry in CHANGELOG.md: {missing}"
    assert text.index("## [Unreleased]") < text.index(f"## [{PROJECT['version']}]")
