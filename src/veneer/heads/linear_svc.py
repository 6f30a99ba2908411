"""One-versus-rest linear support vector machines, solved to a certified duality gap."""

from __future__ import annotations

import os
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import skops.io
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

TRUSTED_TYPES = ["veneer.heads.linear_svc.OneVsRestLinearSVC"]
"""The only type that :func:`loads` accepts beside those skops itself holds safe."""

# The smoothing starts here, where nearly every row is in the quadratic zone, ...
_FIRST_SMOOTHING = 4.0
# ... falls by this factor ...
_SMOOTHING_FACTOR = 0.2
# ... whenever the gap left in the smoothed problem is below this share of the whole gap, ...
_SMOOTHED_GAP_SHARE = 0.05
# ... and stays above this: float64 knows a slack near 1 to 2e-16 only.
_LAST_SMOOTHING = 1e-12
# Rows gathered at a time for a Hessian: 32 MiB at 1024 features.
_CHUNK_ROWS = 4096
# Problems worked on at a time, each with some 50 MiB of its own at 1024 features.
_MAX_THREADS = 8


class OneVsRestLinearSVC(ClassifierMixin, BaseEstimator):
    """Linear support vector machine with the plain hinge loss, one per class against the rest.

    For each class, with ``y`` 1 on its rows and -1 on the others and ``x`` the features divided
    by their standard deviation (n - 1, not centred)::

        min over w, b of   mean_i max(0, 1 - y_i (x_i w + b)) + reg_param / 2 ||w||^2

    The intercept b is not penalised. This is the objective of Spark ML's
    ``OneVsRest(LinearSVC(maxIter=200, regParam=0.02))``; the method is that of
    :func:`fit_hinge`, which says where it comes from.

    Parameters
    ----------
    reg_param : float, default=0.02
        Spark's ``regParam``. scikit-learn's and liblinear's C is ``1 / (reg_param * n)``.
    max_iter : int, default=200
        Cap on the Newton steps per class, in the place of Spark's ``maxIter``, which caps OWL-QN
        iterations.
    tol : float, default=1e-3
        Relative duality gap, (primal - dual) / primal, at which a class is finished. Spark's
        ``tol`` bounds the last change of the objective instead and certifies nothing.
    standardization : bool, default=True
        Spark's ``standardization``: whether the penalty acts on the weights of the scaled
        features (True) or on those of the features as given (False).

    Attributes
    ----------
    classes_ : array [K]
    coef_ : float32 array [K, D]; [1, D] for two classes
        Weights for the features as given. A constant feature has weight 0.
    intercept_ : float32 array [K]; [1] for two classes
    objective_ : float64 array [K]; [1] for two classes
        The objective reached, as solved in float64.
    duality_gap_ : float64 array [K]; [1] for two classes
        Relative duality gap: ``objective_`` is at most this share above the optimum.
    n_iter_ : int64 array [K]; [1] for two classes
        Newton steps taken.
    n_features_in_ : int
    feature_names_in_ : array [D]
        Only where the features had names.

    Notes
    -----
    Spark's ``threshold`` is 0 here. For two classes a single problem is solved, with
    ``classes_[1]`` as its 1; Spark's OneVsRest solves its mirror image as well.

    The result is deterministic and does not depend on the number of cores.
    """

    def __init__(self, *, reg_param=0.02, max_iter=200, tol=1e-3, standardization=True):
        self.reg_param = reg_param
        self.max_iter = max_iter
        self.tol = tol
        self.standardization = standardization

    def fit(self, X, y) -> OneVsRestLinearSVC:
        """Fit all classes.

        Parameters
        ----------
        X : array [n, D]
            Features, float32 or float64; other types become float64.
        y : array [n]
            Class labels.

        Returns
        -------
        OneVsRestLinearSVC
            Itself.

        Raises
        ------
        ValueError
            On parameters out of range, features that are not finite, or fewer than two classes.

        Warns
        -----
        ConvergenceWarning
            Where ``max_iter`` was met before ``tol``: names those classes and their gaps.
        """
        if not self.reg_param > 0 or not self.tol > 0 or not self.max_iter >= 1:
            raise ValueError(
                "reg_param and tol must be above 0 and max_iter at least 1; got "
                f"reg_param={self.reg_param!r}, tol={self.tol!r}, max_iter={self.max_iter!r}"
            )
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data "
                f"contains only one class: {self.classes_[0]!r}"
            )
        positive = np.arange(len(self.classes_)) if len(self.classes_) > 2 else np.array([1])
        signs = np.where(codes == positive[:, None], 1.0, -1.0)

        scaled, means, scales = _centre_and_scale(X, self.standardization)
        fit = fit_hinge(
            scaled, signs, reg_param=self.reg_param, max_iter=self.max_iter, tol=self.tol
        )
        coef = fit.weights * scales
        self.coef_ = coef.astype(np.float32)
        self.intercept_ = (fit.intercepts - coef @ means).astype(np.float32)
        self.objective_ = fit.objective
        self.duality_gap_ = fit.duality_gap
        self.n_iter_ = fit.n_iter

        short = np.flatnonzero(fit.duality_gap > self.tol)
        if len(short):
            gaps = ", ".join(
                f"{self.classes_[positive[k]]} ({fit.duality_gap[k]:.2g})" for k in short
            )
            warnings.warn(
                f"The relative duality gap is still above tol={self.tol:g} after "
                f"max_iter={self.max_iter} Newton steps for: {gaps}. Raise max_iter.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def decision_function(self, X) -> np.ndarray:
        """Signed distances, up to scale, from each class's hyperplane.

        Parameters
        ----------
        X : array [n, D]

        Returns
        -------
        float32 array [n, K]; [n] for two classes, above 0 for ``classes_[1]``
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        decisions = (X @ self.coef_.T + self.intercept_).astype(np.float32, copy=False)
        return decisions if len(self.classes_) > 2 else decisions[:, 0]

    def scores(self, X) -> np.ndarray:
        """Decision values with a column for every class: float32 [n, K], also for two classes."""
        decisions = self.decision_function(X)
        return decisions if decisions.ndim == 2 else np.stack([-decisions, decisions], axis=1)

    def predict(self, X) -> np.ndarray:
        """The class with the largest decision value: array [n] of labels."""
        best = self.scores(X).argmax(axis=1)
        return self.classes_[best]


def dumps(head: OneVsRestLinearSVC) -> bytes:
    """A fitted head in the skops format, which holds no code.

    Raises
    ------
    sklearn.exceptions.NotFittedError
    """
    check_is_fitted(head)
    return skops.io.dumps(head)


def loads(data: bytes) -> OneVsRestLinearSVC:
    """Read back what :func:`dumps` wrote.

    Raises
    ------
    ValueError
        If the bytes are no skops file, or hold something other than a head.
    skops.io.exceptions.UntrustedTypesFoundException
        If they name a type outside ``TRUSTED_TYPES``; nothing of it has been built then.
    """
    try:
        head = skops.io.loads(data, trusted=TRUSTED_TYPES)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError("not a linear head: the bytes are no skops file") from error
    if not isinstance(head, OneVsRestLinearSVC):
        raise ValueError(f"not a linear head: the skops file holds a {type(head).__name__}")
    return head


def _centre_and_scale(
    X: np.ndarray, standardization: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Float64 copy of X, centred and scaled, with the means and the factors [D] applied.

    Centring moves the optimum's intercept only, and makes the solver's systems better
    conditioned. The factor is 0 for a constant feature; whether it is constant is read off the
    values, as rounding leaves it a deviation just above 0.
    """
    constant = X.max(axis=0) == X.min(axis=0)
    X = X.astype(np.float64)  # a copy, also of float64
    means = X.mean(axis=0)
    X -= means
    scales = np.ones(X.shape[1])
    if standardization:
        deviations = np.sqrt(np.einsum("ij,ij->j", X, X) / (len(X) - 1))
        np.divide(1.0, deviations, out=scales, where=~constant)
    scales[constant] = 0.0
    X *= scales
    return X, means, scales


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
    max_iter: int = 200,
    tol: float = 1e-3,
) -> HingeFit:
    """Minimise the regularised mean hinge loss for several label vectors on the same rows.

    For each row ``y`` of ``signs`` on its own::

        min over w, b of   mean_i max(0, 1 - y_i (x_i w + b)) + reg_param / 2 ||w||^2

    Parameters
    ----------
    X : float64 array [n, D]
        Finite features. Columns with mean zero keep the systems well conditioned; the optimal
        ``w`` does not depend on the means, as the intercept is free.
    signs : float64 array [P, n]
        -1 and 1, both in every row.
    reg_param : float
        Weight of the penalty, above zero.
    max_iter : int
        Cap on the Newton steps per problem.
    tol : float
        Relative duality gap at which a problem is finished.

    Returns
    -------
    HingeFit
        The best point met for each problem, with its certificate. A problem that met the cap
        first has a ``duality_gap`` above ``tol``; nothing is raised.

    Notes
    -----
    The hinge is replaced by its Huber smoothing of width mu [1]_: zero below slack 0, quadratic
    up to mu, then linear. That is minimised by Newton steps on the generalised Hessian
    ``reg_param I + X_A' X_A / (n mu)`` with an exact line search [2]_ [3]_, A being the rows in
    the quadratic zone; the intercept is minimised out exactly. Each step solves the smaller of a
    D x D and an |A| x |A| system. mu then falls, and the path of solutions is followed.

    The certificate: ``a_i = clip(slack_i / mu, 0, 1)``, scaled down on one side so that
    ``sum a_i y_i = 0``, is feasible for the dual. Hence
    ``mean(a) - ||X'(a y) / n||^2 / (2 reg_param)`` is a lower bound on the optimum, however well
    the smoothed problem has been solved.

    No n x n matrix is formed unless n < D.

    References
    ----------
    .. [1] Y. Nesterov. Smooth minimization of non-smooth functions. Mathematical Programming
       103, 2005.
    .. [2] S. S. Keerthi and D. DeCoste. A modified finite Newton method for fast solution of
       large scale linear SVMs. JMLR 6, 2005.
    .. [3] O. Chapelle. Training a support vector machine in the primal. Neural Computation 19,
       2007.
    """
    # A thread per problem, each with a single-threaded BLAS: these products are too small to
    # share out, and OpenBLAS's threads wait on one another by spinning, which on a machine with
    # other work costs many times what they gain. It also makes the sums independent of the cores.
    n_threads = min(len(signs), os.cpu_count() or 1, _MAX_THREADS)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n_threads) as pool:
        return _fit_hinge(X, signs, reg_param, max_iter, tol, pool)


def _fit_hinge(
    X: np.ndarray,
    signs: np.ndarray,
    reg_param: float,
    max_iter: int,
    tol: float,
    pool: ThreadPoolExecutor,
) -> HingeFit:
    n_problems, n = signs.shape
    moments = X.T @ X if n >= X.shape[1] else None

    weights = np.zeros((n_problems, X.shape[1]))
    intercepts = np.zeros(n_problems)
    slack = np.ones((n_problems, n))  # 1 - y (x w + b), kept up to date along every step
    smoothing = np.full(n_problems, _FIRST_SMOOTHING)
    n_iter = np.zeros(n_problems, dtype=np.int64)

    # Not every step lowers the hinge objective or raises the bound, so the best are kept.
    best_weights, best_intercepts = weights.copy(), intercepts.copy()
    objective, bound = np.full(n_problems, np.inf), np.zeros(n_problems)

    # All problems advance together, so that margins and gradients are one product each. Arrays
    # named below hold a row for each of the problems still running.
    running = np.arange(n_problems)
    while True:
        shifts = list(
            pool.map(_best_intercept_shift, slack[running], signs[running], smoothing[running])
        )
        intercepts[running] += shifts
        slack[running] -= np.multiply(signs[running], np.array(shifts)[:, None])

        width, sign = smoothing[running, None], signs[running]
        alpha = _balance(np.clip(slack[running] / width, 0.0, 1.0), sign)
        dual_weights = (alpha * sign) @ X / n
        penalty = reg_param / 2 * _squared_norms(weights[running])
        primal = np.maximum(slack[running], 0.0).mean(axis=1) + penalty
        dual = alpha.mean(axis=1) - _squared_norms(dual_weights) / (2 * reg_param)

        better = primal < objective[running]
        best_weights[running[better]] = weights[running[better]]
        best_intercepts[running[better]] = intercepts[running[better]]
        objective[running] = np.minimum(objective[running], primal)
        bound[running] = np.maximum(bound[running], dual)
        gap = 1 - bound[running] / objective[running]

        # Huber's value is a t - mu a^2 / 2 on all its pieces, with slack t and its own alpha a; the
        # smoothed dual lacks the same squares, which cancel.
        smoothed_gap = (alpha * slack[running]).mean(axis=1) + penalty - dual

        unfinished = (gap > tol) & (n_iter[running] < max_iter)
        if not unfinished.any():
            gaps = np.maximum(1 - bound / objective, 0.0)
            return HingeFit(best_weights, best_intercepts, objective, gaps, n_iter)

        lower = (smoothed_gap <= _SMOOTHED_GAP_SHARE * (primal - dual)) & (
            smoothing[running] > _LAST_SMOOTHING
        )
        running, lower = running[unfinished], lower[unfinished]
        slopes = alpha[unfinished] * signs[running]
        gradients = reg_param * weights[running] - dual_weights[unfinished]
        intercept_gradients = np.zeros(len(running))
        active = (slack[running] > 0) & (slack[running] < smoothing[running, None])

        # Where the smoothing falls, predict: along the path alpha has a limit, so the slacks in
        # the zone shrink with mu and A stays. A Newton step on the pieces of the new mu, but with
        # the old A, does just that; without it most of A would leap to the linear piece.
        if lower.any():
            smoothing[running[lower]] *= _SMOOTHING_FACTOR
            slopes[lower] /= np.where(active[lower], _SMOOTHING_FACTOR, 1.0)
            gradients[lower] = reg_param * weights[running[lower]] - slopes[lower] @ X / n
            intercept_gradients[lower] = -slopes[lower].mean(axis=1)

        found = pool.map(
            lambda active, gradient, intercept_gradient, width: _newton_direction(
                X, moments, active, gradient, intercept_gradient, reg_param, 1 / (n * width)
            ),
            active,
            gradients,
            intercept_gradients,
            smoothing[running],
        )
        directions, intercept_directions = map(np.array, zip(*found, strict=True))
        rates = signs[running] * (directions @ X.T + intercept_directions[:, None])
        steps = np.array(
            [
                1.0
                if lower[i]
                else _slope_root(
                    slack[k],
                    rates[i],
                    smoothing[k],
                    linear=reg_param * (weights[k] @ directions[i]),
                    quadratic=reg_param * (directions[i] @ directions[i]),
                    low=0.0,
                    start=1.0,
                )
                for i, k in enumerate(running)
            ]
        )
        weights[running] += steps[:, None] * directions
        intercepts[running] += steps * intercept_directions
        slack[running] -= steps[:, None] * rates
        n_iter[running] += 1


def _squared_norms(rows: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", rows, rows)


def _balance(alpha: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """``alpha`` [P, n] with the heavier side of each row scaled down: ``sum alpha signs = 0``."""
    positive = np.where(signs > 0, alpha, 0.0).sum(axis=1, keepdims=True)
    negative = np.where(signs < 0, alpha, 0.0).sum(axis=1, keepdims=True)
    own = np.where(signs > 0, positive, negative)
    # A side without any weight stays so.
    return alpha * np.divide(
        np.minimum(positive, negative), own, out=np.zeros_like(own), where=own > 0
    )


def _newton_direction(
    X: np.ndarray,
    moments: np.ndarray | None,
    active: np.ndarray,
    gradient: np.ndarray,
    intercept_gradient: float,
    reg_param: float,
    scale: float,
) -> tuple[np.ndarray, float]:
    """Newton's direction for the weights, float64 [D], and for the intercept.

    Eliminating the intercept from the bordered system leaves
    ``(reg_param I + scale Z'Z) d = m intercept_gradient - gradient``, with Z the active rows of
    X less their mean m, and ``-m d - intercept_gradient / (scale |A|)`` for the intercept.

    ``active`` is a bool array [n]; ``moments`` is ``X'X`` [D, D], not needed where n < D.
    """
    n_features = X.shape[1]
    n_active = np.count_nonzero(active)
    if n_active == 0:
        return -gradient / reg_param, 0.0
    if n_active < n_features:
        rows = X[active]
        mean = rows.mean(axis=0)
        rows -= mean
        right = mean * intercept_gradient - gradient
        # Woodbury's identity: the same solution from the smaller |A| x |A| system.
        system = rows @ rows.T
        system *= scale
        inner = _solve(system, reg_param, rows @ right)
        direction = (right - scale * (inner @ rows)) / reg_param
    else:
        # The rows outside A are summed instead, and subtracted, where those are fewer.
        inverted = n_active > len(X) // 2
        chosen = np.flatnonzero(~active if inverted else active)
        system = np.zeros_like(moments)
        for start in range(0, len(chosen), _CHUNK_ROWS):
            rows = X[chosen[start : start + _CHUNK_ROWS]]
            system += rows.T @ rows
        if inverted:
            np.subtract(moments, system, out=system)
        mean = active.astype(X.dtype) @ X / n_active
        system -= n_active * np.outer(mean, mean)
        system *= scale
        direction = _solve(system, reg_param, mean * intercept_gradient - gradient)
    return direction, -float(mean @ direction) - intercept_gradient / (scale * n_active)


def _solve(system: np.ndarray, ridge: float, right: np.ndarray) -> np.ndarray:
    """Solve ``(system + ridge I) x = right`` for a positive semi-definite system."""
    size = len(system)
    diagonal = system.diagonal().copy()
    for _ in range(20):
        system.flat[:: size + 1] = diagonal + ridge
        try:
            factor = cho_factor(system, lower=True, check_finite=False)
            return cho_solve(factor, right, check_finite=False)
        except LinAlgError:
            # Rounding in a system with entries far above the ridge. More of it makes a shorter
            # step, still downhill.
            ridge = max(10 * ridge, np.finfo(np.float64).eps * diagonal.sum())
    raise LinAlgError("a Newton system is not positive definite; are the features finite?")


def _best_intercept_shift(slack: np.ndarray, signs: np.ndarray, smoothing: float) -> float:
    """What to add to the intercept to minimise the smoothed loss, the weights being fixed."""
    # Beyond either end one side has no loss left and the other only gains some.
    return _slope_root(
        slack,
        signs,
        smoothing,
        low=-slack[signs < 0].max(),
        high=slack[signs > 0].max(),
        start=0.0,
    )


def _slope_root(
    slack: np.ndarray,
    rates: np.ndarray,
    smoothing: float,
    *,
    linear: float = 0.0,
    quadratic: float = 0.0,
    low: float,
    high: float = np.inf,
    start: float,
) -> float:
    """Minimise ``mean huber(slack - s rates) + linear s + quadratic s^2 / 2`` over s.

    The slope is piecewise linear and never falls, so that Newton's step from the root's own piece
    is exact. Bisection of the bracket takes over where a step would leave it.
    """
    n = len(slack)
    s = min(max(start, low), high)
    for _ in range(100):
        scaled = (slack - s * rates) / smoothing
        inside = rates[(scaled > 0) & (scaled < 1)]
        slope = linear + quadratic * s - np.clip(scaled, 0.0, 1.0) @ rates / n
        curvature = quadratic + inside @ inside / (n * smoothing)
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
