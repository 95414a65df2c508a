"""The page on study files against the real parser: every example is read, every key is there, every default is true."""

import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from svmodel.checks import CHECKS
from svmodel.protect import RULES
from svmodel.report.study import read_study
from svmodel.report.study.read import parse_study
from svmodel.report.study.registry import check_options, checks, estimators, inferences, notebooks
from svmodel.report.study.schema import json_schema, with_tables
from svmodel.report.study.values import FilePointer

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ROWS = re.findall(r"^\| `([a-z_.]+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", PAGE, re.MULTILINE)
DOCUMENTED = {key for key, *_ in ROWS}
#: Put before an example that does not bring these keys itself; the first example of the page.
BASE = {
    "title": "title: A study\n",
    "data": "data: {path: panel.parquet}\n",
    "outcomes": "outcomes: [{column: violence_with_injury}]\n",
}


def _plain(text):
    """Return every value as its text: YAML 1.1 would take the key `on` for true."""
    return yaml.load(text, Loader=yaml.BaseLoader)


@pytest.fixture
def write(tmp_path):
    for name in ("my_evaluation.ipynb", "my_numbers.yaml"):
        (tmp_path / name).touch()

    def write(example):
        given = yaml.safe_load(example)
        path = tmp_path / "study.yaml"
        path.write_text("".join(text for key, text in BASE.items() if key not in given) + example, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.split(":")[0])
def test_every_example_is_read_without_a_problem(example, write):
    study, problems = parse_study(write(example))
    assert [str(p) for p in problems] == []
    assert study.title


def test_the_smallest_study_runs_on_the_shipped_data(tmp_path):
    path = tmp_path / "smallest.yaml"
    path.write_text(EXAMPLES[0], encoding="utf-8")
    assert read_study(path, look_at_data=True, data=ROOT / "data_synthetic" / "merseyside").intervention is None


def test_the_tables_of_the_page_are_those_of_the_models():
    assert with_tables(PAGE) == PAGE, "run `make page`"
    assert with_tables(PAGE.replace("| heading of every page |", "| a heading |")) == PAGE


def _keys_of(schema, definitions, where=""):
    """Give the dotted name of every key that a schema knows."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for part in [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]:
        yield from _keys_of(part, definitions, where)
    for key, inner in schema.get("properties", {}).items():
        yield f"{where}.{key}".removeprefix(".")
        yield from _keys_of(inner, definitions, f"{where}.{key}".removeprefix("."))


def test_every_key_that_a_study_file_may_have_is_documented_and_no_other():
    schema = json_schema()
    known = set(_keys_of(schema, schema["$defs"]))
    # the choices of methods have tables of their own
    known = {key for key in known if key.split(".")[0] not in ("estimators", "inference", "checks") or "." not in key}
    assert len(known) > 50, "the schema no longer names its keys; this test sees nothing"
    assert known - DOCUMENTED == set()
    assert DOCUMENTED - known == set()


def test_a_key_that_is_not_documented_is_refused(write):
    path = write("forecast: {horizon: 2, until: 2030}\neconomics: {discount: 0.035}\ncourses: []\n")
    _, problems = parse_study(path)
    assert sorted(p.what for p in problems) == [
        "there is no key 'courses'",
        "there is no key 'discount' in economics",
        "there is no key 'until' in forecast",
    ]


def test_the_documented_defaults_are_those_of_the_parser(write):
    study, _ = parse_study(
        write(""" # nothing but what has to be there
data: {path: data.csv, population: {path: people.csv}, joins: [{path: p, on: a, columns: b}]}
intervention: {name: Patrols, starts: {A: 2020-01}, cost: [{item: i, quantity: 1, unit_cost: 1, price_year: 2020}]}
specifications: {}
power: {}
economics: {unit_costs: [{outcome: violence_with_injury, cost: 1, price_year: 2020}]}
""")
    )
    places = {
        "forecast": lambda key: getattr(study, key),
        "data.joins": lambda key: getattr(study.data.joins[0], key),
        "data.population": lambda key: getattr(study.data.population, key),
        "outcomes": lambda key: getattr(study.outcomes[0], key),
        "intervention.cost": lambda key: getattr(study.intervention.cost[0], key),
        "economics.unit_costs": lambda key: getattr(study.economics.unit_costs[0], key),
        "": lambda key: getattr(study, key),
    }
    for group in ("data", "intervention", "economics", "disclosure", "specifications", "power"):
        places[group] = lambda key, group=group: getattr(getattr(study, group), key)
    bare, _ = parse_study(write(EXAMPLES[0]))
    lists = {
        "data.joins": bare.data.joins,
        "intervention.cost": parse_study(write("intervention: {name: P, starts: {A: 2020-01}}\n"))[0].intervention.cost,
        "economics.unit_costs": bare.economics.unit_costs,
    }
    looked_at = 0
    for key, _, default, _ in ROWS:
        group, _, name = key.rpartition(".")
        stated = re.fullmatch(r"`(.+)`", default)
        if stated is None or group in ("intervention.starts", "intervention.ends"):
            continue
        found = lists[key] if key in lists else places[group](name)
        stands = yaml.safe_load(stated[1])
        as_list = list(found) if isinstance(found, tuple) else found
        assert as_list == stands, f"{key} is {found!r} where the page says {stands!r}"
        looked_at += 1
    assert looked_at > 20
    pointed, _ = parse_study(write("intervention: {name: Patrols, starts: {file: starts.csv}}\n"))
    assert pointed.intervention.starts == FilePointer(file="starts.csv", area="area", period="period")


@pytest.mark.parametrize("key", [key for key, _, default, _ in ROWS if default == "required"])
def test_what_is_called_required_is(key, write):
    """Each key that has to be there is taken out of the first example that has it, and is missed by name."""
    parts = key.split(".")
    for example in EXAMPLES:
        held = {**_plain("".join(BASE.values())), **_plain(example)}
        place, inside = held, True
        for part in parts[:-1]:
            place = place.get(part) if inside else None
            place = place[0] if isinstance(place, list) else place
            inside = isinstance(place, dict)
        if inside and parts[-1] in place:
            del place[parts[-1]]
            path = write(example)
            path.write_text(yaml.safe_dump(held), encoding="utf-8")
            _, problems = parse_study(path)
            assert f"the key {parts[-1]!r} is missing" in [p.what for p in problems]
            return
    pytest.fail(f"no example of the page has {key}")


def test_estimators_with_their_choices_checks_and_rules_are_all_named():
    stated = {
        name: re.findall(r"`(\w+)`", choices)
        for name, choices in re.findall(r"^\| `((?:[a-z]+\.)?[A-Z]\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    }
    methods = {**estimators(), **inferences()}
    there = {n: [f.name for f in dataclasses.fields(e) if f.init] for n, e in methods.items()}
    assert stated == there
    section = PAGE.split("\n## checks\n")[1].split("\n## ")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (`.*) \|$", section, re.MULTILINE))
    options = {c: tuple(re.findall(r"`(\w+)`", o)) for c, o in told.items()}
    assert options == {c: check_options(c) for c in checks() if check_options(c)}
    named = re.search(r"## checks\n\nNames: (.*?)\. ", PAGE, re.DOTALL)[1]
    assert re.findall(r"`(\w+)`", named) == list(checks()) == list(CHECKS)
    assert {r for r in RULES if f"`{r}`" in PAGE} == set(RULES)
    assert {n for n in notebooks() if f"`{n}`" in PAGE} == set(notebooks())
