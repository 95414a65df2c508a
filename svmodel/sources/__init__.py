"""One file for each publisher's layout; each gives a tidy frame and a ledger."""

from svmodel.sources.joins import Join
from svmodel.sources.tidy import read_panel, write_panel

__all__ = ["Join", "read_panel", "write_panel"]
