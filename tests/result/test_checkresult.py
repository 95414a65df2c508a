import json

import numpy as np
import pandas as pd
import pytest

from svmodel.errors import DataError
from svmodel.result.check import CheckResult


def test_an_unknown_status_is_refused():
    with pytest.raises(DataError, match="ok"):
        CheckResult("x", "ok", "fine")


def test_the_dict_goes_into_json_and_missing_is_none():
    table = pd.DataFrame(
        {"area": ["a", None], "n": [1, 2], "x": [np.nan, 0.5], "start": pd.PeriodIndex(["2020-01", None], freq="M")}
    )
    held = json.loads(json.dumps(CheckResult("x", "passed", "fine", table).to_dict(), allow_nan=False))
    assert held["table"] == [
        {"area": "a", "n": 1, "x": None, "start": "2020-01"},
        {"area": None, "n": 2, "x": 0.5, "start": None},
    ]
    assert CheckResult("x", "passed", "fine").to_dict()["table"] is None
