import math

import pandas as pd
import pytest

from svmodel.errors import DataError
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
    row = effects_table([("ETWFE", ratio, None, None)], "T").rows[0]
    assert row == ("ETWFE", f"−10.0% (−20.0%{NBSP}to{NBSP}+1.0%)", "[x]", "[x]", f"<{NBSP}0.001")
