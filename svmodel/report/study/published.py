"""A file of published numbers, read as strictly as a study file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass

from svmodel.report.study.fields import LISTED, STRICT, Keys, Text, group


def _as_printed(given: Any) -> dict[str, str]:
    """Return the text of each value, not the value: 0.80 was printed with two decimals."""
    return {k: str(getattr(v, "text", v)).strip() for k, v in group(given).items()}


@dataclass(frozen=True, config=STRICT)
class Published(Keys):
    """Numbers that were printed, each with the estimate that it is of."""

    numbers: Annotated[tuple[Annotated[Mapping[str, str], BeforeValidator(_as_printed)], ...], LISTED]
    """the numbers, each with outcome, estimator, term and scale"""
    study: Text | None = None
    """what they are of"""
    source: Text | None = None
    """where they stand"""
