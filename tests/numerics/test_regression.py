"""Our kernels and pyfixest put to the same question."""

import numpy as np
import pandas as pd
import pytest
from pyfixest_regression import regress

from svmodel.numerics.cluster import cluster_covariance, crv1_factor
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.linear_fe import fit_linear
from svmodel.numerics.two_way.poisson_fe import fit_poisson, informative_cells


@pytest.mark.parametrize("family", ["poisson", "linear"])
def test_one_regressor_and_its_error(family):
    rng = np.random.default_rng(8)
    N, T = 40, 10
    group = np.where((np.arange(N)[:, None] < 12) & (np.arange(T)[None, :] >= 6), 0, -1)
    y = rng.negative_binomial(2, 0.4, (N, T)).astype(float)
    y[-1] = 0  # an area that a Poisson model leaves out, on both sides
    exposure = rng.uniform(1, 3, (N, T))
    frame = pd.DataFrame({"area": np.repeat(np.arange(N), T), "period": np.tile(np.arange(T), N), "y": y.ravel()})
    frame["d"], frame["logx"] = (group.ravel() == 0).astype(float), np.log(exposure.ravel())
    before = frame.copy()
    peer = regress(frame, outcome="y", regressors=("d",), family=family, offset="logx" if family == "poisson" else None)
    assert frame.equals(before)
    use = np.ones((N, T), dtype=bool)
    if family == "poisson":
        use = informative_cells(y, use, group)
        fit = fit_poisson(y, TwoWay(use, group=group), exposure)
        assert peer.n_clusters == N - 1
    else:
        fit = fit_linear(y, TwoWay(use, group=group))
    factor = crv1_factor(int(use.sum()), 1 + T, int(use.any(axis=1).sum()))
    error = np.sqrt(cluster_covariance(fit.influence[:, -1:], factor)[0, 0])
    # pyfixest stops at a deviance change of 1e-12: some 1e-7 in coefficients
    assert peer["d"] == (pytest.approx(fit.theta[-1], abs=1e-6), pytest.approx(error, rel=1e-5))
