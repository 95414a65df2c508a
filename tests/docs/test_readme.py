"""The README against the project: its Python block runs, its commands, targets, exit codes and files are there."""

import os
import re
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits
from typer.main import get_command

from svmodel import cli

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: For those who change the package; pages that they link to and that are not written yet.
FOR_DEVELOPERS = [ROOT / "CONTRIBUTING.md"]
EVERY_PAGE = "\n".join(p.read_text(encoding="utf-8") for p in [*PAGES, *FOR_DEVELOPERS])
COMMANDS = get_command(cli.app).commands


def test_the_python_block_runs_on_the_shipped_data(monkeypatch):
    monkeypatch.chdir(ROOT)
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    held = {}
    with threadpool_limits(1):  # two dozen small fits: threads would only wait for one another
        exec(compile(block, "README.md", "exec"), held)
    effect = held["result"].effect("att", "rate_ratio")
    # the data are simulated with a true rate ratio of 0.8 (truth.json)
    assert effect.conf_low < 0.8 < effect.conf_high
    assert "rate ratio" in str(held["result"].headline())


@pytest.mark.parametrize(
    "line", sorted(set(re.findall(r"^(?:\| `|\.venv/bin/)(svmodel [^`\n]*)", EVERY_PAGE, re.MULTILINE)))
)
def test_every_command_has_the_options_that_are_told(line):
    name, *rest = line.split()[1:]
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert [w for w in re.findall(r"--[a-z-]+", " ".join(rest)) if w not in known] == []


def test_every_command_is_told():
    assert set(re.findall(r"^\| `svmodel (\w+)", README, re.MULTILINE)) == set(COMMANDS)


def test_make_targets_are_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    told = set(re.findall(r"(?:^|`)make (\w+)", EVERY_PAGE, re.MULTILINE))
    assert {"report", "test"} <= told
    assert {t for t in told if not re.search(rf"^{t}:", makefile, re.MULTILINE)} == set()


def test_the_two_commands_come_first():
    assert re.findall(r"```\n(make \w+).*\n(make \w+)", README)[0] == ("make report", "make test")
    assert README.index("make report") < README.index("svmodel check")


def test_exit_codes_are_those_of_the_command_line():
    told = [int(c) for c in re.findall(r"(\d+) [a-z]", re.search(r"Exit codes: (.*?)\n\n", README, re.DOTALL)[1])]
    assert told == [cli.WELL, cli.AREA_FAILED, cli.BAD_INPUT, cli.MISMATCH, cli.INTERRUPTED]


@pytest.mark.parametrize("page", [*PAGES, *FOR_DEVELOPERS], ids=lambda p: p.name)
def test_links_and_files_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    linked = [page.parent / t.split("#")[0] for t in re.findall(r"\]\(([^)h\s][^)\s]*)\)", text)]
    folders = "svmodel|notebooks|pipelines|data_synthetic|benchmarks|docs|tests|locks"
    named = [ROOT / t for t in re.findall(rf"(?<![\w/])((?:{folders})/[\w./-]*)", text)]
    missing = {os.path.relpath(p, ROOT) for p in {*linked, *named} if not p.exists()}
    assert missing == set()


def test_no_page_is_left_out_of_the_readme():
    assert {p.name for p in PAGES[1:]} == set(re.findall(r"\(docs/([\w-]+\.md)\)", README))
