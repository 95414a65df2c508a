"""Cluster-robust variances CR1, CR2 and CR3 of a (weighted) regression, exactly, with their degrees of freedom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from svmodel.errors import EstimationError, did_you_mean
from svmodel.numerics.arrays import Floats
from svmodel.numerics.cluster import crv1_factor
from svmodel.numerics.two_way import TwoWay, components
from svmodel.numerics.two_way.linear_fe import LinearFit
from svmodel.numerics.two_way.poisson_fe import PoissonFit

Kind: TypeAlias = Literal["CR0", "CR1", "CR2", "CR3"]
KINDS = ("CR0", "CR1", "CR2", "CR3")
#: A cluster that fits a direction of its own to within this share leaves no residual in it.
_FITTED = 1e-9


class RobustError(NamedTuple):
    """Standard error of one contrast.

    Attributes
    ----------
    std_error : float
        NaN for CR3 where the contrast is not identified without one of the clusters.
    df : float
        Satterthwaite's degrees of freedom under independent errors of the variance that the weights suppose.
    """

    std_error: float
    df: float


@dataclass(frozen=True, eq=False)
class ClusterRegression:
    """A least-squares fit laid out by cluster; weights are already inside, as ``sqrt(w) X`` and ``sqrt(w) e``.

    Attributes
    ----------
    columns : ndarray, shape (G, n, P)
        Rows of each cluster, filled up with rows of zeros; of full column rank. Effects that are nested in the
        clusters (one level for each area) may have been taken out beforehand.
    residual : ndarray, shape (G, n)
        Zero in the filled-up rows.
    n_cells : int
        Rows that are not filling.
    n_coefficients : int
        As the CRV1 factor counts them, see :func:`svmodel.numerics.cluster.crv1_factor`.

    Notes
    -----
    With ``M = (X'X)^-1`` and ``H_g = X_g M X_g'`` the variances are ``M (sum_g X_g' A_g e_g e_g' A_g X_g) M`` with

    - CR1: ``A_g = I``, times the CRV1 factor;
    - CR2: ``A_g = (I - H_g)^(-1/2)``, the symmetric square root of the pseudo-inverse (Bell and McCaffrey 2002;
      Pustejovsky and Tipton 2018), unbiased where errors are independent with variances of one over the
      weights;
    - CR3: ``A_g = (I - H_g)^-1``, times ``(G - 1) / G``: the cluster jackknife about the full estimate, CV3 of
      MacKinnon, Nielsen and Webb (2023).

    Level effects of the clusters, once taken out, may stay out of ``H_g``: they are orthogonal between clusters, so
    that ``I - H_g`` of the whole regression differs only in directions that no residual and no column has (theorem 2 of
    Pustejovsky and Tipton 2018 as their corrigendum has it: for unweighted least squares with equal working variances).
    Rows times ``sqrt(w)`` are such a regression where the weights are the inverse of the working variance, as here. It
    is wrong for weights of another origin, and no such weights can be given here.

    References
    ----------
    Bell and McCaffrey (2002), *Survey Methodology* 28(2). Imbens and Kolesar (2016), *Review of Economics and
    Statistics* 98(4). Pustejovsky and Tipton (2018), *Journal of Business & Economic Statistics* 36(4), with their
    corrigendum (2023) on theorem 2, doi:10.1080/07350015.2023.2174123. MacKinnon, Nielsen and Webb (2023), *Journal of
    Econometrics* 232(2).

    Examples
    --------
    Four clusters of one row each and a mean: CR2 is the usual variance of a mean, with 3 degrees of freedom.

    >>> fit = of_rows(np.ones((4, 1)), np.array([1.0, -1.0, 2.0, -2.0]), np.arange(4))
    >>> error = fit.error(np.array([1.0]), "CR2")
    >>> round(error.std_error**2, 6), round(error.df, 6)
    (0.833333, 3.0)
    """

    columns: Floats
    residual: Floats
    n_cells: int
    n_coefficients: int

    def joined(self, cluster: NDArray[np.int64] | None) -> ClusterRegression:
        """Return the regression with clusters put together.

        Parameters
        ----------
        cluster : ndarray of int, shape (G,), or None
            What each of the present clusters becomes a part of; as they are where None. Effects nested in the present
            ones, once taken out, are nested in larger ones too.
        """
        if cluster is None or len(np.unique(cluster)) == len(cluster):
            return self
        _, label = np.unique(cluster, return_inverse=True)
        n, P = self.columns.shape[1:]
        sizes = np.bincount(label)
        order = np.argsort(label, kind="stable")
        slot = np.arange(len(label)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        columns, residual = np.zeros((len(sizes), sizes.max(), n, P)), np.zeros((len(sizes), sizes.max(), n))
        columns[label[order], slot], residual[label[order], slot] = self.columns[order], self.residual[order]
        wide = columns.reshape(len(sizes), -1, P), residual.reshape(len(sizes), -1)
        return ClusterRegression(*wide, self.n_cells, self.n_coefficients)

    @property
    def n_clusters(self) -> int:
        """Clusters with at least one row that is not all zero."""
        return int(self.columns.any(axis=(1, 2)).sum())

    @cached_property
    def bread(self) -> Floats:
        """``(X'X)^-1``, shape (P, P).

        Raises
        ------
        EstimationError
            If columns depend on each other.
        """
        X = self.columns.reshape(-1, self.columns.shape[2])
        cross = X.T @ X
        scale = np.sqrt(np.diag(cross))
        if (scale == 0).any():
            raise EstimationError("a column of the regression is zero throughout")
        scaled = cross / np.outer(scale, scale)
        if np.linalg.eigvalsh(scaled)[0] < _FITTED:
            raise EstimationError("columns of the regression depend on each other")
        inverse: Floats = np.linalg.inv(scaled) / np.outer(scale, scale)
        return (inverse + inverse.T) / 2

    @cached_property
    def scores(self) -> Floats:
        """``X_g' e_g``, shape (G, P)."""
        return np.einsum("gnp,gn->gp", self.columns, self.residual)

    @cached_property
    def _spectrum(self) -> tuple[Floats, Floats]:
        """Eigenvectors of each ``H_g`` that it does not send to zero, shape (G, n, r), and ``1 - eigenvalue``."""
        root = np.linalg.cholesky(self.bread)
        B = self.columns @ root
        n, P = B.shape[1:]
        if n <= P:
            values, vectors = np.linalg.eigh(B @ B.transpose(0, 2, 1))
        else:
            values, right = np.linalg.eigh(B.transpose(0, 2, 1) @ B)
            length = np.sqrt(np.where(values > _FITTED, values, 1.0))
            vectors = np.where(values[:, None, :] > _FITTED, (B @ right) / length[:, None, :], 0.0)
        return vectors, 1.0 - np.clip(values, 0.0, 1.0)

    def _adjusted(self, rows: Floats, kind: Kind) -> Floats:
        """Return ``A_g rows_g`` for rows of shape (G, n) or (G, n, K)."""
        if kind in ("CR0", "CR1"):
            return rows
        vectors, left = self._spectrum
        power = -0.5 if kind == "CR2" else -1.0
        factor = np.where(left > _FITTED, np.maximum(left, _FITTED) ** power, 0.0) - 1.0
        wide = rows[:, :, None] if rows.ndim == 2 else rows
        out = wide + vectors @ (factor[:, :, None] * (vectors.transpose(0, 2, 1) @ wide))
        return out[:, :, 0] if rows.ndim == 2 else out

    def _factor(self, kind: Kind) -> float:
        if kind not in KINDS:
            raise EstimationError(f"there is no variance {kind!r}; {did_you_mean(str(kind), KINDS)}")
        if kind == "CR1":
            return crv1_factor(self.n_cells, self.n_coefficients, self.n_clusters)
        return (self.n_clusters - 1) / self.n_clusters if kind == "CR3" else 1.0

    def influence(self, kind: Kind = "CR0") -> Floats:
        """Return what each cluster adds to the error of each coefficient, shape (G, P), adjusted as `kind` says.

        The cross product is the covariance, up to the factor of CR1 and CR3. For CR3 a row is what the coefficients
        lose when the cluster is left out: ``beta - beta_(g)``.
        """
        self._factor(kind)
        return np.einsum("gnp,gn->gp", self.columns, self._adjusted(self.residual, kind)) @ self.bread

    def covariance(self, kind: Kind = "CR2") -> Floats:
        """Return the covariance of all coefficients, shape (P, P).

        Raises
        ------
        EstimationError
            If `kind` is none of :data:`KINDS`, or columns depend on each other.
        """
        inside = self.influence(kind)
        return self._factor(kind) * (inside.T @ inside)

    def held_by_one(self, contrast: Floats) -> NDArray[np.int64]:
        """Return the clusters without which ``contrast' beta`` is not identified.

        A treated area that is the only one, say: its residual is zero where it matters, and CR1 and CR2 know nothing
        of its noise.
        """
        vectors, left = self._spectrum
        along = self.columns @ (self.bread @ contrast)
        lost = np.where((left <= _FITTED)[:, None, :], vectors, 0.0)
        part = np.einsum("gnr,gn->gr", lost, along)
        return np.flatnonzero((part**2).sum(axis=1) > _FITTED * max(float((along**2).sum()), 1e-300))

    def error(self, contrast: Floats, kind: Kind = "CR2") -> RobustError:
        """Return standard error and degrees of freedom of ``contrast' beta``.

        Parameters
        ----------
        contrast : ndarray, shape (P,)
        kind : {"CR0", "CR1", "CR2", "CR3"}

        Returns
        -------
        RobustError
            The degrees of freedom are ``(sum_i lambda_i)^2 / sum_i lambda_i^2`` of the quadratic form that the
            variance is (Bell and McCaffrey 2002; Imbens and Kolesar 2016; Pustejovsky and Tipton 2018).
        """
        variance = self._factor(kind) * float(((self.influence(kind) @ contrast) ** 2).sum())
        if kind == "CR3" and len(self.held_by_one(contrast)):
            return RobustError(float("nan"), float("nan"))
        # the variance is sum_g (v_g' (I - H) errors)^2, so its law is that of this Gram matrix
        v = self._adjusted(self.columns @ (self.bread @ contrast), kind)
        r = np.einsum("gnp,gn->gp", self.columns, v)
        gram = np.diag((v**2).sum(axis=1)) - r @ self.bread @ r.T
        trace, square = float(np.trace(gram)), float((gram**2).sum())
        return RobustError(float(np.sqrt(variance)), trace**2 / square if square > 0 else float("nan"))


def of_rows(
    X: Floats, residual: Floats, cluster: NDArray[np.int64], weights: Floats | None = None
) -> ClusterRegression:
    """Lay out a regression that is given as a matrix.

    Parameters
    ----------
    X : ndarray, shape (n, P)
        All columns, of full rank.
    residual : ndarray, shape (n,)
        Observed less fitted, unweighted.
    cluster : ndarray of int, shape (n,)
    weights : ndarray, shape (n,), optional
        Of the least squares, and one over the working variance: for Poisson quasi-likelihood the expected counts, with
        residuals ``(y - mu) / mu`` of the working response.

    Returns
    -------
    ClusterRegression
        Clusters in ascending order of their label.
    """
    root = np.ones(len(X)) if weights is None else np.sqrt(weights)
    _, label = np.unique(cluster, return_inverse=True)
    sizes = np.bincount(label)
    order = np.argsort(label, kind="stable")
    slot = np.arange(len(X)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    columns = np.zeros((len(sizes), int(sizes.max()), X.shape[1]))
    rest = np.zeros(columns.shape[:2])
    columns[label[order], slot] = (X * root[:, None])[order]
    rest[label[order], slot] = (residual * root)[order]
    return ClusterRegression(columns, rest, len(X), X.shape[1])


def of_linear(fit: LinearFit, weights: Floats | None = None) -> ClusterRegression:
    """Lay out a linear two-way fit with its areas as clusters, area effects taken out.

    Parameters
    ----------
    fit : LinearFit
    weights : ndarray, shape (N, T), optional
        Those that it was fitted with.

    Returns
    -------
    ClusterRegression
        Its columns are the free coefficients, ``fit.terms.free``.
    """
    use = fit.terms.use
    w = np.where(use, 1.0 if weights is None else weights, 0.0)
    root = np.sqrt(w)
    residual = np.divide(fit.residual, root, out=np.zeros_like(root), where=root > 0)
    return of_terms(fit.terms, w, residual)


def of_poisson(fit: PoissonFit) -> ClusterRegression:
    """Lay out a Poisson two-way fit by its working weights: least squares of ``(y - mu) / mu`` with weights ``mu``.

    The working variance is Poisson's, up to a factor. CR3 then is the one-step jackknife, not one of refits.
    """
    root = np.sqrt(fit.mu)
    residual = np.divide(fit.residual, root, out=np.zeros_like(root), where=root > 0)
    return of_terms(fit.terms, fit.mu, residual)


def of_terms(terms: TwoWay, w: Floats, residual: Floats) -> ClusterRegression:
    """Lay out the free columns of a two-way model, less their area's weighted mean, times the root of the weight.

    Parameters
    ----------
    terms : TwoWay
    w : ndarray, shape (N, T)
        Zero off the used cells.
    residual : ndarray, shape (N, T)
        Already times the root of the weight; zero off the used cells.

    Returns
    -------
    ClusterRegression
    """
    N, T = terms.shape
    W, Q = terms.by_period.shape[1], terms.n_groups
    columns = np.zeros((N, T, terms.size))
    for period in range(T):
        columns[:, period, period * W : (period + 1) * W] = terms.by_period
    if terms.group is not None:
        i, t = np.nonzero(terms.group >= 0)
        columns[i, t, terms.n_period_terms + terms.group[i, t]] = 1.0
    if terms.covariates is not None:
        columns[:, :, terms.n_period_terms + Q :] = np.where(terms.use[:, :, None], terms.covariates, 0.0)
    columns = columns[:, :, terms.free]
    total = w.sum(axis=1)
    share = np.divide(w, total[:, None], out=np.zeros_like(w), where=total[:, None] > 0)
    columns -= np.einsum("nt,ntp->np", share, columns)[:, None, :]
    columns *= np.sqrt(w)[:, :, None]
    counted = len(terms.free) + int(components(terms.use).max()) + 1
    return ClusterRegression(columns, residual, int((w > 0).sum()), counted)
