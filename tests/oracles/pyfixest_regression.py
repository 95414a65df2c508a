"""Two-way regressions by a second, independent engine: tests and benchmarks put the same question to pyfixest."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Regression:
    """Coefficients with their covariance.

    Attributes
    ----------
    names : tuple of str
        Columns that were kept, in the order of `estimate`.
    estimate : ndarray, shape (K,)
    covariance : ndarray, shape (K, K)
    n_cells : int
        Rows used, after separated and singleton rows were left out.
    n_clusters : int or None
    """

    names: tuple[str, ...]
    estimate: NDArray[np.float64]
    covariance: NDArray[np.float64]
    n_cells: int
    n_clusters: int | None

    def __getitem__(self, name: str) -> tuple[float, float]:
        """Estimate and standard error of one coefficient."""
        j = self.names.index(name)
        return float(self.estimate[j]), float(np.sqrt(self.covariance[j, j]))


def regress(
    frame: pd.DataFrame,
    *,
    outcome: str,
    regressors: tuple[str, ...],
    effects: tuple[str, ...] = ("area", "period"),
    family: Literal["poisson", "linear"] = "linear",
    offset: str | None = None,
    cluster: str | None = "area",
    weights: str | None = None,
    tolerance: float = 1e-12,
) -> Regression:
    """Regress with fixed effects and CRV1 covariance, by pyfixest.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a cell; left untouched.
    outcome : str
    regressors : tuple of str
        Numeric columns.
    effects : tuple of str
        Columns whose every value has its own effect.
    family : {"poisson", "linear"}
    offset : str, optional
        Column with the log exposure (Poisson only).
    cluster : str, optional
        Column of clusters; None for independent errors.
    weights : str, optional
        Column of observation weights (linear only).
    tolerance : float
        Relative change of the deviance at which a Poisson fit stops; pyfixest's own default is 1e-8.

    Returns
    -------
    Regression

    Raises
    ------
    ValueError
        By pyfixest, for columns it cannot use.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame([(a, t) for a in "abcd" for t in range(4)], columns=["area", "period"])
    >>> frame["d"] = ((frame["area"] < "c") & (frame["period"] > 1)).astype(float)
    >>> frame["y"] = 3 * frame["d"] + frame["period"] + [0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0]
    >>> round(regress(frame, outcome="y", regressors=("d",), effects=("area", "period"), cluster="area")["d"][0], 6)
    3.0
    """
    with warnings.catch_warnings():
        # pyfixest warns of its own dependencies' coming changes and of rows it drops; the caller sees n_cells.
        warnings.simplefilter("ignore")
        import pyfixest

        formula = f"{outcome} ~ {' + '.join(regressors)} | {' + '.join(effects)}"
        vcov: Any = {"CRV1": cluster} if cluster else ("hetero" if family == "poisson" else "iid")
        if family == "poisson":
            fit: Any = pyfixest.fepois(
                formula, data=frame, vcov=vcov, offset=offset, iwls_tol=tolerance, iwls_maxiter=200
            )
        else:
            fit = pyfixest.feols(formula, data=frame, vcov=vcov, weights=weights)
        coefficients = fit.coef()
    return Regression(
        names=tuple(str(n) for n in coefficients.index),
        estimate=coefficients.to_numpy(dtype=np.float64),
        # pyfixest gives no public access to these
        covariance=np.asarray(fit._vcov, dtype=np.float64),
        n_cells=int(fit._N),
        n_clusters=int(min(fit._G)) if cluster else None,
    )
