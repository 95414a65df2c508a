"""svmodel: violence trends, demand forecasts and evaluation of interventions, area by area.

Negative effects mean fewer harms. Everything loads when first used, so that importing is quick.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

#: Public name -> module (and attribute) that holds it.
_NAMES = {
    "CheckResult": "svmodel.result.check:CheckResult",
    "CostLine": "svmodel.costs:CostLine",
    "Design": "svmodel.design:Design",
    "Figure": "svmodel.result.figure:Figure",
    "Intervention": "svmodel.design:Intervention",
    "Panel": "svmodel.panel:Panel",
    "Result": "svmodel.result:Result",
    "UserError": "svmodel.errors:UserError",
    "read_panel": "svmodel.sources.tidy:read_panel",
    "write_panel": "svmodel.sources.tidy:write_panel",
    "assurance": "svmodel.planning.assurance:assurance",
    "bayes": "svmodel.bayes",
    "checks": "svmodel.checks",
    "compare": "svmodel.comparison.compare:compare",
    "comparison": "svmodel.comparison",
    "counterfactual": "svmodel.counterfactual",
    "did": "svmodel.did",
    "disclosure": "svmodel.protect",
    "economics": "svmodel.economics",
    "errors": "svmodel.errors",
    "forecast": "svmodel.forecast",
    "inference": "svmodel.inference",
    "numerics": "svmodel.numerics",
    "periods": "svmodel.periods",
    "planning": "svmodel.planning",
    "plots": "svmodel.present.plots",
    "power": "svmodel.planning.power:power",
    "profile": "svmodel.profile",
    "report": "svmodel.report",
    "simulate": "svmodel.simulate",
    "sources": "svmodel.sources",
    "specification_curve": "svmodel.comparison.specification_curve:specification_curve",
    "testing": "svmodel.testing",
    "trends": "svmodel.trends",
}

__all__ = ["__version__", *sorted(_NAMES)]  # noqa: PLE0604 - the names are strings


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"svmodel has no {name!r}; it has {', '.join(sorted(_NAMES))}")
    module, _, attribute = _NAMES[name].partition(":")
    loaded = importlib.import_module(module)
    value = getattr(loaded, attribute) if attribute else loaded
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
