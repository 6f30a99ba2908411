"""The hinge loss with a quadratic penalty, minimised for many label vectors on the same rows."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from threadpoolctl import threadpool_limits

# The first phase: steps, the part of the rows it sees, and how far a dual variable moves for a
# slack of 1.
_SHARED_STEPS = 20
_SHARED_PART = 0.25
_SHARED_RATE = 0.1
# The second phase: gap wanted on the chosen rows, as a multiple of the final one, by round; ...
_ROUND_GAPS = (20.0, 0.7)
# ... width of the smoothing at first, at its centre's moves, and at least; ...
_FIRST_WIDTH = 0.3
_WIDTH_FACTOR = 0.7
_LAST_WIDTH = 1e-6
# ... and the share of the whole gap below which what a smoothed problem leaves moves the centre.
_SMOOTHED_GAP_SHARE = 0.3
# Work on rows is cut into this many shares, and those into blocks that stay in the cache. Both are
# fixed, whatever the cores, so that sums do not depend on these.
_SHARES = 8
_BLOCK_ROWS = 512
# Fewer rows than this are not worth choosing among.
_FEW_ROWS = 1024
# Rounds after which float32 cannot show what is missing.
_MAX_ROUNDS = 20


class HingeFit(NamedTuple):
    """What :func:`fit_hinge` found for P problems."""

    weights: np.ndarray
    """float64 [P, D]"""
    intercepts: np.ndarray
    """float64 [P]"""
    objective: np.ndarray
    """float64 [P]: the objective at ``weights`` and ``intercepts``."""
    duality_gap: np.ndarray
    """float64 [P]: (primal - dual) / primal."""
    n_iter: np.ndarray
    """int64 [P]: Newton steps taken."""


def fit_hinge(
    X: np.ndarray,
    signs: np.ndarray,
    *,
    reg_param: float,
    sample_weight: np.ndarray | None = None,
    max_iter: int = 200,
    tol: float = 1e-3,
) -> HingeFit:
    """Minimise the regularised mean hinge loss for several label vectors on the same rows.

    For each row ``y`` of ``signs`` on its own, with the weights ``p`` of sum 1::

        min over w, b of   sum_i p_i max(0, 1 - y_i (x_i w + b)) + reg_param / 2 ||w||^2

    Parameters
    ----------
    X : float32 or float64 array [n, D]
        Finite features, with means zero under the weights. The optimal ``w`` does not depend on
        the means, as the intercept is free.
    signs : array [P, n]
        -1 and 1, both in every row.
    reg_param : float
        Weight of the penalty, above zero.
    sample_weight : array [n], optional
        Above zero; they are divided by their sum. The same for all rows by default.
    max_iter : int
        Cap on the Newton steps per problem.
    tol : float
        Relative duality gap at which a problem is finished. Float32 features reach about 1e-5.

    Returns
    -------
    HingeFit
        The best point met for each problem, with its certificate. A problem that met the cap
        first has a ``duality_gap`` above ``tol``; nothing is raised.

    Notes
    -----
    The dual has a variable ``a_i`` in [0, 1] for each row, with ``sum p_i a_i y_i = 0``. Two
    phases, as usual for semismooth Newton augmented Lagrangians [1]_ [2]_:

    - ADMM [3]_ from zero, on a part of the rows where these are many. Its split, z = X w + b,
      makes every step a product with X, a clip, a product with X' and a system that is the same
      for all problems and steps, so that a step costs little more for many problems than for one.
      It soon finds most of the rows without loss, and is slow from there on.
    - The augmented Lagrangian method on the dual: the hinge is replaced by
      ``max over a in [0, 1] of a slack - width / 2 (a - c_i)^2``, where ``c`` is the last a, and
      minimised by Newton steps on the generalised Hessian ``reg_param I + X_A' P_A X_A / width``
      with an exact line search [4]_, A being the rows whose a is inside (0, 1). The intercept is
      minimised out exactly. A step solves the smaller of an |A| x |A| system, by Woodbury's
      identity, and a D x D one. Each problem does so on its own rows of most slack only, the
      others having no loss near the optimum. All rows are looked at after each round, and rows
      that were wrongly left out come in for the next one.

    Products are computed in the precision of X and all else in float64. The certificate is
    float64 throughout: ``a``, scaled down on one side so that ``sum p_i a_i y_i = 0``, is feasible
    for the dual, hence ``sum p_i a_i - ||sum p_i a_i y_i x_i||^2 / (2 reg_param)`` is a lower
    bound on the optimum, however a was found.

    References
    ----------
    .. [1] X. Li, D. Sun and K.-C. Toh. A highly efficient semismooth Newton augmented Lagrangian
       method for solving Lasso problems. SIAM J. Optimization 28, 2018.
    .. [2] Y. Yan and Q. Li. An efficient augmented Lagrangian method for support vector machine.
       Optimization Methods and Software 35, 2020.
    .. [3] S. Boyd et al. Distributed optimization and statistical learning via the alternating
       direction method of multipliers. Foundations and Trends in Machine Learning 3, 2011.
    .. [4] S. S. Keerthi and D. DeCoste. A modified finite Newton method for fast solution of
       large scale linear SVMs. JMLR 6, 2005.
    """
    n_threads = min(os.cpu_count() or 1, _SHARES)
    # A single-threaded BLAS in each thread: sums then do not depend on the cores, and OpenBLAS's
    # threads wait on one another by spinning, which on a machine with other work costs many times
    # what they gain.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n_threads) as pool:
        share = np.ones(len(X)) if sample_weight is None else sample_weight.astype(np.float64)
        share = share / share.sum()
        signs = signs.astype(np.float64)
        weights, intercepts, alpha = _admm(X, share, signs, reg_param, pool)
        problems = [
            _Problem(X, share, *each, reg_param)
            for each in zip(signs, weights, intercepts, alpha, strict=True)
        ]
        running = list(problems)
        _certify(X, share, running, pool)
        for rounds in itertools.count():
            target = tol * _ROUND_GAPS[min(rounds, len(_ROUND_GAPS) - 1)]
            # The longest first, so that no thread is left with it at the end.
            running.sort(key=lambda each: -np.count_nonzero(each.slack > 0))
            list(pool.map(lambda each, target=target: each.improve(max_iter, target), running))
            _certify(X, share, running, pool)
            running = [
                each
                for each in running
                if each.duality_gap > tol and each.n_iter < max_iter and rounds < _MAX_ROUNDS
            ]
            if not running:
                break
        return HingeFit(
            np.array([each.best_weights for each in problems]),
            np.array([each.best_intercept for each in problems]),
            np.array([each.objective for each in problems]),
            np.array([each.duality_gap for each in problems]),
            np.array([each.n_iter for each in problems]),
        )


def _sum_over_rows(
    n: int, work: Callable[[slice], np.ndarray], pool: ThreadPoolExecutor
) -> np.ndarray:
    """Sum what ``work`` returns for blocks of n rows, in float64 and in a fixed order."""

    def add(ends: tuple[int, int]) -> np.ndarray | float:
        total = 0.0
        for block in _blocks(*ends):
            total = total + work(block).astype(np.float64, copy=False)
        return total

    return sum(pool.map(add, itertools.pairwise(np.linspace(0, n, _SHARES + 1).astype(int))))


def _blocks(start: int, stop: int) -> list[slice]:
    return [slice(i, min(i + _BLOCK_ROWS, stop)) for i in range(start, stop, _BLOCK_ROWS)]


def _admm(
    X: np.ndarray,
    share: np.ndarray,
    signs: np.ndarray,
    reg_param: float,
    pool: ThreadPoolExecutor,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first phase: weights [P, D], intercepts [P] and dual variables [P, n].

    z and its multiplier do not appear: the multiplier is ``a y``, and z follows from both.
    """
    n, n_features = X.shape
    size = max(int(_SHARED_PART * n), 4 * max(n_features, _FEW_ROWS))
    everything = np.zeros(signs.shape)
    chosen = slice(None)
    if size < n:
        chosen = np.sort(np.random.default_rng(0).permutation(n)[:size])
        X, signs, share = X[chosen], signs[:, chosen], share[chosen] / share[chosen].sum()
    roots = np.sqrt(_SHARED_RATE * share).astype(X.dtype)[:, None]
    if len(X) < n_features:
        solve = _ridge_by_rows(X * roots, reg_param)
    else:
        moments = _sum_over_rows(len(X), lambda block: _moments(X[block] * roots[block]), pool)
        solve = _ridge_by_features(moments, reg_param)
    alpha = np.zeros(signs.shape)
    weights = np.zeros((len(signs), n_features))
    intercepts = np.zeros(len(signs))
    last = np.zeros((len(signs), n_features + 1))

    def step(block: slice) -> np.ndarray:
        sign, x = signs[:, block], X[block]
        slack = 1 - sign * ((x @ rounded).T + intercepts[:, None])
        alpha[:, block] = np.clip(alpha[:, block] + _SHARED_RATE * slack, 0, 1)
        multipliers = alpha[:, block] * sign * share[block]
        sums = multipliers.sum(axis=1, keepdims=True)
        return np.hstack([multipliers.astype(X.dtype) @ x, sums])

    for _ in range(_SHARED_STEPS):
        rounded = weights.T.astype(X.dtype)
        combined = _sum_over_rows(len(X), step, pool)
        ahead = 2 * combined - last
        weights = weights + solve((ahead[:, :-1] - reg_param * weights).T).T
        intercepts = intercepts + ahead[:, -1] / _SHARED_RATE
        last = combined
    everything[:, chosen] = alpha
    return weights, intercepts, everything


class _Problem:
    """One label vector in the second phase."""

    def __init__(
        self,
        X: np.ndarray,
        share: np.ndarray,
        signs: np.ndarray,
        weights: np.ndarray,
        intercept: float,
        alpha: np.ndarray,
        reg_param: float,
    ) -> None:
        self.X, self.share, self.signs, self.reg_param = X, share, signs, reg_param
        self.weights, self.intercept, self.alpha = weights, intercept, alpha
        self.slack = np.empty(len(X))
        self.width = _FIRST_WIDTH
        self.n_iter = 0
        self.objective, self.bound = np.inf, -np.inf

    def improve(self, max_iter: int, tol: float) -> None:
        """Solve the problem on the rows that matter, to a gap of ``tol`` there."""
        n_with_loss = np.count_nonzero(self.slack > 0)
        size = 2 * n_with_loss + max(self.X.shape[1], _FEW_ROWS)
        if size >= len(self.X):
            chosen = slice(None)
        else:
            # Rows with a dual variable stay, so that the bound on all rows does not fall.
            order = np.argpartition(-self.slack, size)[:size]
            chosen = np.union1d(order, np.flatnonzero(self.alpha))
        part = _Part(self, chosen)
        part.solve(max_iter, tol)
        self.weights, self.intercept = part.best_weights, part.best_intercept
        self.alpha = np.zeros(len(self.X))
        self.alpha[chosen] = part.best_alpha
        self.width, self.n_iter = part.width, part.n_iter


class _Part:
    """A problem on some of its rows; the others are taken to have no loss."""

    def __init__(self, problem: _Problem, chosen: np.ndarray | slice) -> None:
        self.X, self.share = problem.X[chosen], problem.share[chosen]
        self.signs, self.reg_param = problem.signs[chosen], problem.reg_param
        self.weights, self.intercept = problem.weights, problem.intercept
        self.centre, self.slack = problem.alpha[chosen], problem.slack[chosen]
        self.width, self.n_iter = problem.width, problem.n_iter
        # Not every step lowers the hinge objective or raises the bound, so the best are kept.
        self.objective, self.bound = np.inf, -np.inf

    def solve(self, max_iter: int, tol: float) -> None:
        """Newton steps until the gap is ``tol``, as far as the precision of X shows it."""
        while True:
            self.settle()
            gap, moves = self.judge()
            if gap <= tol or self.n_iter >= max_iter:
                return
            if moves:
                self.centre = self.alpha
                self.width = max(self.width * _WIDTH_FACTOR, _LAST_WIDTH)
                self.alpha = self.dual()
            self.advance(self.direction())

    def dual(self) -> np.ndarray:
        """The dual variables [n] that belong to the slacks."""
        return np.clip(self.centre + self.slack / self.width, 0.0, 1.0)

    def dual_weights(self) -> np.ndarray:
        """The weights times reg_param, float64 [D], that belong to the dual variables."""
        multipliers = (self.share * self.alpha * self.signs).astype(self.X.dtype)
        return (multipliers @ self.X).astype(np.float64)

    def settle(self) -> None:
        """Set the intercept to its best, and the dual variables to what follows from it."""
        shifted = self.slack + self.width * self.centre
        # Beyond either end one side has no loss left and the other only gains some.
        shift = _slope_root(
            shifted,
            self.signs,
            self.share,
            self.width,
            low=-shifted[self.signs < 0].max(initial=-np.inf),
            high=shifted[self.signs > 0].max(initial=-np.inf),
            start=0.0,
        )
        self.intercept += shift
        self.slack = self.slack - shift * self.signs
        self.alpha = _balance(self.dual(), self.signs, self.share)

    def judge(self) -> tuple[float, bool]:
        """The relative gap, and whether the smoothed problem is solved well enough."""
        dual_weights = self.dual_weights()
        penalty = self.reg_param / 2 * (self.weights @ self.weights)
        primal = self.share @ np.maximum(self.slack, 0.0) + penalty
        dual = self.share @ self.alpha - dual_weights @ dual_weights / (2 * self.reg_param)
        if primal < self.objective:
            self.objective = primal
            self.best_weights, self.best_intercept = self.weights, self.intercept
        if dual > self.bound:
            self.bound, self.best_alpha = dual, self.alpha
        residual = self.reg_param * self.weights - dual_weights
        # By Fenchel and Young this is the smoothed problem's own gap.
        smoothed_gap = residual @ residual / (2 * self.reg_param)
        return 1 - self.bound / self.objective, smoothed_gap <= _SMOOTHED_GAP_SHARE * (
            primal - dual
        )

    def direction(self) -> np.ndarray:
        """Newton's direction for the weights and, at the end, the intercept: [D + 1].

        Eliminating the intercept from the bordered system leaves
        ``(reg_param I + Z'Z) d = m intercept_gradient - gradient``, with m the mean of the active
        rows under their shares, and Z these rows less m, times sqrt(share / width).
        """
        X, alpha, share = self.X, self.alpha, self.share
        gradient = self.reg_param * self.weights - self.dual_weights()
        intercept_gradient = -(share * alpha) @ self.signs
        active = np.flatnonzero((alpha > 0) & (alpha < 1))
        if not len(active):
            return np.append(-gradient / self.reg_param, 0.0)
        total = share[active].sum()
        roots = np.sqrt(share[active] / self.width).astype(X.dtype)[:, None]
        Z = X[active]
        mean = (share[active] / total).astype(X.dtype) @ Z
        Z -= mean
        Z *= roots
        if len(active) < X.shape[1]:
            solve = _ridge_by_rows(Z, self.reg_param)
        else:
            solve = _ridge_by_features(_moments(Z), self.reg_param)
        mean = mean.astype(np.float64)
        direction = solve(mean * intercept_gradient - gradient)
        own = -(mean @ direction) - intercept_gradient * self.width / total
        return np.append(direction, own)

    def advance(self, direction: np.ndarray) -> None:
        """Step to the best point along ``direction``."""
        rates = self.signs * (self.X @ direction[:-1].astype(self.X.dtype) + direction[-1])
        step = _slope_root(
            self.slack + self.width * self.centre,
            rates,
            self.share,
            self.width,
            linear=self.reg_param * (self.weights @ direction[:-1]),
            quadratic=self.reg_param * (direction[:-1] @ direction[:-1]),
            low=0.0,
            start=1.0,
        )
        self.weights = self.weights + step * direction[:-1]
        self.intercept = self.intercept + step * direction[-1]
        self.slack = self.slack - step * rates
        self.n_iter += 1


def _certify(
    X: np.ndarray, share: np.ndarray, problems: list[_Problem], pool: ThreadPoolExecutor
) -> None:
    """Set the slacks, and in float64 the objectives and gaps, of where the problems are."""
    weights = np.array([each.weights for each in problems])
    intercepts = np.array([[each.intercept] for each in problems])
    signs = np.array([each.signs for each in problems])
    # Balanced here, as the bound holds for feasible dual variables alone.
    alpha = np.array([_balance(each.alpha, each.signs, share) for each in problems])
    slack = np.empty(signs.shape)

    def sums(block: slice) -> np.ndarray:
        x = X[block].astype(np.float64, copy=False)
        slack[:, block] = 1 - signs[:, block] * (weights @ x.T + intercepts)
        losses = np.maximum(slack[:, block], 0.0) @ share[block]
        multipliers = alpha[:, block] * share[block]
        dual_weights = (multipliers * signs[:, block]) @ x
        return np.column_stack([losses, multipliers.sum(axis=1), dual_weights])

    totals = _sum_over_rows(len(X), sums, pool)
    for problem, own, (loss, reward, *dual_weights) in zip(problems, slack, totals, strict=True):
        problem.slack = own
        penalty = problem.reg_param / 2 * (problem.weights @ problem.weights)
        if loss + penalty < problem.objective:
            problem.objective = loss + penalty
            problem.best_weights, problem.best_intercept = problem.weights, problem.intercept
        dual = reward - np.square(dual_weights).sum() / (2 * problem.reg_param)
        problem.bound = max(problem.bound, dual)
        problem.duality_gap = max(1 - problem.bound / problem.objective, 0.0)


def _balance(alpha: np.ndarray, signs: np.ndarray, share: np.ndarray) -> np.ndarray:
    """``alpha`` [n] with its heavier side scaled down: ``sum share alpha signs = 0``."""
    weighted = share * alpha
    positive, negative = weighted[signs > 0].sum(), weighted[signs < 0].sum()
    if positive == negative:
        return alpha
    heavier = 1.0 if positive > negative else -1.0
    factor = min(positive, negative) / max(positive, negative)
    return np.where(signs == heavier, alpha * factor, alpha)


def _moments(rows: np.ndarray) -> np.ndarray:
    return rows.T @ rows


def _ridge_by_features(moments: np.ndarray, ridge: float) -> Callable[[np.ndarray], np.ndarray]:
    """Solver of ``(moments + ridge I) x = right``."""
    factor = _factor(moments, ridge)
    return lambda right: cho_solve(factor, right, check_finite=False)


def _ridge_by_rows(Z: np.ndarray, ridge: float) -> Callable[[np.ndarray], np.ndarray]:
    """Solver of ``(Z'Z + ridge I) x = right`` from the smaller ``ZZ'``, by Woodbury's identity."""
    factor = _factor(Z @ Z.T, ridge)

    def solve(right: np.ndarray) -> np.ndarray:
        inner = cho_solve(factor, Z @ right.astype(Z.dtype), check_finite=False)
        return (right - Z.T @ inner) / ridge

    return solve


def _factor(system: np.ndarray, ridge: float) -> tuple[np.ndarray, bool]:
    """Cholesky factor of ``system + ridge I``, of a positive semi-definite system."""
    diagonal = system.diagonal().copy()
    for _ in range(20):
        system.flat[:: len(system) + 1] = diagonal + ridge
        try:
            return cho_factor(system, lower=True, check_finite=False)
        except LinAlgError:
            # Rounding in a system with entries far above the ridge. More of it makes a shorter
            # step, still downhill.
            ridge = max(10 * ridge, np.finfo(system.dtype).eps * diagonal.sum())
    raise LinAlgError("a Newton system is not positive definite; are the features finite?")


def _slope_root(
    slack: np.ndarray,
    rates: np.ndarray,
    share: np.ndarray,
    width: float,
    *,
    linear: float = 0.0,
    quadratic: float = 0.0,
    low: float,
    high: float = np.inf,
    start: float,
) -> float:
    """Minimise ``sum share huber(slack - s rates) + linear s + quadratic s^2 / 2`` over s.

    The slope is piecewise linear and never falls, so that Newton's step from the root's own piece
    is exact. Bisection of the bracket takes over where a step would leave it.
    """
    shared_rates = share * rates
    s = min(max(start, low), high)
    for _ in range(100):
        scaled = (slack - s * rates) / width
        inside = (scaled > 0) & (scaled < 1)
        slope = linear + quadratic * s - np.clip(scaled, 0.0, 1.0) @ shared_rates
        curvature = quadratic + rates[inside] @ shared_rates[inside] / width
        if slope == 0:
            break
        if slope < 0:
            low = s
        else:
            high = s
        following = s - slope / curvature if curvature > 0 else np.inf
        if abs(following - s) <= 1e-15 * max(1.0, abs(s)):
            break
        if not low < following < high:
            following = 2 * low + 1 if np.isinf(high) else (low + high) / 2
        s = following
    return s
