r"""Bayesian regression with many candidates of which few matter: a point mass at zero, and a wide normal beside it.

:math:`y = X\beta + e`, :math:`e \sim N(0, \sigma^2)`; a candidate is in the model with probability pi, and given those
that are, :math:`\beta_\gamma \sim N(0, \sigma^2 \Omega_\gamma)` with :math:`\Omega^{-1} = (w / n) (X'X + diag(X'X)) /
2` (George and McCulloch 1997; Scott and Varian 2014).
"""

from __future__ import annotations

import math

import numpy as np

from svmodel.numerics.arrays import Floats

#: Candidates that are looked at in one step; with more, a random choice of them.
_FLIPS = 25
#: Steps after which the swept matrices are made afresh, before rounding adds up.
_RENEWED = 200
#: Exchanges of a member against another candidate that are tried in one step.
_EXCHANGES = 2


def truncated_variance(df: float, sum_of_squares: float, upper: float, rng: np.random.Generator) -> float:
    """Return a draw of a variance whose inverse is Gamma(df / 2, sum_of_squares / 2), below ``upper ** 2``.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> draws = np.array([truncated_variance(10, 10, 1.0, rng) for _ in range(1000)])
    >>> bool(draws.max() <= 1), bool(draws.min() > 0)
    (True, True)
    """
    from scipy import special

    least = sum_of_squares / 2 / upper**2
    tail = float(special.gammaincc(df / 2, least))
    # where the bound cuts off all but 1e-300 of the mass, what is left lies on the bound
    if tail < 1e-300:
        return upper**2
    precision = float(special.gammainccinv(df / 2, tail * (1 - rng.random()))) / (sum_of_squares / 2)
    return min(1 / precision, upper**2) if precision > 0 else upper**2


class SpikeAndSlab:
    """A Gibbs sampler of inclusions, coefficients and the noise; it keeps its place between steps.

    Parameters
    ----------
    X : ndarray, shape (n, P)
        Standardised candidates, in the periods that are observed.
    inclusion : float
        Prior probability of each; 1 for all in.
    df, guess, upper : float
        The noise has 1 / variance ~ Gamma(df / 2, df guess^2 / 2), with a standard deviation below `upper`.
    weight : float
        How many observations the slab is worth.
    """

    def __init__(
        self, X: Floats, *, inclusion: float, df: float, guess: float, upper: float, weight: float = 0.01
    ) -> None:
        n, p = X.shape
        gram = X.T @ X
        self.X, self.df, self.sum_of_squares, self.upper = X, df, df * guess**2, upper
        self.prior = weight / max(n, 1) * (gram + np.diag(np.diag(gram))) / 2
        self.precision = gram + self.prior
        self.log_odds = math.inf if inclusion >= 1 else math.log(inclusion / (1 - inclusion))
        self.member = np.full(p, inclusion >= 1)
        self.steps = 0
        self._renew()

    def _renew(self) -> None:
        """Sweep both matrices on the members, from the start."""
        self.swept, self.swept_prior = self.precision.copy(), self.prior.copy()
        for j in np.flatnonzero(self.member):
            _sweep(self.swept, int(j))
            _sweep(self.swept_prior, int(j))

    def step(self, y: Floats, rng: np.random.Generator) -> tuple[Floats, float]:
        """Return coefficients, shape (P,), and the noise's variance, after a round over the inclusions."""
        p = len(self.member)
        b = self.X.T @ y
        total = float(y @ y) + self.sum_of_squares
        if p and math.isfinite(self.log_odds):
            self.steps += 1
            if self.steps % _RENEWED == 0:
                self._renew()
            self._flip(b, total, self.df + len(y), rng)
        inside = np.flatnonzero(self.member)
        beta = np.zeros(p)
        explained = 0.0
        if len(inside):
            factor = np.linalg.cholesky(self.precision[np.ix_(inside, inside)])
            half = np.linalg.solve(factor, b[inside])
            explained = float(half @ half)
        noise = truncated_variance(self.df + len(y), max(total - explained, self.sum_of_squares), self.upper, rng)
        if len(inside):
            beta[inside] = np.linalg.solve(factor.T, half + math.sqrt(noise) * rng.standard_normal(len(inside)))
        return beta, noise

    def _flip(self, b: Floats, total: float, df: float, rng: np.random.Generator) -> None:
        """Draw each inclusion given the others, coefficients and noise integrated out, then try to exchange members.

        With A the precision and P the prior's, a candidate j brings ``pi / (1 - pi) (P_jj.m / A_jj.m)^(1/2)`` and takes
        ``r_j^2 / A_jj.m`` off the sum of squares, where m are the other members, ``A_jj.m`` is what is left of A_jj
        when they are swept out, and r_j what is left of b_j. Exchanges let candidates that are much alike take turns.
        """
        order = rng.permutation(len(self.member))[:_FLIPS]
        logits = np.log(1 / np.maximum(rng.random(len(order)), 1e-300) - 1)
        place = 0
        # all odds at once: they hold until the first candidate that changes sides
        while place < len(order):
            brings, gain, rest = self._brings(b, total)
            more = np.where(self.member, rest + gain, rest)
            odds = brings + self._evidence(more - gain, df) - self._evidence(more, df)
            rather = order[place:]
            change = np.flatnonzero((logits[place:] + odds[rather] > 0) != self.member[rather])
            if len(change) == 0:
                break
            self._toggle(int(rather[change[0]]))
            place += int(change[0]) + 1
        for _ in range(_EXCHANGES):
            inside, outside = np.flatnonzero(self.member), np.flatnonzero(~self.member)
            if not (len(inside) and len(outside)):
                break
            i, j = int(rng.choice(inside)), int(rng.choice(outside))
            before, gain_i, rest = (v[i] for v in self._brings(b, total))
            self._toggle(i)
            after, gain_j, _ = (v[j] for v in self._brings(b, total))
            evidence = self._evidence(np.array([rest + gain_i - gain_j, rest]), df)
            if math.log(max(rng.random(), 1e-300)) < after - before + float(evidence[0] - evidence[1]):
                self._toggle(j)
            else:
                self._toggle(i)

    def _brings(self, b: Floats, total: float) -> tuple[Floats, Floats, Floats]:
        """Return, of each candidate beside the other members, the log of what it brings but for the evidence.

        And what it takes, or has taken, off the sum of squares; and the sum of squares left by the members, P times.
        """
        inside = np.flatnonzero(self.member)
        pivot, prior = np.diag(self.swept).copy(), np.diag(self.swept_prior).copy()
        explained = self.swept[:, inside] @ b[inside]
        # of a member the swept matrix holds minus the inverse of what would be left of it, and minus its coefficient
        pivot[inside], prior[inside] = -1 / pivot[inside], -1 / prior[inside]
        left = b - explained
        left[inside] = -explained[inside] * pivot[inside]
        rest = np.full(len(b), total + float(b[inside] @ explained[inside]))
        return self.log_odds + 0.5 * np.log(prior / pivot), left**2 / pivot, rest

    def _evidence(self, rest: Floats, df: float) -> Floats:
        """Return the log of the integral over the noise, given the sum of squares that is left."""
        from scipy import special

        rest = np.maximum(rest, self.sum_of_squares)
        tail = special.gammaincc(df / 2, rest / 2 / self.upper**2)
        return np.asarray(-df / 2 * np.log(rest) + np.log(np.maximum(tail, 1e-300)))

    def _toggle(self, j: int) -> None:
        self.member[j] = not self.member[j]
        _sweep(self.swept, j)
        _sweep(self.swept_prior, j)


def _sweep(A: Floats, j: int) -> None:
    """Sweep a symmetric matrix on row j in place; a second time takes it back.

    Of swept members A holds minus the inverse, of the others what the members leave, and between them coefficients.
    """
    pivot = A[j, j]
    column = A[:, j].copy()
    if pivot > 0:
        column[j] = 0.0
        A -= np.outer(column, column) / pivot
        A[:, j] = A[j, :] = column / pivot
        A[j, j] = -1 / pivot
    else:
        column[j] = 0.0
        A -= np.outer(column, column) / pivot
        A[:, j] = A[j, :] = -column / pivot
        A[j, j] = -1 / pivot
