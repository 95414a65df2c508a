from pathlib import Path

import pytest

from svmodel.errors import StudyError
from svmodel.report.study import open_study, read_study

DATA = Path(__file__).resolve().parents[2] / "data_synthetic" / "merseyside"
STUDY = """
title: A start for a whole authority
data: {{root: {root}, path: panel.parquet}}
outcomes: [{{column: violence_with_injury}}]
exposure: population
intervention: {{name: Patrols, starts: {{{area}: 2023-04, SYN-LIV-01: 2023-07}}}}
"""


def _study(tmp_path, area):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.format(root=DATA, area=area))
    return path


def test_the_start_of_a_reporting_area_is_that_of_its_small_areas(tmp_path):
    opened = open_study(_study(tmp_path, "E08000012"))
    starts = opened.intervention.starts
    assert set(starts) == set(opened.panel.children("E08000012"))
    assert str(starts["SYN-LIV-01"]) == "2023-07"
    assert {str(p) for a, p in starts.items() if a != "SYN-LIV-01"} == {"2023-04"}


def test_an_area_of_neither_level_is_unknown(tmp_path):
    with pytest.raises(StudyError, match="'E08000021' is no area of the data") as caught:
        read_study(_study(tmp_path, "E08000021"), look_at_data=True)
    assert "E0800001" in str(caught.value.problems[0].fix)
