"""Two-way models on an areas x periods grid, with the area effects taken out.

The linear index of area i in period t is ``a_i + z_it' theta``. The area effects ``a_i`` are profiled out, so the only
system ever solved is that of ``theta``: period effects, period-specific slopes, effects of groups of cells, and
covariates. It has as many rows as there are periods (plus a few), however many areas there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Mask

#: Share of a column's sum of squares below which nothing of its own is left of it.
_DEPENDENT = 1e-9
#: Weight of a column in a combination, columns being near unit length, below which it is rounding.
_TIED = 1e-6


def components(use: Mask) -> NDArray[np.int64]:
    """Return which periods are linked to each other through areas seen in both.

    Area and period effects can be told apart only among linked periods.

    Parameters
    ----------
    use : ndarray of bool, shape (N, T)

    Returns
    -------
    ndarray of int, shape (T,)
        Label of the component of each period, from 0; -1 for a period without a cell.

    Examples
    --------
    >>> components(np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0]], dtype=bool)).tolist()
    [0, 0, 1, 1, -1]
    """
    from scipy.sparse import csgraph, csr_array

    if use.all(axis=1).any():  # one area seen throughout links all periods
        return np.zeros(use.shape[1], dtype=np.int64)
    live = use.any(axis=0)
    linked = use[use.any(axis=1).argmax()]
    # what most panels are, one component, shows in a few rounds from any area; the graph is for the others
    for _ in range(5):
        further = use[(use & linked).any(axis=1)].any(axis=0)
        if (further == live).all():
            return np.where(live, 0, -1)
        if (further == linked).all():
            break
        linked = further
    seen = use.astype(np.float32)
    labels = csgraph.connected_components(csr_array(seen.T @ seen), directed=False)[1].astype(np.int64)
    empty = ~use.any(axis=0)
    _, first = np.unique(np.where(empty, -1, labels), return_inverse=True)
    return np.where(empty, -1, first - int(empty.any()))


@dataclass(frozen=True, eq=False)
class TwoWay:
    """The columns ``z_it`` beside the area effects, held by structure and never as a matrix over areas.

    Parameters
    ----------
    use : ndarray of bool, shape (N, T)
        Cells that the model is fitted on.
    slopes : ndarray, shape (N, S), optional
        Variables whose coefficient differs by period; a column of ones (the period effects) always goes first.
    group : ndarray of int, shape (N, T), optional
        Index of the group that a cell belongs to, -1 for none; each group has one coefficient.
    covariates : ndarray, shape (N, T, K), optional
        Variables with one coefficient each.

    Notes
    -----
    ``theta`` holds, in this order, T x (1 + S) period coefficients (period by period), the groups, the covariates.
    """

    use: Mask
    slopes: Floats | None = None
    group: NDArray[np.int64] | None = None
    covariates: Floats | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Areas and periods."""
        return self.use.shape[0], self.use.shape[1]

    @cached_property
    def by_period(self) -> Floats:
        """Ones and the slope variables, shape (N, 1 + S)."""
        ones = np.ones((self.shape[0], 1))
        return ones if self.slopes is None else np.hstack([ones, self.slopes])

    @cached_property
    def n_groups(self) -> int:
        """Number of groups."""
        return 0 if self.group is None else int(self.group.max(initial=-1)) + 1

    @property
    def n_period_terms(self) -> int:
        """Number of coefficients that belong to periods."""
        return self.shape[1] * self.by_period.shape[1]

    @property
    def n_covariates(self) -> int:
        """Number of covariates with one coefficient."""
        return 0 if self.covariates is None else self.covariates.shape[2]

    @property
    def size(self) -> int:
        """Length of ``theta``."""
        return self.n_period_terms + self.n_groups + self.n_covariates

    @cached_property
    def free(self) -> NDArray[np.int64]:
        """Coefficients that are estimated: all but those of one reference period in each component."""
        label = components(self.use)
        keep = label >= 0
        for c in range(int(label.max(initial=-1)) + 1):
            keep[np.flatnonzero(label == c)[-1]] = False
        period_terms = np.repeat(keep, self.by_period.shape[1])
        rest = np.ones(self.n_groups + self.n_covariates, dtype=bool)
        return np.flatnonzero(np.concatenate([period_terms, rest]))

    def index(self, theta: Floats) -> Floats:
        """Return ``z_it' theta`` for every cell, shape (N, T)."""
        T, W = self.shape[1], self.by_period.shape[1]
        b = theta[: self.n_period_terms].reshape(T, W)
        eta = self.by_period @ b.T
        if self.group is not None:
            padded = np.append(theta[self.n_period_terms : self.n_period_terms + self.n_groups], 0.0)
            eta += padded[self.group]
        if self.covariates is not None:
            eta += self.covariates @ theta[self.size - self.n_covariates :]
        return eta

    def area_sums(self, v: Floats) -> Floats:
        """Return ``sum_t v_it z_it`` for each area, shape (N, P)."""
        N = self.shape[0]
        parts = [(v[:, :, None] * self.by_period[:, None, :]).reshape(N, -1) if self.slopes is not None else v]
        if self.group is not None:
            slot = np.arange(N)[:, None] * (self.n_groups + 1) + self.group + 1
            sums = np.bincount(slot.ravel(), weights=v.ravel(), minlength=N * (self.n_groups + 1))
            parts.append(sums.reshape(N, -1)[:, 1:].astype(np.float64))
        if self.covariates is not None:
            parts.append(np.einsum("nt,ntk->nk", v, self.covariates))
        return np.hstack(parts) if len(parts) > 1 else parts[0]

    def period_sums(self, v: Floats) -> Floats:
        """Return ``sum_i v_it z_it`` for each period, shape (T, P)."""
        T, W, B, Q = self.shape[1], self.by_period.shape[1], self.n_period_terms, self.n_groups
        out = np.zeros((T, self.size))
        by_period = v.T @ self.by_period
        for a in range(W):
            out[np.arange(T), np.arange(T) * W + a] = by_period[:, a]
        if self.group is not None:
            slot = np.arange(T)[None, :] * (Q + 1) + self.group + 1
            sums = np.bincount(slot.ravel(), weights=v.ravel(), minlength=T * (Q + 1))
            out[:, B : B + Q] = sums.reshape(T, Q + 1)[:, 1:]
        if self.covariates is not None:
            out[:, B + Q :] = np.einsum("nt,ntk->tk", v, self.covariates)
        return out

    def quadratic(self, V: Floats, centre: Floats) -> Floats:
        """Return ``(z_it - c_i)' V (z_it - c_i)`` for every cell, for models without groups.

        Parameters
        ----------
        V : ndarray, shape (P, P)
            Covariance of ``theta``.
        centre : ndarray, shape (N, P)

        Returns
        -------
        ndarray, shape (N, T)
            Variance of the log of what is predicted for a cell when its area effect is profiled at centre c_i.
        """
        T, W, B = self.shape[1], self.by_period.shape[1], self.n_period_terms
        x = self.by_period
        blocks = np.stack([V[t * W : (t + 1) * W, t * W : (t + 1) * W] for t in range(T)])
        moved = centre @ V
        out = np.einsum("na,tab,nb->nt", x, blocks, x, optimize=True) + (moved * centre).sum(axis=1)[:, None]
        out -= 2 * np.einsum("nta,na->nt", moved[:, :B].reshape(-1, T, W), x)
        if self.covariates is not None:
            across = np.einsum("na,takx->ntkx", x, V[:B, B:].reshape(T, W, -1, 1))[..., 0]
            out += 2 * (across * self.covariates).sum(axis=2)
            out += np.einsum("ntk,kl,ntl->nt", self.covariates, V[B:, B:], self.covariates, optimize=True)
            out -= 2 * np.einsum("ntk,nk->nt", self.covariates, moved[:, B:])
        return np.maximum(out, 0.0)

    def rows(self, areas: NDArray[np.int64]) -> TwoWay:
        """Return the same columns for some areas only."""
        return TwoWay(
            self.use[areas],
            None if self.slopes is None else self.slopes[areas],
            None if self.group is None else self.group[areas],
            None if self.covariates is None else self.covariates[areas],
        )

    def normal(self, v: Floats, sums: Floats | None = None) -> Normal:
        """Return the normal equations ``sum_it v_it (z_it - zbar_i)(z_it - zbar_i)'``, zbar_i the v-weighted mean."""
        sums = self.area_sums(v) if sums is None else sums
        total = v.sum(axis=1)
        root = np.divide(1.0, np.sqrt(total), out=np.zeros_like(total), where=total > 0)
        scaled = sums * root[:, None]
        cross = self._cross(v)
        return Normal(cross - scaled.T @ scaled, np.diag(cross).copy(), self.free)

    def _cross(self, v: Floats) -> Floats:
        """Return ``sum_it v_it z_it z_it'``."""
        T, W, B, Q = self.shape[1], self.by_period.shape[1], self.n_period_terms, self.n_groups
        C = np.zeros((self.size, self.size))
        x = self.by_period
        for a in range(W):
            for b in range(a, W):
                C[np.arange(T) * W + a, np.arange(T) * W + b] = v.T @ (x[:, a] * x[:, b])
        if self.group is not None:
            slot = np.arange(T)[None, :] * (Q + 1) + self.group + 1
            for a in range(W):
                sums = np.bincount(slot.ravel(), weights=(v * x[:, a, None]).ravel(), minlength=T * (Q + 1))
                C[a:B:W, B : B + Q] = sums.reshape(T, Q + 1)[:, 1:]
            member = np.bincount(self.group.ravel() + 1, weights=v.ravel(), minlength=Q + 1)[1:]
            C[B : B + Q, B : B + Q] = np.diag(member)
        if self.covariates is not None:
            for k in range(self.n_covariates):
                column, vk = B + Q + k, v * self.covariates[:, :, k]
                for a in range(W):
                    C[a:B:W, column] = (vk * x[:, a, None]).sum(axis=0)
                if self.group is not None:
                    sums = np.bincount(self.group.ravel() + 1, weights=vk.ravel(), minlength=Q + 1)
                    C[B : B + Q, column] = sums[1:]
                for j in range(k + 1):
                    C[B + Q + j, column] = float((vk * self.covariates[:, :, j]).sum())
        upper = np.triu(C)
        return upper + np.triu(C, 1).T

    def name(self, j: int) -> str:
        """Return a readable name of coefficient `j`."""
        W, B = self.by_period.shape[1], self.n_period_terms
        if j < B:
            return f"period {j // W}" + (f" x slope {j % W}" if j % W else "")
        return f"group {j - B}" if j < B + self.n_groups else f"covariate {j - B - self.n_groups}"


@dataclass(frozen=True, eq=False)
class Normal:
    """Normal equations of ``theta`` after the area effects are taken out.

    Parameters
    ----------
    H : ndarray, shape (P, P)
    raw : ndarray, shape (P,)
        Diagonal before the area effects were taken out, to judge what is left of a column.
    free : ndarray of int
        Coefficients that are estimated; the others stay at zero.
    """

    H: Floats
    raw: Floats
    free: NDArray[np.int64]

    @cached_property
    def dependent(self) -> NDArray[np.int64]:
        """Free coefficients whose columns are combinations of area effects and of the columns before them."""
        if self._cholesky is not None:
            return np.empty(0, dtype=np.int64)
        A = self.H[np.ix_(self.free, self.free)]
        alone = np.diag(A) <= _DEPENDENT * self.raw[self.free]
        left = np.flatnonzero(~alone)
        scale = np.sqrt(np.diag(A)[left])
        remainder = _remainders(A[np.ix_(left, left)] / np.outer(scale, scale))
        lost = np.concatenate([np.flatnonzero(alone), left[remainder <= _DEPENDENT]])
        return self.free[np.sort(lost)]

    @cached_property
    def tied(self) -> NDArray[np.int64]:
        """Free coefficients that hang on which of several dependent columns is left out, :attr:`dependent` among them.

        The others are the same whichever is.
        """
        if not len(self.dependent):
            return self.dependent
        held = np.setdiff1d(self.free, self.dependent)
        raw = np.sqrt(self.raw)
        scale = np.where(raw > 0, raw, 1.0)
        A = self.H / np.outer(scale, scale)
        # each dependent column as a combination of those that stay, all of them near unit length
        ties = np.linalg.lstsq(A[np.ix_(held, held)], A[np.ix_(held, self.dependent)], rcond=None)[0]
        return np.sort(np.concatenate([self.dependent, held[(np.abs(ties) > _TIED).any(axis=1)]]))

    @cached_property
    def _cholesky(self) -> tuple[Floats, Floats] | None:
        """Scale and lower factor of the scaled equations; None where columns depend on each other."""
        from scipy import linalg

        A = self.H[np.ix_(self.free, self.free)]
        diagonal = np.diag(A)
        if (diagonal <= _DEPENDENT * self.raw[self.free]).any():
            return None
        scale = np.sqrt(diagonal)
        try:
            L = linalg.cholesky(A / np.outer(scale, scale), lower=True, check_finite=False)
        except linalg.LinAlgError:
            return None
        return (scale, L) if (np.diag(L) ** 2 > _DEPENDENT).all() else None

    def solve(self, right: Floats) -> Floats:
        """Return ``H^-1 right`` for the free coefficients and zero for the others; `right` has P rows.

        Raises
        ------
        EstimationError
            If columns are combinations of each other; see :attr:`dependent`.
        """
        from scipy import linalg

        solution = np.zeros_like(right)
        if len(self.free) == 0:
            return solution
        if self._cholesky is None:
            n = len(self.dependent)
            what = "one coefficient cannot" if n == 1 else f"{n} coefficients cannot"
            raise EstimationError(
                f"{what} be told apart from area and period effects, or from each other: look for covariates that "
                "these hold already"
            )
        scale, L = self._cholesky
        scale = scale.reshape(-1, *(1,) * (right.ndim - 1))
        solution[self.free] = linalg.cho_solve((L, True), right[self.free] / scale, check_finite=False) / scale
        return solution


def _remainders(A: Floats) -> Floats:
    """Return what is left of each unit diagonal element of `A` after the columns before it."""
    from scipy import linalg

    try:
        return np.diag(linalg.cholesky(A, lower=True, check_finite=False)) ** 2 if len(A) else np.empty(0)
    except linalg.LinAlgError:
        pass
    work, left = A.copy(), np.zeros(len(A))
    for j in range(len(A)):
        left[j] = work[j, j]
        if left[j] > _DEPENDENT:
            work[j + 1 :, j + 1 :] -= np.outer(work[j + 1 :, j], work[j, j + 1 :]) / left[j]
    return left
