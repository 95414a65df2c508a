"""What a page is made of: sections that answer one question each, and the blocks inside them."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

from svmodel.errors import DataError
from svmodel.present.tables import Table, data_table, stacked_heads
from svmodel.result.figure import Figure

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Callout:
    """A paragraph that must not be overlooked, with the word that says why."""

    text: str
    kind: str = "Note"


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Folded:
    """A list of sentences that stays folded until a reader opens it."""

    summary: str
    items: tuple[str, ...]


Block: TypeAlias = "Heading | Words | Callout | Points | Folded | Table | Figure"


@dataclass(frozen=True, eq=False)
class Section:
    """One section of a page.

    Parameters
    ----------
    key : str
        Short name, used for links within the page.
    title : str
        The question that it answers, or its subject.
    answer : str
        The answer in a sentence or two, with its number and its uncertainty; empty for sections that answer none of
        the four questions.
    blocks : tuple of Block
        Headings, paragraphs, lists, tables and figures, in order.
    area : str
        Code of the area that the page is about; long tables of figures' data show its rows.

    Raises
    ------
    DataError
        If a figure's name stands twice, since its files would overwrite each other.
    """

    key: str
    title: str
    answer: str
    blocks: tuple[Block, ...] = ()
    area: str = ""

    def __post_init__(self) -> None:
        names = [f.file.casefold() for f in figures_of(self)]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise DataError(f"section {self.key!r} has two figures named {twice[0]!r}")

    def _repr_html_(self) -> str:
        return section_html(self)


def figures_of(section: Section) -> tuple[Figure, ...]:
    """Return the section's figures, in order."""
    return tuple(b for b in section.blocks if isinstance(b, Figure))


def file_as(prefix: str, figure: Figure, **changes: Any) -> Figure:
    """Return a figure whose files begin with `prefix` (its outcome, say), with other fields changed."""
    return replace(figure, name=f"{prefix}_{figure.name}", **changes)


#: Digits of a coordinate beyond the first after the point.
_FINE = re.compile(r"(?<=\.\d)\d+")


@dataclass(frozen=True, eq=False)
class Page:
    """One area's page.

    Parameters
    ----------
    title : str
        The page's one main heading.
    study : str
        The study's title.
    summary : str
        What the study is about, in a sentence.
    synthetic : bool
        Whether the page carries the mark of synthetic data.
    sections : tuple of Section
        In the order of the page; those with an answer are gathered at its head.
    footnotes : tuple of str
        Lines at the foot.
    home : str
        Relative address of the index; empty for none.
    alert : str
        What a reader has to know before anything else; empty for nothing.
    """

    title: str
    study: str
    summary: str
    synthetic: bool
    sections: tuple[Section, ...]
    footnotes: tuple[str, ...] = ()
    home: str = ""
    alert: str = ""


def render(page: Page) -> str:
    """Return the page as one HTML document; the same page gives the same bytes."""
    return _sharing(render_template("page.html.j2", page=page, answers=[s for s in page.sections if s.answer]))


def section_html(section: Section) -> str:
    """Return one section as a piece of HTML, as notebooks show it: figures with their words, without their data."""
    return _sharing(render_template("section.html.j2", section=section, with_data=False))


def render_template(name: str, /, **values: Any) -> str:
    """Return a template of ours filled in; every text is escaped, and an unknown name is an error."""
    text = _environment().get_template(name).render(**values)
    return re.sub(r"\n\s*\n+", "\n", text).strip() + "\n"


#: A name as a study file or a program writes it, in its marks.
_CODE = re.compile(r"`([^`<>]+)`")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("svmodel.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = lambda text: Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.filters["svg"] = lambda figure: Markup(inline_svg(figure))  # noqa: S704 - our own drawing
    environment.filters["heads"] = lambda header: Markup(stacked_heads(header))  # noqa: S704 - escapes its headings
    environment.filters["table"] = lambda table: Markup(table.html())  # noqa: S704 - escapes its cells
    environment.filters["data_table"] = lambda figure, area: Markup(_data_html(figure, area))  # noqa: S704 - as above
    return environment


def _data_html(figure: Figure, area: str) -> str:
    caption = f"Data of the figure: {figure.title}"
    return data_table(figure.data, caption, area=area, file=f"figures/{figure.file}.csv").html()


def inline_svg(figure: Figure) -> str:
    """Return a figure's drawing for use inside a page.

    It is named and described for readers who cannot see it, scales with the page, brings no metadata (whose
    addresses a reader might take for requests), and has identifiers that are its own among all the
    figures of the page. What no reader sees is left out: names that nothing points to, and digits below a tenth
    of a point.
    """
    own = f"fig-{figure.file}"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", own):
        own = f"{re.sub(r'[^A-Za-z0-9_-]', '-', own)}-{zlib.crc32(own.encode()):08x}"
    text = figure.svg()
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = _with_own_names(text, own)
    text = text.replace('<style type="text/css">*{', f'<style type="text/css">#{own} *{{')
    text = re.sub(r' d="([^"]*)"', lambda m: f' d="{_path(m[1])}"', text)
    text = re.sub(r' (x|y)="[^"]*"', lambda m: re.sub(_FINE, "", m[0]), text)
    text = re.sub(r"\n\s*", "\n", text)
    head = re.match(r"<svg\b[^>]*>", text)
    box = re.search(r'viewBox="[^"]+"', head[0]) if head else None
    if head is None or box is None:
        return text
    opening = (
        f'<svg id="{own}" role="img" aria-labelledby="{own}-title {own}-desc" {box[0]} '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1">'
        f'<title id="{own}-title">{escape(figure.title or figure.name)}</title>'
        f'<desc id="{own}-desc">{escape(figure.alt)}</desc>'
    )
    return opening + text[head.end() :]


def _sharing(html: str) -> str:
    """Return a page whose drawings share the shapes that they have in common, which are those of letters mostly."""
    first: dict[str, str] = {}
    same: dict[str, str] = {}

    def keep_first(found: re.Match[str]) -> str:
        name, shape = found[1], found[2]
        same[name] = first.setdefault(shape, name)
        return found[0] if same[name] == name else ""

    html = re.sub(r'<path id="([^"]+)" ([^>]*)/>\n?', keep_first, html)
    html = re.sub(r"<defs>\s*</defs>\n?", "", html)
    return re.sub(r'href="#([^"]+)"', lambda m: f'href="#{same.get(m[1], m[1])}"', html)


def _path(commands: str) -> str:
    """Return the commands of a path in fewer letters: a line that goes on needs no command of its own."""
    text = " ".join(re.sub(_FINE, "", commands).split()).replace(".0 ", " ")
    return re.sub(r"(?<=L )[^A-Za-z]+(?:L [^A-Za-z]+)+", lambda m: m[0].replace("L ", ""), text)


def _with_own_names(text: str, own: str) -> str:
    """Return a drawing in which the names that something points to are numbered, and all others left out."""
    wanted = dict.fromkeys(re.findall(r'href="#([^"]+)"', text) + re.findall(r"url\(#([^)]+)\)", text))
    prefix = f"f{zlib.crc32(own.encode()):08x}"
    short = {name: f"{prefix}-{number}" for number, name in enumerate(wanted)}
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{short[m[1]]}"' if m[1] in short else "", text)
    text = re.sub(r'href="#([^"]+)"', lambda m: f'href="#{short[m[1]]}"', text)
    return re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{short[m[1]]})", text)
