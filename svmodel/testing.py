"""What every estimator promises, as a function that holds it to them; and strategies for property tests.

For authors of estimators, in this package or outside it.
"""

from __future__ import annotations

from svmodel._testing_strategies import designs, panels

__all__ = ["designs", "panels"]
