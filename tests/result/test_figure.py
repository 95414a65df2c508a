import pandas as pd
import pytest

from svmodel.errors import DataError
from svmodel.result.figure import Figure


@pytest.fixture
def canvas():
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(2, 1))
    canvas.add_subplot().plot([1, 2], [3, 1])
    return canvas


DATA = pd.DataFrame({"x": [1, 2], "y": [3, 1]})


def test_an_alternative_that_says_nothing_is_refused(canvas):
    with pytest.raises(DataError, match="number or a direction"):
        Figure(canvas, "A chart of violence", DATA)
    assert Figure(canvas, "Violence fell", DATA).alt == "Violence fell"


def test_a_figure_without_data_is_refused(canvas):
    with pytest.raises(DataError, match="data"):
        Figure(canvas, "Violence fell", DATA.iloc[:0])


def test_saving_writes_drawing_data_and_alternative(canvas, tmp_path):
    figure = Figure(canvas, "Violence fell from 3 to 1", DATA, name="trend")
    paths = figure.save(tmp_path / "new" / "folder")
    assert [p.name for p in paths] == ["trend.svg", "trend.csv", "trend.txt"]
    pd.testing.assert_frame_equal(pd.read_csv(paths[1]), DATA)
    assert paths[2].read_text(encoding="utf-8") == "Violence fell from 3 to 1\n"
    assert paths[0].read_text(encoding="utf-8").startswith("<svg")


def test_the_drawing_has_the_same_bytes_twice(canvas):
    figure = Figure(canvas, "Violence fell", DATA)
    assert figure.svg() == figure.svg()


def test_the_caption_is_text_not_markup(canvas):
    assert "&lt;b&gt;" in Figure(canvas, "<b>fell</b>", DATA)._repr_html_()


def test_no_name_of_a_figure_leads_out_of_the_folder(canvas, tmp_path):
    for name in ("../../out", "a/b", "CON", ""):
        figure = Figure(canvas, "Violence fell", DATA, name=name)
        paths = figure.save(tmp_path / "in" / "figures")
        assert {p.parent for p in paths} == {tmp_path / "in" / "figures"}
        assert paths[0].stem == figure.file != name
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 12
