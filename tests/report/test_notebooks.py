"""The shipped notebooks: calls and prose, found by name, and run by real kernels in the shipped studies."""

import json
import re
import tomllib
from pathlib import Path

import nbformat
import pytest

from svmodel.report import read_study
from svmodel.report.pages.sections import sections
from svmodel.report.run import run_study
from svmodel.report.study.registry import notebooks

ROOT = Path(__file__).resolve().parents[2]
STUDIES = {
    "did_evaluation": "demo_did",
    "synthetic_control": "demo_synthetic_control",
    "bayesian_evaluation": "demo_bayes",
}

#: Draws of the shipped studies, and how many do for a page.
FEW = {"199": 39, "100": 20, "99": 39, "39": 19}


@pytest.mark.parametrize("name", STUDIES)
def test_a_notebook_is_calls_and_prose_without_output(name):
    notebook = nbformat.read(notebooks()[name], as_version=4)
    nbformat.validate(notebook)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert all(c.outputs == [] and c.execution_count is None for c in code)
    assert [c.metadata.get("tags") for c in code if c.metadata.get("tags")] == [["parameters"]]
    parameters, opening, *calls = [c.source for c in code]
    assert {line.split(" = ")[0] for line in parameters.splitlines()} == {"context", "area_code", "output"}
    assert f"{STUDIES[name]}.yaml" in parameters
    assert "open_area(context, area_code, output)" in opening
    assert calls[-1] == "area.write()"
    assert {re.fullmatch(r"area\.(\w+)\(\)", c)[1] for c in calls[:-1]} <= set(sections())
    assert sum(c.cell_type == "markdown" for c in notebook.cells) >= len(code)


def test_every_shipped_notebook_goes_into_the_package():
    held = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = held["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {"notebooks/reports": "svmodel/report/notebooks"}
    assert {p.name for p in (ROOT / "notebooks" / "reports").iterdir()} == {f"{n}.ipynb" for n in notebooks()}


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_names_it(name):
    study = read_study(ROOT / "pipelines" / f"{STUDIES[name]}.yaml")
    assert study.notebook == notebooks()[name]


def with_few_draws(name, folder):
    """Copy a shipped study with everything in it, but fewer draws: how many there are decides about no page."""
    text = (ROOT / "pipelines" / f"{name}.yaml").read_text(encoding="utf-8")
    text = text.replace("../data_synthetic", str(ROOT / "data_synthetic"))
    text = text.replace("HierarchicalDiD: {", "HierarchicalDiD: {draws: 500, ")
    text, n = re.subn(r"\bdraws: (\d+)", lambda m: f"draws: {FEW.get(m[1], m[1])}", text)
    assert n, "there is nothing to make fewer"
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sections", "figures"),
    [
        (
            "did_evaluation",
            ("effect", "inference", "specifications", "power", "quality", "method"),
            ("methods", "event_study", "honest_bounds", "specification_curve", "power_curve"),
        ),
        (
            "synthetic_control",
            ("effect", "donors", "inference", "quality", "method"),
            ("methods", "observed_expected_all", "donor_weights", "placebo_gaps"),
        ),
        (
            "bayesian_evaluation",
            ("effect", "belief", "worth", "quality", "method"),
            ("methods", "prior_posterior", "shrinkage", "with_and_without", "with_and_without_all"),
        ),
    ],
)
def test_a_shipped_study_makes_its_page(name, sections, figures, tmp_path):
    report = run_study(with_few_draws(STUDIES[name], tmp_path), out=tmp_path, areas=("Liverpool",), jobs=1)
    assert [(o.name, o.status) for o in report.outcomes] == [("Liverpool", "made")], report.outcomes[0].message
    folder = tmp_path / STUDIES[name] / "areas" / "E08000012"
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'<section id="([a-z]+)" aria-labelledby="\1-heading">', html) == list(sections)
    there = {p.stem for p in (folder / "figures").glob("*.svg")}
    assert [f for f in figures if not any(t.endswith(f) for t in there)] == []
    words = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    assert "gave no answer" not in words
    assert "nan" not in words.casefold().split()
    assert "How far the methods agree." in words
    assert json.loads((folder / "result.json").read_text())["area"]["code"] == "E08000012"
