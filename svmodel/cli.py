"""The command line: each command parses, calls one function, and prints."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from svmodel.errors import StudyError, UserError, did_you_mean

#: Exit codes.
WELL, AREA_FAILED, BAD_INPUT, MISMATCH, INTERRUPTED = 0, 1, 2, 3, 130
_FORMATS = ("html",)
_LATER = ("pdf", "docx")

app = typer.Typer(
    help="Violence trends, demand forecasts and evaluation of interventions: a report for every area.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command line."""
    app()


def _speaks_plainly(command: Callable[..., None]) -> Callable[..., None]:
    """Turn a user's error into its message and exit code 2, and an interruption into 130."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except UserError as error:
            _leave(str(error), BAD_INPUT)
        except KeyboardInterrupt:
            _leave("Interrupted. Nothing half-written was left; run the same command again to go on.", INTERRUPTED)

    return wrapped


def _leave(message: str, code: int) -> NoReturn:
    print(f"svmodel: {message}", file=sys.stderr)
    raise typer.Exit(code)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        import svmodel

        print(f"svmodel {svmodel.__version__}")
        raise typer.Exit(WELL)


@app.command()
@_speaks_plainly
def run(
    study: Annotated[Path, typer.Argument(help="Study file (YAML).")],
    data: Annotated[Path | None, typer.Option(help="Folder of the data; before SVMODEL_REAL_DATA.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the reports; they go to OUT/<study>.")] = Path("output"),
    areas: Annotated[str | None, typer.Option(help="Some reporting areas only: codes or names, with commas.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Areas at a time; by default one for each core, 4 at most.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Make reports anew that are still good.")] = False,
    formats: Annotated[str, typer.Option("--format", help="html (pdf and docx are not there yet).")] = "html",
) -> None:
    """Make a report for every area of a study."""
    # the work is spread over processes; numeric libraries that each took every core would only wait for one another
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from svmodel.report.console import console_progress, describe_plan, describe_report
    from svmodel.report.run import plan_study, run_study

    _check_formats(formats)
    chosen = None if areas is None else tuple(a.strip() for a in areas.split(",") if a.strip())
    if chosen == ():
        raise UserError("--areas names no area; leave it out for all of them")
    if dry_run:
        plan, _ = plan_study(study, data=data, out=out, areas=chosen)
        print(describe_plan(plan, force=force))
        return
    with console_progress() as progress:
        report = run_study(study, data=data, out=out, areas=chosen, jobs=jobs, force=force, progress=progress)
    print(describe_report(report))
    if report.failed or report.faults:
        raise typer.Exit(AREA_FAILED)


def _check_formats(formats: str) -> None:
    for name in (f.strip().casefold() for f in formats.split(",")):
        if name in _LATER:
            raise UserError(
                f"reports as {name} are not available yet; --format html makes pages that a browser prints to PDF"
            )
        if name not in _FORMATS:
            raise UserError(f"there is no format {name!r}. {did_you_mean(name, (*_FORMATS, *_LATER))}")


@app.command()
@_speaks_plainly
def new(
    data: Annotated[Path, typer.Argument(help="Data file (CSV, Excel, OpenDocument, Parquet), or folder.")],
    out: Annotated[Path | None, typer.Option(help="Study file to write; by default beside the data.")] = None,
) -> None:
    """Write a study file for a data file: what was understood, and what is to be decided."""
    from svmodel.report.study.new import describe_new, new_study

    print(describe_new(*new_study(data, out)))


@app.command()
@_speaks_plainly
def check(
    path: Annotated[Path, typer.Argument(help="Study file (YAML), or data file (CSV, Excel, ODS, Parquet).")],
    data: Annotated[Path | None, typer.Option(help="Folder of the data of a study.")] = None,
    area: Annotated[str | None, typer.Option(help="Column of a data file that names the area.")] = None,
    period: Annotated[str | None, typer.Option(help="Column of a data file that names the period.")] = None,
    counts: Annotated[str | None, typer.Option(help="Columns of a data file that hold counts, with commas.")] = None,
) -> None:
    """Say everything that is wrong with a study or a data file; or what it holds."""
    from svmodel.report.describe import describe_data, describe_study

    if path.suffix.casefold() in (".yaml", ".yml"):
        print(describe_study(path, data))
    elif path.exists():
        columns = () if counts is None else tuple(c.strip() for c in counts.split(",") if c.strip())
        print(describe_data(path, area=area, period=period, counts=columns))
    else:
        raise StudyError(f"there is no file {str(path)!r}")


@app.command()
@_speaks_plainly
def simulate(
    recipe: Annotated[str, typer.Argument(help="Name of the recipe, such as merseyside.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    seed: Annotated[int | None, typer.Option(help="Seed; by default the recipe's own.")] = None,
) -> None:
    """Make synthetic data with known effects."""
    from svmodel.simulate import RECIPES, write

    if recipe not in RECIPES:
        raise UserError(f"there is no recipe {recipe!r}. {did_you_mean(recipe, RECIPES)}")
    given = {} if seed is None else {"seed": seed}
    for path in write(RECIPES[recipe](**given), out):
        print(path)


@app.command()
@_speaks_plainly
def verify(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run: OUT/<study>.")],
    published: Annotated[Path, typer.Argument(help="Published numbers (YAML or CSV).")],
) -> None:
    """Compare a run with published numbers, one by one."""
    from svmodel.report.console import describe_verification
    from svmodel.report.publish.verify import verify as compare

    verification = compare(run_folder, published)
    verification.write(run_folder / "verify.csv")
    print(describe_verification(verification))
    if not verification.holds:
        raise typer.Exit(MISMATCH)


@app.command()
@_speaks_plainly
def schema(
    out: Annotated[Path | None, typer.Option(help="File to write to; without it the schema is printed.")] = None,
) -> None:
    """Write the JSON Schema of study files, from which editors complete and check them."""
    import json

    from svmodel.files import atomic_write_text
    from svmodel.report.study.schema import json_schema

    text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        print(text, end="")
        return
    atomic_write_text(out, text)
    print(f"{out}: put this line first in a study file:\n# yaml-language-server: $schema={out}")
