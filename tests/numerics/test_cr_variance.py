import numpy as np
import pandas as pd
import pytest

from svmodel.errors import EstimationError
from svmodel.numerics.cluster.cr_variance import KINDS, ClusterRegression, of_linear, of_poisson, of_rows
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.linear_fe import fit_linear
from svmodel.numerics.two_way.poisson_fe import fit_poisson

BASE_R = """Dense matrices, R 4; w is rep(1, 12) where unweighted
  x <- c(1,2,4,3,5,7,6,8,9,2,1,5); d <- c(0,0,0,0,1,1,1,1,0,0,0,0); y <- c(2,3,3,5,9,8,12,10,7,4,1,6)
  g <- c(1,1,1,2,2,3,3,3,4,4,5,5); w <- c(1,2,1,3,1,2,1,1,2,1,3,2)
  X <- cbind(1,d,x)*sqrt(w); M <- solve(crossprod(X)); b <- M %*% crossprod(X, y*sqrt(w))
  e <- as.vector(y*sqrt(w) - X %*% b); H <- X %*% M %*% t(X); cc <- c(0,1,0)
  pw <- function(A,p){ s <- eigen(A,symmetric=TRUE); f <- ifelse(s$values>1e-9, pmax(s$values,1e-12)^p, 0)
                       s$vectors %*% diag(f,length(f)) %*% t(s$vectors) }
  for (p in c(0,-.5,-1)) { V <- 0; P <- NULL
    for (k in 1:5) { i <- which(g==k); A <- pw(diag(length(i))-H[i,i],p)
      u <- t(X[i,]) %*% A %*% e[i]; V <- V + M %*% u %*% t(u) %*% M
      P <- cbind(P, (diag(12)-H)[,i] %*% A %*% X[i,] %*% M %*% cc) }
    om <- crossprod(P); print(c(V[2,2], sum(diag(om))^2/sum(om^2))) }
"""
R = {
    False: [(0.146632798171, 2.57478373123), (0.161026711544, 2.25878573073), (0.20937302952, 1.99617327159)],
    True: [(0.147984760827, 2.26495886374), (0.378304616056, 2.07020626192), (1.43195042607, 1.8521489415)],
}


def regression_of_r(*, weighted):
    x = np.array([1, 2, 4, 3, 5, 7, 6, 8, 9, 2, 1, 5.0])
    d = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0.0])
    y = np.array([2, 3, 3, 5, 9, 8, 12, 10, 7, 4, 1, 6.0])
    g = np.array([1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5])
    w = np.array([1, 2, 1, 3, 1, 2, 1, 1, 2, 1, 3, 2.0]) if weighted else np.ones(12)
    X = np.column_stack([np.ones(12), d, x])
    beta = np.linalg.solve(X.T @ (w[:, None] * X), X.T @ (w * y))
    return of_rows(X, y - X @ beta, g, w), X, y, g


@pytest.mark.parametrize("weighted", [False, True])
def test_base_r(weighted):
    fit, *_ = regression_of_r(weighted=weighted)
    c = np.array([0.0, 1.0, 0.0])
    # twelve digits were printed; CR3 here has (G - 1) / G, which the script leaves out
    for kind, factor, (variance, df) in zip(("CR0", "CR2", "CR3"), (1, 1, 4 / 5), R[weighted], strict=True):
        error = fit.error(c, kind)
        assert error.std_error**2 == pytest.approx(factor * variance, rel=1e-10)
        assert error.df == pytest.approx(df, rel=1e-10)
        assert fit.covariance(kind)[1, 1] == pytest.approx(error.std_error**2, rel=1e-12)


def test_statsmodels_cr1_hc2_and_hc3():
    import statsmodels.api as sm

    fit, X, y, g = regression_of_r(weighted=False)
    ours = sm.OLS(y, X).fit(cov_type="cluster", cov_kwds={"groups": g})
    np.testing.assert_allclose(fit.covariance("CR1"), ours.cov_params(), rtol=1e-10)
    alone = of_rows(X, ours.resid, np.arange(12))
    np.testing.assert_allclose(alone.covariance("CR2"), ours.cov_HC2, rtol=1e-10)
    np.testing.assert_allclose(alone.covariance("CR3"), ours.cov_HC3 * 11 / 12, rtol=1e-10)


def two_way(seed, n=14, length=9, *, lone=False):
    rng = np.random.default_rng(seed)
    use = rng.random((n, length)) < 0.85
    start = np.full(n, length)
    start[: 1 if lone else 5] = [4] if lone else [3, 3, 5, 5, 6]
    use[0] = True
    group = np.where(np.arange(length)[None, :] >= start[:, None], 0, -1)
    x = rng.normal(size=(n, length, 1))
    y = rng.normal(size=(n, 1)) + rng.normal(size=length) + rng.normal(size=(n, length)) + x[:, :, 0]
    return np.where(use, y, np.nan), TwoWay(use, None, group, x), rng.uniform(0.5, 2, (n, length))


def dense(y, terms, w):
    """Every column there is, area effects too, rows times the root of their weight: nothing absorbed."""
    i, t = np.nonzero(terms.use)
    root = np.sqrt(w[i, t])
    d = (terms.group[i, t] == 0).astype(float)
    free_periods = terms.free[terms.free < terms.shape[1]]
    columns = [t[:, None] == free_periods[None, :], d[:, None], terms.covariates[i, t]]
    X = np.hstack([*columns, i[:, None] == np.arange(terms.shape[0])[None, :]]).astype(float) * root[:, None]
    z = y[i, t] * root
    return X, z - X @ np.linalg.lstsq(X, z, rcond=None)[0], i, len(free_periods)


def plain(X, e, g, at, kind):
    """Bell and McCaffrey's formulas with one dense matrix after the other."""
    M = np.linalg.inv(X.T @ X)
    annihilator = np.eye(len(X)) - X @ M @ X.T
    V, P = 0.0, []
    for k in np.unique(g):
        rows = g == k
        values, vectors = np.linalg.eigh(annihilator[np.ix_(rows, rows)])
        power = {"CR0": 0.0, "CR2": -0.5, "CR3": -1.0}[kind]
        f = np.array([v**power if v > 1e-9 else 0.0 for v in values])
        A = vectors @ np.diag(f) @ vectors.T
        V += float((X[rows] @ M[:, at]) @ A @ e[rows]) ** 2
        P.append(annihilator[:, rows] @ A @ X[rows] @ M[:, at])
    omega = np.stack(P) @ np.stack(P).T
    G = len(np.unique(g))
    return V * ((G - 1) / G if kind == "CR3" else 1), np.trace(omega) ** 2 / (omega**2).sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["CR0", "CR2", "CR3"])
def test_absorbed_areas_are_as_good_as_dummies(kind, weighted):
    y, terms, w = two_way(1)
    w = w if weighted else np.ones_like(w)
    fit = of_linear(fit_linear(y, terms, w), w)
    X, e, g, at = dense(y, terms, w)
    contrast = np.zeros(len(terms.free))
    contrast[at] = 1.0
    variance, df = plain(X, e, g, at, kind)
    error = fit.error(contrast, kind)
    # rounding only: both are closed forms
    assert error.std_error**2 == pytest.approx(variance, rel=1e-9)
    assert error.df == pytest.approx(df, rel=1e-8)


def test_poisson_is_its_working_regression():
    rng = np.random.default_rng(4)
    y, terms, _ = two_way(4)
    terms = TwoWay(terms.use, None, terms.group, terms.covariates)
    counts = rng.poisson(8.0, y.shape).astype(float)
    model = fit_poisson(counts, terms)
    fit = of_poisson(model)
    np.testing.assert_allclose(fit.influence("CR0"), model.influence[:, terms.free], rtol=1e-6, atol=1e-10)
    work = np.where(terms.use, (counts - model.mu) / np.where(terms.use, model.mu, 1), 0.0)
    X, e, g, at = dense(work, terms, np.where(terms.use, model.mu, 1.0))
    contrast = np.zeros(len(terms.free))
    contrast[at] = 1.0
    for kind in ("CR2", "CR3"):
        # the Poisson fit stops at indices known to 1e-7 squared, far inside this
        assert fit.error(contrast, kind) == pytest.approx(
            (np.sqrt(plain(X, e, g, at, kind)[0]), plain(X, e, g, at, kind)[1]), rel=1e-6
        )


def test_cr3_is_the_jackknife_by_refits():
    y, terms, _ = two_way(2)
    full = fit_linear(y, terms)
    n, at = terms.shape[0], terms.shape[1]
    left_out = [fit_linear(y[r], terms.rows(r)).theta[at] for i in range(n) for r in [np.delete(np.arange(n), i)]]
    fit = of_linear(full)
    column = int(np.flatnonzero(terms.free == at)[0])
    np.testing.assert_allclose(fit.influence("CR3")[:, column], full.theta[at] - np.array(left_out), atol=1e-10)
    jack = (n - 1) / n * ((np.array(left_out) - full.theta[at]) ** 2).sum()
    assert fit.covariance("CR3")[column, column] == pytest.approx(jack, rel=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_pyfixest_crv3():
    pf = pytest.importorskip("pyfixest")
    y, terms, _ = two_way(3)
    i, t = np.nonzero(terms.use)
    d = (terms.group[i, t] == 0).astype(int)
    frame = pd.DataFrame({"y": y[i, t], "d": d, "x": terms.covariates[i, t, 0], "i": i, "t": t})
    off = pf.ssc(k_adj=False, G_adj=False)
    theirs = pf.feols("y ~ d + x + C(t) | i", frame, vcov={"CRV3": "i"}, ssc=off)
    fit = of_linear(fit_linear(y, terms))
    contrast = (terms.free == terms.shape[1]).astype(float)
    n = terms.shape[0]
    assert fit.error(contrast, "CR3").std_error == pytest.approx(
        float(theirs.se()["d"]) * np.sqrt((n - 1) / n), rel=1e-7
    )


def test_cr2_is_unbiased_under_its_working_model_and_cr1_is_not():
    """The mean of the estimated variance over draws, by the exact trace and by simulation."""
    y, terms, _ = two_way(5)
    rng = np.random.default_rng(6)
    contrast = (terms.free == terms.shape[1]).astype(float)
    found = {kind: [] for kind in KINDS}
    for _ in range(400):
        fit = of_linear(fit_linear(rng.normal(size=y.shape), terms))
        for kind in KINDS:
            found[kind].append(fit.error(contrast, kind).std_error ** 2)
    truth = contrast @ fit.bread @ contrast
    mean = {k: np.mean(v) / truth for k, v in found.items()}
    # a variance of about five degrees of freedom: s.d. .6 a draw, .03 of the mean of 400
    assert mean["CR2"] == pytest.approx(1, abs=0.1)
    assert mean["CR0"] < 0.85
    assert mean["CR3"] > 1.1


def test_a_lone_treated_area_is_told():
    y, terms, _ = two_way(7, lone=True)
    fit = of_linear(fit_linear(y, terms))
    contrast = (terms.free == terms.shape[1]).astype(float)
    assert fit.held_by_one(contrast).tolist() == [0]
    assert np.isnan(fit.error(contrast, "CR3").std_error)
    assert fit.error(contrast, "CR2").std_error > 0
    several = of_linear(fit_linear(*two_way(7)[:2]))
    assert several.held_by_one(contrast).tolist() == []


def test_the_order_of_clusters_is_nothing():
    y, terms, _ = two_way(8)
    rows = np.random.default_rng(0).permutation(len(y))
    contrast = (terms.free == terms.shape[1]).astype(float)
    one, other = of_linear(fit_linear(y, terms)), of_linear(fit_linear(y[rows], terms.rows(rows)))
    for kind in KINDS:
        assert one.error(contrast, kind) == pytest.approx(other.error(contrast, kind), rel=1e-9)


def test_dependent_columns_and_unknown_kinds_are_refused():
    X = np.ones((6, 2))
    fit = of_rows(X, np.arange(6.0), np.arange(6))
    with pytest.raises(EstimationError, match="depend on each other"):
        fit.covariance("CR0")
    with pytest.raises(EstimationError, match="CR2"):
        of_rows(X[:, :1], np.arange(6.0), np.arange(6)).covariance("CR22")
    with pytest.raises(EstimationError, match="zero throughout"):
        ClusterRegression(np.zeros((3, 2, 1)), np.zeros((3, 2)), 6, 1).covariance("CR0")
