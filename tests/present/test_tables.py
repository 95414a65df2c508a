import math

import pandas as pd
import pytest

from svmodel.errors import DataError
from svmodel.present.facts import EffectFact
from svmodel.present.tables import NBSP, Table, data_table, effects_table, frame_table
from svmodel.result import Effect


def test_a_table_needs_a_caption_and_whole_rows():
    with pytest.raises(DataError, match="caption"):
        Table(" ", ("A",), ())
    with pytest.raises(DataError, match="1 cells, not 2"):
        Table("T", ("A", "B"), (("x",),))


def test_html_has_caption_scopes_and_escapes():
    html = Table("A & B", ("Area", "Events", "Why"), (("<b>", "3", "x"),), words=("Why",)).html()
    assert "<caption>A &amp; B</caption>" in html
    assert '<th scope="row">&lt;b&gt;</th>' in html
    assert html.count('scope="col"') == 3
    assert '<td class="num">3</td><td>x</td>' in html


def test_hidden_and_unknown_have_their_own_sign_and_are_explained():
    frame = pd.DataFrame({"area": ["A", "B"], "n": [math.nan, math.nan], "n_flag": ["c", "x"]})
    table = frame_table(frame, "T", {"area": ("Area", None), "n": ("N", lambda v: f"{v:.0f}")})
    assert table.rows == (("A", "[c]"), ("B", "[x]"))
    assert "[c] hidden" in table.html()


def test_the_data_table_shows_every_column_but_the_flags():
    frame = pd.DataFrame(
        {"period": [pd.Period("2024-01", "M")], "count": [1204.0], "count_flag": [""], "odd_one": [1.26]}
    )
    table = data_table(frame, "Data")
    assert table.header == ("Period", "Count", "Odd one")
    assert table.rows == (("Jan 2024", "1,204", "1.3"),)


def test_effects_carry_sign_interval_and_gaps():
    ratio = Effect("att", "rate_ratio", 0.9, 0.05, 0.8, 1.01, 0.95, 0.0004)
    row = effects_table([("ETWFE", EffectFact("ETWFE", ratio, None, None))], "T").rows[0]
    assert row == ("ETWFE", f"−10.0% (−20.0%{NBSP}to{NBSP}+1.0%)", "[x]", "[x]", f"<{NBSP}0.001")


def test_a_long_data_table_shows_this_area_and_all_areas_and_says_where_the_rest_is():
    months = pd.period_range("2015-01", periods=120, freq="M")
    rows = [(f"Name {a}", a, p, 1.0) for a in ("A", "B", "C", "all areas") for p in months]
    frame = pd.DataFrame(rows, columns=["label", "area", "period", "rate"])
    table = data_table(frame, "Data", area="B", file="figures/x.csv")
    assert table.header == ("Area", "Period", "Rate per 100,000")
    assert {row[0] for row in table.rows} == {"Name B", "Name all areas"}
    assert len(table.rows) == 240
    assert (
        "240 of 480 rows are shown here: this area and all areas together. All 480 are in figures/x.csv." in table.note
    )
    # still too long: one month a year, the last one among them
    longer = pd.concat([frame.assign(period=frame["period"] + 120 * k) for k in range(3)])
    table = data_table(longer, "Data", area="B", file="figures/x.csv")
    assert len(table.rows) == 60
    assert table.rows[-1][1] == "Dec 2044"
    assert "one month a year" in table.note
    # a page of no area, or a short frame: every row
    assert len(data_table(frame.drop(columns="period"), "Data").rows) == 480
    assert data_table(frame.head(10), "Data", area="A").note == ""
