import pytest

from svmodel.errors import DataError
from svmodel.ledger import Ledger, LedgerEntry


def test_add_leaves_the_old_ledger_as_it_was():
    first = Ledger()
    second = first.add("dropped", 3, "no area", rule="no_area").add("missing", 2, "not published", where="June")
    assert len(first) == 0
    assert [e.action for e in second] == ["dropped", "missing"]
    assert second.total("dropped") == 3
    assert second.total("altered") == 0
    assert second.has("no_area")
    assert not second.has("june")


def test_the_frame_has_a_row_for_each_entry_even_for_none():
    assert list(Ledger().to_frame().columns) == ["action", "rows", "reason", "where", "rule"]
    assert len(Ledger().to_frame()) == 0
    frame = Ledger().extend([LedgerEntry("altered", 1, "why")]).to_frame()
    assert frame.loc[0, "reason"] == "why"


def test_an_unknown_action_is_refused():
    with pytest.raises(DataError, match="deleted"):
        LedgerEntry("deleted", 1, "why")


def test_an_entry_reads_as_a_sentence():
    assert str(LedgerEntry("missing", 1200, "no file", where="May 2020")) == "missing: 1,200 rows (May 2020): no file"
