"""The groups of a study file: data, outcomes, intervention, breaks, forecast, costs and disclosure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationInfo,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass

from svmodel.costs import CostLine
from svmodel.design.meaning import GOOD, Good
from svmodel.errors import Problem, UserError, did_you_mean
from svmodel.panel.rules import Roles
from svmodel.protect import RULES, Disclosure
from svmodel.report.study.fields import (
    LISTED,
    PAIRS,
    RENAMED,
    STRICT,
    Amount,
    Anything,
    Column,
    Columns,
    File,
    Flag,
    Keys,
    LastPeriod,
    Names,
    Period,
    Takes,
    Text,
    Told,
    Year,
    again,
    all_wrong,
    group,
    one_of,
    read_text,
    whole,
    wrong,
)
from svmodel.report.study.registry import layout_options, layouts
from svmodel.sources.answers import CHOICES, Answers


@dataclass(frozen=True, config=STRICT)
class JoinSpec(Keys):
    """Columns that another file gives to the rows of the data; see :class:`svmodel.sources.Join`."""

    path: File
    """CSV or Parquet with one row for each key"""
    on: Annotated[Mapping[str, Text], PAIRS, Told("name, list of names, or `here: there`")]
    """the key. `year` is the calendar year of the row where the data have no such column"""
    columns: Annotated[Mapping[str, Text], PAIRS, Told("name, list of names, or `there: here`")]
    """what it brings"""
    mid_year: Column | None = None
    """year of mid-year estimates: values are carried to each period on straight lines between 30 Junes"""
    missing_ok: Flag = False
    """whether a key that the file lacks is left missing (and noted) instead of an error"""


@dataclass(frozen=True, config=STRICT)
class PopulationSpec(Keys):
    """Mid-year populations to use as exposure."""

    path: File
    """table with columns `area_code, area_name, year, population`"""
    by: Annotated[Literal["code", "name"], one_of("by", ("code", "name"))] = "code"
    """whether the areas of the data are codes or names"""
    column: Text = "population"
    """name that the exposure gets"""

    def as_join(self, area: str) -> JoinSpec:
        """Return the join that brings it, carried from mid-year to mid-year."""
        return JoinSpec(self.path, {area: f"area_{self.by}"}, {"population": self.column}, mid_year="year")


@dataclass(frozen=True, config=STRICT)
class DataSpec(Keys):
    """Where the data stand, and which column plays which part."""

    path: File
    """file or folder, from the data root"""
    root: Annotated[Text | None, Told("`real` or folder", "none: the study file's folder")] = None
    """`real`: the folder given by `--data`, else by SVMODEL_REAL_DATA. `--data` goes before every root"""
    layout: Annotated[str, one_of("layout", layouts)] = "tidy"
    """one of the layouts of [data.md](data.md)"""
    area: Annotated[Text | None, Told("column", "none: `area`, or what the file says")] = None
    """names the area"""
    period: Annotated[Text | None, Told("column", "none: `period`, or what the file says")] = None
    """names the period"""
    counts: Columns = ()
    """whole numbers, 0 or more. Not needed for a Parquet file of `write_panel`, nor for a publisher's layout, which
    brings its own"""
    measures: Columns = ()
    """real-valued outcomes, for linear families only"""
    exposures: Columns = ()
    """persons, above zero"""
    covariates: Columns = ()
    """numbers to adjust for"""
    parent: Column | None = None
    """the reporting area that an area lies in"""
    name: Column | None = None
    """readable name of the area"""
    parent_name: Column | None = None
    """readable name of the reporting area"""
    names: Annotated[Mapping[str, Text], RENAMED, Told("group `code: name`")] = Field(default_factory=dict)
    """readable names, written out"""
    options: Annotated[Anything, Told("group")] = Field(default_factory=dict)
    """options of the layout's reader, for `tidy` `vintage` and `lsoa_lookup`; a text that names a file beside the
    data is that file"""
    sources: Names = ()
    """publishers and licences, printed as written"""
    period_written: Annotated[Text | None, Told("text", "none: as the column shows")] = None
    """how the periods are written, where that can be read in several ways: `day first`, `month first`, `months`,
    `quarters`, `calendar years`, `financial years`, `academic years`, `year and month`, `Excel dates`,
    `days`, `week beginning`, `week ending`, or a time zone"""
    leave_out: Names = ()
    """areas of the data that are not used, such as one without residents"""
    sheet: Annotated[Text | None, Told("text", "none: the sheets of the layout that holds most")] = None
    """sheet of a workbook to read"""
    columns_are: Annotated[
        Annotated[str, one_of("answer", CHOICES["columns_are"])] | None, Told("`areas` or `outcomes`", "none")
    ] = None
    """what the columns of numbers are, where no column names an area"""
    dashes: Annotated[
        Annotated[str, one_of("answer", CHOICES["dashes"])] | None, Told("`nil` or `missing`", "none")
    ] = None
    """what `-` and `.` stand for in place of a number"""
    decimal: Annotated[
        Annotated[str, one_of("answer", CHOICES["decimal"])] | None,
        Told("`comma` or `point`", "none: as the file shows"),
    ] = None
    """what parts the decimals, where no number of the file shows it"""
    nested: Annotated[
        Annotated[str, one_of("answer", CHOICES["nested"])] | None,
        Told("`areas over outcomes` or `outcomes over areas`", "none"),
    ] = None
    """which stands above the other where columns, or rows, hold areas and outcomes crossed"""
    leave_out_columns: Columns = ()
    """columns that are not read, such as a total that does not add up"""
    population: PopulationSpec | None = None
    """mid-year populations as exposure"""
    joins: Annotated[tuple[JoinSpec, ...], LISTED] = ()
    """columns of other files, joined by key"""

    @field_validator("options")
    @classmethod
    def _of_the_layout(cls, options: Mapping[str, Any], info: ValidationInfo) -> Mapping[str, Any]:
        layout = info.data.get("layout")
        if layout is None:
            return options
        try:
            valid = layout_options(layout)
        except UserError as error:
            raise wrong("broken_plug_in", error.title) from None
        unknown = [k for k in options if k not in valid]
        if unknown:
            raise all_wrong(((k,), wrong("unknown_key", k, did_you_mean(k, valid, limit=20))) for k in unknown)
        return options

    @property
    def roles(self) -> Roles:
        """The columns by role, as far as the study names them; populations are an exposure."""
        brought = () if self.population is None else (self.population.column,)
        exposures = tuple(dict.fromkeys((*self.exposures, *brought)))
        return Roles(
            self.area or "",
            self.period or "",
            self.counts,
            self.measures,
            exposures,
            self.covariates,
            self.parent,
            self.name,
            self.parent_name,
        )

    @property
    def answers(self) -> Answers:
        """What the study says about a table that can be read in several ways."""
        return Answers(self.sheet, self.columns_are, self.dashes, self.decimal, self.nested, self.leave_out_columns)

    @property
    def all_joins(self) -> tuple[JoinSpec, ...]:
        """The joins, and the populations as the last of them."""
        if self.population is None:
            return self.joins
        return (*self.joins, self.population.as_join(self.area or "area"))


@dataclass(frozen=True, config=STRICT)
class OutcomeSpec(Keys):
    """One outcome: its column, the label that readers see, and whether it is a hospital count."""

    column: Column
    """a count or measure of the data"""
    label: Annotated[Text, Told("text", "the column's name in words")] = ""
    """what readers see"""
    hospital: Flag = False
    """adds the caution for hospital counts. It does not choose a disclosure rule: set `hes` where HES data are
    used"""
    good: Annotated[
        Annotated[Good, one_of("way", GOOD)] | None,
        Told("`fewer`, `more` or `neither`", "`fewer` of a count, `neither` of a measure"),
    ] = None
    """which way is good. No number depends on it, but what is said of numbers does: a count of which fewer is good
    counts harms, and only what is prevented of those has a price"""

    @model_validator(mode="after")
    def _in_words(self) -> Self:
        object.__setattr__(self, "label", self.label or self.column.replace("_", " "))
        return self


@dataclass(frozen=True, config=STRICT)
class FilePointer(Keys):
    """Periods that stand in a file."""

    file: Annotated[Text, Told("path", "–")]
    """a CSV with a row for each treated area,"""
    area: Column = "area"
    """its column of areas,"""
    period: Annotated[Text, Told("column, or a period")] = "period"
    """and of first periods. With `column`: the first period of all"""
    period_written: Annotated[Text | None, Told("text", "none: as the column shows")] = None
    """how they are written, as for the data"""


@dataclass(frozen=True, config=STRICT)
class ColumnPointer(Keys):
    """Areas that a column of the data marks with 1, all with one period."""

    column: Annotated[Text, Told("column", "–")]
    """or: a column of the data that is 1 in treated areas and 0 elsewhere"""
    period: Period
    """the first period of all"""


_OF_ANY_TYPE = ConfigDict(arbitrary_types_allowed=True)
_PERIODS: dict[str, TypeAdapter[Any]] = {
    "starts": TypeAdapter(Mapping[str, Period], config=_OF_ANY_TYPE),
    "ends": TypeAdapter(Mapping[str, LastPeriod], config=_OF_ANY_TYPE),
}


def _when(given: Any, _handler: Any, info: ValidationInfo) -> Any:
    """Read `area: period`, or where in the data it stands."""
    if isinstance(given, FilePointer | ColumnPointer):
        return given
    held = group(given)
    if not held:
        raise wrong("nobody_treated", "no area is named")
    pointer = FilePointer if "file" in held else ColumnPointer if "column" in held else None
    asked: TypeAdapter[Any] = _PERIODS[info.field_name or "starts"] if pointer is None else TypeAdapter(pointer)
    return asked.validate_python(held, context=info.context)


When = Annotated[Mapping[str, Period] | FilePointer | ColumnPointer, WrapValidator(_when)]


@dataclass(frozen=True, config=STRICT)
class CostSpec(Keys, CostLine):
    """One line of the cost ledger."""

    item: Text
    """what was paid for"""
    quantity: Amount
    """how many"""
    unit_cost: Amount
    """pounds for one"""
    price_year: Year
    """whose prices; a sum without a price base says nothing"""
    source: Text = ""
    """where the figure stands"""


@dataclass(frozen=True, config=STRICT)
class InterventionSpec(Keys):
    """Where and when something was done. What points to data is found when the data are opened."""

    name: Text
    """as reports call it"""
    starts: Annotated[When, Told("group")]
    """`area: period`, the first period with it, by area of the data; or one of the two pointers below. An area
    without a start is never treated"""
    ends: Annotated[When, Told("group", "none")] = Field(default_factory=dict)
    """last periods, written in the same ways. Area-periods after an end serve neither as treated nor as control"""
    cost: Annotated[tuple[CostSpec, ...], LISTED] = ()
    """the cost ledger"""
    description: Text = ""
    """printed under methods"""


@dataclass(frozen=True, config=STRICT)
class BreakSpec(Keys):
    """A declared change in how the data came about, from `period` (to `until`, where it was passing)."""

    period: Period
    """first period of the change"""
    reason: Text
    """in words that a figure can carry"""
    until: Annotated[LastPeriod | None, Told("period", "none: it lasts")] = None
    """last period of a passing one"""

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        until = self.until
        days = {"D", "M"}
        if until is not None and (
            (until.freqstr != self.period.freqstr and {until.freqstr, self.period.freqstr} != days)
            or until.end_time < self.period.start_time
        ):
            raise all_wrong([(("until",), wrong("bad_period", f"{until} is not after {self.period}"))])
        return self


@dataclass(frozen=True, config=STRICT)
class ForecastSpec(Keys):
    """How far to look."""

    horizon: Annotated[int, whole(0, 60)] = 12
    """periods ahead; 0 for no forecast. Where the key is missing, one year in whatever periods the data have"""


@dataclass(frozen=True, config=STRICT)
class UnitCost(Keys):
    """What one event of an outcome costs society, in pounds of `price_year`."""

    outcome: Column
    """an outcome of the study"""
    cost: Amount
    """pounds for one event"""
    price_year: Year
    """whose prices; a sum without a price base says nothing"""
    source: Text = ""
    """where the figure stands"""


@dataclass(frozen=True, config=STRICT)
class EconomicsSpec(Keys):
    """Unit costs of outcomes, and the year in whose prices the report speaks."""

    unit_costs: Annotated[tuple[UnitCost, ...], LISTED] = ()
    """what one event costs; each for an outcome of the study"""
    price_year: Annotated[Year | None, Told("year, 1950 to 2100", "none: 2024")] = None
    """year in whose prices the report speaks"""


Positive = Annotated[int, whole(1)]


@dataclass(frozen=True, config=STRICT)
class DisclosureSpec(Keys):
    """The rule for small numbers; see :mod:`svmodel.protect`."""

    rule: Annotated[str, Takes(read_text, "`none`, `threshold` or `hes`", {"enum": list(RULES)})] = "none"
    """required once the group is there"""
    threshold: Annotated[Positive | None, Told("whole number, 3 or more", "none: 5 for `threshold`")] = None
    """smallest count above zero that is shown"""
    round_to: Annotated[Positive | None, Told("whole number, 1 or more", "none: 1 for `threshold`")] = None
    """shown counts are rounded to its multiples"""

    @classmethod
    def from_file(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Return the keys; a group without a rule is refused."""
        if "rule" not in given and not again(info):
            raise all_wrong([(("rule",), wrong("missing_key", "the key 'rule' is missing"))])
        return given

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        try:
            self.build()
        except UserError as error:
            found = error.problems or (Problem(error.title),)
            raise all_wrong(
                ((p.where,) if p.where else (), wrong("bad_disclosure", p.what, p.fix)) for p in found
            ) from None
        return self

    def build(self) -> Disclosure:
        """Return the Disclosure."""
        given = {"threshold": self.threshold, "round_to": self.round_to}
        return Disclosure(rule=self.rule, **{k: v for k, v in given.items() if v is not None})
