"""One-versus-rest linear support vector machines, solved to a certified duality gap."""

from __future__ import annotations

import warnings
import zipfile

import numpy as np
import skops.io
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from veneer.heads.hinge import fit_hinge

TRUSTED_TYPES = ["veneer.heads.linear_svc.OneVsRestLinearSVC"]
"""The only type that :func:`loads` accepts beside those skops itself holds safe."""

# Rows centred at a time: few enough to stay in the cache.
_CHUNK_ROWS = 256


class OneVsRestLinearSVC(ClassifierMixin, BaseEstimator):
    """Linear support vector machine with the plain hinge loss, one per class against the rest.

    For each class, with ``y`` 1 on its rows and -1 on the others and ``x`` the features divided
    by their standard deviation (n - 1, not centred)::

        min over w, b of   mean_i max(0, 1 - y_i (x_i w + b)) + reg_param / 2 ||w||^2

    The mean is weighted where rows have weights. The intercept b is not penalised. This is the
    objective of Spark ML's ``OneVsRest(LinearSVC(maxIter=200, regParam=0.02))``; the method is that
    of :func:`veneer.heads.hinge.fit_hinge`, which says where it comes from.

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
    class_weight : None, "balanced" or dict from class to weight, default=None
        Multiplies the weight of each row by that of its own class, in all K problems alike.
        "balanced" is ``n / (K n_class)``, with counts of rows weighted by ``sample_weight``.

    Attributes
    ----------
    classes_ : array [K]
    coef_ : float32 array [K, D]; [1, D] for two classes
        Weights for the features as given. A constant feature has weight 0.
    intercept_ : float32 array [K]; [1] for two classes
    objective_ : float64 array [K]; [1] for two classes
        The objective reached, for the scaled features in the precision of the features given.
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

    Integer weights are the same as rows repeated. The deviations are therefore weighted too, with
    ``sum of weights - 1`` in the denominator; Spark's weighted summarizer differs in that 1.

    The result is deterministic and does not depend on the number of cores.
    """

    def __init__(
        self,
        *,
        reg_param=0.02,
        max_iter=200,
        tol=1e-3,
        standardization=True,
        class_weight=None,
    ):
        self.reg_param = reg_param
        self.max_iter = max_iter
        self.tol = tol
        self.standardization = standardization
        self.class_weight = class_weight

    def fit(self, X, y, sample_weight=None) -> OneVsRestLinearSVC:
        """Fit all classes.

        Parameters
        ----------
        X : array [n, D]
            Features, float32 or float64, which is also the precision of the solver's products;
            other types become float64.
        y : array [n]
            Class labels.
        sample_weight : array [n], optional
            Weights from 0 up. A row of weight 0 is as if absent.

        Returns
        -------
        OneVsRestLinearSVC
            Itself.

        Raises
        ------
        ValueError
            On parameters out of range, features that are not finite, negative weights, or fewer
            than two classes with a weight above 0.

        Warns
        -----
        ConvergenceWarning
            Where ``max_iter`` was met before ``tol``: names those classes and their gaps.
        """
        positive = all(0 < each < np.inf for each in (self.reg_param, self.tol))
        if not positive or not self.max_iter >= 1:
            raise ValueError(
                "reg_param and tol must be above 0 and finite, and max_iter at least 1; got "
                f"reg_param={self.reg_param!r}, tol={self.tol!r}, max_iter={self.max_iter!r}"
            )
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        if y.dtype.kind not in "OSU":  # names are classes; of many different ones it would warn
            check_classification_targets(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        counted = weight > 0
        if not counted.all():
            X, y, weight = X[counted], y[counted], weight[counted]
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data "
                f"contains only one class: {self.classes_[0]!r}"
            )
        class_weight = compute_class_weight(
            self.class_weight, classes=self.classes_, y=y, sample_weight=weight
        )
        if not np.all(class_weight > 0):
            raise ValueError(f"class_weight must be above 0; got {self.class_weight!r}")
        weight = weight * class_weight[codes]
        if not np.isfinite(weight.sum()):
            raise ValueError("the sum of the weights is not finite")
        positive = np.arange(len(self.classes_)) if len(self.classes_) > 2 else np.array([1])
        signs = np.where(codes == positive[:, None], 1.0, -1.0)

        scaled, means, scales = _centre_and_scale(X, weight, self.standardization)
        fit = fit_hinge(
            scaled,
            signs,
            reg_param=self.reg_param,
            sample_weight=weight,
            max_iter=self.max_iter,
            tol=self.tol,
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
                f"max_iter={self.max_iter} Newton steps for: {gaps}. Raise max_iter or reg_param.",
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
    X: np.ndarray, weight: np.ndarray, standardization: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Copy of X, centred and scaled, with the means and the factors, float64 [D], applied.

    Centring moves the optimum's intercept only, and makes the solver's systems better
    conditioned. The factor is 0 for a constant feature; whether it is constant is read off the
    values, as rounding leaves it a deviation just above 0.
    """
    constant = X.max(axis=0) == X.min(axis=0)
    total = weight.sum()
    chunks = [slice(start, start + _CHUNK_ROWS) for start in range(0, len(X), _CHUNK_ROWS)]
    means = sum(weight[rows] @ X[rows].astype(np.float64) for rows in chunks) / total
    scales = np.ones(X.shape[1])
    if standardization:
        squares = sum(weight[rows] @ np.square(X[rows] - means) for rows in chunks)
        # Weights of sum 2 or more count rows; smaller ones, which cannot, stay out of trouble.
        variances = squares / max(total - 1, total / 2)
        np.divide(1.0, np.sqrt(variances), out=scales, where=~constant)
    scales[constant] = 0.0
    scaled = np.empty(X.shape, X.dtype)
    for rows in chunks:
        scaled[rows] = (X[rows] - means) * scales
    return scaled, means, scales
