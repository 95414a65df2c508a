import json

import pytest

from svmodel.errors import DataError
from svmodel.report.run.manifest import MARKER, is_complete, mark, read_manifest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "report.html").write_text("page")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "one.svg").write_text("drawing")
    (tmp_path / "run.log").write_text("at noon")
    mark(tmp_path, "abc")
    return tmp_path


def test_a_folder_is_complete_only_as_it_was_written(folder):
    assert is_complete(folder, "abc")
    assert not is_complete(folder, "abd")
    (folder / "run.log").write_text("at one")
    assert is_complete(folder, "abc")
    (folder / "figures" / "one.svg").write_text("drawn over")
    assert not is_complete(folder, "abc")


@pytest.mark.parametrize("content", ["", "[]", "{", "{}"])
def test_a_broken_marker_is_no_marker(folder, content):
    (folder / MARKER).write_text(content)
    assert not is_complete(folder, "abc")


def test_a_failed_area_is_tried_again(folder):
    mark(folder, "abc", message="why")
    assert not is_complete(folder, "abc")


@pytest.mark.parametrize("mark_of", ["svmodel-manifest-0", "svmodel-manifest-2"])
def test_an_older_or_newer_manifest_is_refused_with_what_to_do(tmp_path, mark_of):
    (tmp_path / "manifest.json").write_text(json.dumps({"format": mark_of, "svmodel": "0.0.9"}))
    with pytest.raises(DataError, match=f"'{mark_of}'.*'svmodel-manifest-1'.*`svmodel run`.*svmodel 0.0.9"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_what_is_no_manifest_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DataError):
        read_manifest(tmp_path)
