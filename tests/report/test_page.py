"""The page as HTML: parses, is accessible in structure, and asks nothing of any address."""

import re
from dataclasses import replace

import pytest

from svmodel.checks import CHECKS
from svmodel.checks.runner import OF_POSTERIORS
from svmodel.protect import Disclosure
from svmodel.report import open_area
from svmodel.report.pages.content import inline_svg

#: Names of vocabularies in SVG; a browser asks nothing of them.
NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


@pytest.fixture(scope="module")
def html(tmp_path_factory, small_study):
    context = replace(small_study.fitted(), disclosure=Disclosure("hes"))
    return small_study.write_area(context, "N", tmp_path_factory.mktemp("page")).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outline(html, read_outline):
    return read_outline(html)


def test_language_title_and_one_main_heading(html, outline):
    assert html.startswith("<!DOCTYPE html>")
    assert outline.all("html") == [{"lang": "en-GB"}]
    assert outline.headings.count(1) == 1
    assert len(outline.all("main")) == 1
    assert "<title>North – Small study of patrols</title>" in html


def test_headings_go_down_one_level_at_a_time(outline):
    assert outline.headings[0] == 1
    steps = [b - a for a, b in zip(outline.headings, outline.headings[1:], strict=False)]
    assert max(steps) <= 1


def test_identifiers_are_unique_and_links_within_the_page_lead_somewhere(html, outline):
    twice = {i for i in outline.ids if outline.ids.count(i) > 1}
    assert not twice
    ids = set(outline.ids)
    assert outline.all("a")[0] == {"class": "skip", "href": "#content"}
    for held in outline.all("a"):
        if held["href"].startswith("#"):
            assert held["href"][1:] in ids
    for _, held in outline.tags:
        for name in held.get("aria-labelledby", "").split():
            assert name in ids
        used = held.get("xlink:href", "")
        assert not used.startswith("#") or used[1:] in ids
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= ids


def test_every_drawing_is_named_and_described_and_has_its_data(html, outline):
    drawings = [held for held in outline.all("svg") if held.get("role") == "img"]
    assert len(drawings) == len(outline.all("figure")) == len(outline.all("svg")) >= 8
    assert all(len(held["aria-labelledby"].split()) == 2 for held in drawings)
    for piece in re.findall(r"<figure>.*?</figure>", html, flags=re.DOTALL):
        assert re.search(r"<title [^>]*>[^<]{5,}</title>", piece)
        assert re.search(r"<desc [^>]*>[^<]{20,}</desc>", piece)
        assert "<details>" in piece
        assert "<table>" in piece
        assert re.search(r"<figcaption>[^<]+</figcaption>", piece)


def test_every_table_has_a_caption_and_scopes(html):
    tables = re.findall(r"<table>.*?</table>", html, flags=re.DOTALL)
    assert len(tables) >= 10
    for table in tables:
        assert re.search(r"<caption>[^<]+</caption>", table)
        heads = re.findall(r"<th\b[^>]*>", table)
        assert all('scope="' in h for h in heads)
        columns = table.count('scope="col"')
        for row in re.findall(r"<tr>.*?</tr>", table.split("<tbody>")[1], flags=re.DOTALL):
            assert row.count("<td") + row.count("<th") == columns
            assert row.count('scope="row"') == 1


def test_the_page_asks_nothing_of_any_address(html, outline):
    assert set(re.findall(r"https?://[^\s\"'<>)]+", html)) <= NAMESPACES
    assert not outline.all("script")
    assert not outline.all("img")
    assert all(held["href"] == "data:," for held in outline.all("link"))
    assert not re.search(r"@import|@font-face|src=", html)


def test_colours_have_the_contrast_that_the_guidelines_ask_for():
    """WCAG 2.2: 4.5:1 for text, 3:1 for what is drawn (1.4.3, 1.4.11), on white."""
    from svmodel.present import style

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(colour, ground="#ffffff"):
        light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    for colour in (style.BLUE, style.TEAL, style.MAGENTA, style.INK, style.GREY, style.WHISKER):
        assert contrast(colour) >= 3, colour
    assert contrast(style.ORANGE) >= 2.9  # the palette's own orange; it is dashed and labelled as well
    for ink, ground in (("#1d1d1d", "#ffffff"), ("#12436D", "#ffffff"), ("#4a4f54", "#eef3f7"), ("#0b4f8a", "#eef3f7"),
                        ("#1d1d1d", "#ffe9d6"), ("#7a0d2e", "#ffffff")):  # fmt: skip
        assert contrast(ink, ground) >= 4.5, (ink, ground)


def test_statuses_are_words_and_not_colours_alone(html):
    table = next(t for t in re.findall(r"<table>.*?</table>", html, flags=re.DOTALL) if "Checks of the headline" in t)
    found = re.findall(r"(Passed|Warning|For information|The check broke)</td>", table)
    folded = re.search(r"<summary>(\d+) checks? that do(?:es)? not apply</summary>\s*<ul>(.*?)</ul>", html, re.DOTALL)
    assert len(found) == table.count('scope="row"') == len(CHECKS) - len(OF_POSTERIORS) - int(folded[1])
    assert folded[2].count("<li>") == int(folded[1]) > 0
    assert "Does not apply" not in html


def test_the_mark_of_synthetic_data_is_on_synthetic_pages_alone(html, tmp_path, small_study):
    assert "SYNTHETIC" not in html
    context = replace(small_study.fitted(intervention=False), synthetic=True)
    marked = small_study.write_area(context, "S", tmp_path).read_text(encoding="utf-8")
    assert "<strong>SYNTHETIC DATA</strong>" in marked
    assert "(synthetic data)</title>" in marked


def test_names_are_escaped(tmp_path, small_study, read_outline):
    page = open_area(small_study.fitted(), "W", tmp_path)
    page.quality()
    page = page.html()
    assert "<h1>West &amp; Central</h1>" in page
    read_outline(page)


def test_two_drawings_on_one_page_share_no_identifier(read_outline):
    import pandas as pd
    from matplotlib.figure import Figure as Canvas

    from svmodel.result.figure import Figure

    canvas = Canvas(figsize=(2, 1))
    canvas.add_subplot().plot([1, 2], [3, 1])
    data = pd.DataFrame({"x": [1]})
    one, two = (inline_svg(Figure(canvas, "It fell <3", data, "T & t", name)) for name in ("one", "two"))
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (one, two)]
    assert not ids[0] & ids[1]
    assert "It fell &lt;3" in one
    assert "T &amp; t" in one
    assert "metadata" not in one
    read_outline(one)


def test_no_column_goes_by_its_own_name_in_any_text(tmp_path, small_study):
    frame = small_study.make_frame().rename(columns={"violence": "violence_with_injury"})
    context = small_study.make_context(tmp_path / "study", frame=frame, rename={"violence": "violence_with_injury"})
    html = small_study.write_area(context, "N", tmp_path / "out").read_text(encoding="utf-8")
    text = re.sub(r"<svg.*?</svg>|<style>.*?</style>|<a [^>]*>|<[^>]+>", " ", html, flags=re.DOTALL)
    found = re.findall(r"[^ ]*violence_with_injury[^ ]*", text)
    assert all(word.startswith("figures/") for word in found), found


def test_drawings_share_letters_and_still_point_to_them(html):
    shapes = re.findall(r'<path id="[^"]+" ([^>]*)/>', html)
    assert len(shapes) == len(set(shapes)) > 20
