"""The linear head: its optimum against independent solvers, its certificate, its file."""

import warnings

import numpy as np
import pytest
import skops.io
from scipy.optimize import linprog
from scipy.stats import binomtest
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks
from skops.io.exceptions import UntrustedTypesFoundException

from veneer.heads.hinge import fit_hinge
from veneer.heads.linear_svc import OneVsRestLinearSVC, dumps, loads

REG = 0.02


@parametrize_with_checks([OneVsRestLinearSVC()])
def test_scikit_learn_conventions(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        check(estimator)


def scaled(X):
    deviations = X.std(axis=0, ddof=1)
    return np.divide(X, deviations, out=np.zeros_like(X), where=deviations > 1e-12)


def objective(X, signs, w, b, reg):
    return np.maximum(0, 1 - signs * (X @ w + b)).mean() + reg / 2 * (w @ w)


def own_objectives(head, X, y):
    """The objective of the stored float32 coefficients, worked out from its definition."""
    deviations = X.std(axis=0, ddof=1)
    classes = head.classes_ if len(head.coef_) > 1 else head.classes_[1:]
    return np.array(
        [
            objective(
                scaled(X),
                np.where(y == name, 1, -1),
                w.astype(float) * deviations,
                float(b),
                head.reg_param,
            )
            for name, w, b in zip(classes, head.coef_, head.intercept_, strict=True)
        ]
    )


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X, y


@pytest.fixture(scope="module")
def digits_head(digits):
    return OneVsRestLinearSVC().fit(*digits)


@pytest.mark.parametrize("load", [load_iris, load_wine, load_digits])
def test_no_worse_than_liblinear(load):
    X, y = load(return_X_y=True)
    head = OneVsRestLinearSVC().fit(X, y)
    own = own_objectives(head, X, y)
    np.testing.assert_allclose(own, head.objective_, rtol=1e-4)
    for k, name in enumerate(head.classes_):
        signs = np.where(y == name, 1, -1)
        other = LinearSVC(loss="hinge", C=1 / (REG * len(X)), max_iter=20_000, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            other.fit(scaled(X), signs)
        theirs = objective(scaled(X), signs, other.coef_[0], other.intercept_[0], REG)
        assert own[k] <= 1.001 * theirs


@pytest.mark.parametrize("reg", [1e-3, REG, 1.0])
@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_equals_libsvm_which_leaves_the_intercept_free_too(load, reg):
    X, y = load(return_X_y=True)
    head = OneVsRestLinearSVC(reg_param=reg, tol=1e-5).fit(X, y)
    for k, name in enumerate(head.classes_):
        signs = np.where(y == name, 1, -1)
        other = SVC(kernel="linear", C=1 / (reg * len(X)), tol=1e-8).fit(scaled(X), signs)
        theirs = objective(scaled(X), signs, other.coef_[0], other.intercept_[0], reg)
        assert head.objective_[k] == pytest.approx(theirs, rel=1e-3)
        assert head.objective_[k] <= theirs * (1 + 1e-5)


def test_the_gap_holds_against_the_exact_optimum_of_a_tiny_problem():
    # One feature, so that with w = u - v the optimum over |w| = r is a linear programme in r;
    # scanning r brackets the quadratic penalty.
    x = np.array([-2.0, -1.0, 0.5, -0.3, 1.0, 2.5])
    signs = np.array([-1.0, -1.0, -1.0, 1.0, 1.0, 1.0])
    n = len(x)

    def optimum_at(w):
        # Variables: b, then the n losses.
        result = linprog(
            np.r_[0, np.full(n, 1 / n)],
            A_ub=-np.c_[signs, np.eye(n)],
            b_ub=signs * x * w - 1,
            bounds=[(None, None)] + [(0, None)] * n,
        )
        return result.fun + 0.1 / 2 * w * w

    exact = min(optimum_at(w) for w in np.linspace(0, 3, 601))
    for tol in (1e-1, 1e-3, 1e-6):
        fit = fit_hinge(x[:, None], signs[None], reg_param=0.1, tol=tol)
        assert fit.duality_gap[0] <= tol
        assert fit.objective[0] * (1 - fit.duality_gap[0]) <= exact + 1e-12
        assert fit.objective[0] <= exact * (1 + tol) / (1 - tol)


def test_the_gap_is_a_bound_even_where_the_cap_stopped_the_steps(digits):
    X, y = digits
    optimum = OneVsRestLinearSVC(tol=1e-7).fit(X, y)
    assert np.all(optimum.duality_gap_ <= 1e-7)
    for cap in (1, 3, 8):
        with pytest.warns(ConvergenceWarning):
            head = OneVsRestLinearSVC(max_iter=cap).fit(X, y)
        assert np.all(head.n_iter_ <= cap)
        bound = head.objective_ * (1 - head.duality_gap_)
        assert np.all(bound <= optimum.objective_ * (1 + 1e-12))
        assert np.all(head.objective_ >= optimum.objective_ * (1 - 1e-7))


def test_digits(digits, digits_head):
    X, y = digits
    assert digits_head.duality_gap_.shape == (10,)
    assert np.all(digits_head.duality_gap_ <= 1e-3) and np.all(digits_head.duality_gap_ >= 0)
    assert digits_head.coef_.dtype == digits_head.intercept_.dtype == np.float32
    decisions = digits_head.decision_function(X)
    assert decisions.shape == (len(X), 10) and decisions.dtype == np.float32
    assert np.mean(digits_head.predict(X) == y) > 0.95


def test_more_features_than_rows(digits):
    X, y = digits
    X, y = X[:50], y[:50]
    head = OneVsRestLinearSVC().fit(X, y)
    assert np.all(head.duality_gap_ <= 1e-3)
    assert np.all(head.predict(X) == y)


def test_same_rows_same_bits(digits, digits_head):
    again = OneVsRestLinearSVC().fit(*digits)
    np.testing.assert_array_equal(again.coef_, digits_head.coef_)
    np.testing.assert_array_equal(again.intercept_, digits_head.intercept_)


def test_float32_rows_give_the_same_head(digits, digits_head):
    X, y = digits
    head = OneVsRestLinearSVC().fit(X.astype(np.float32), y)
    np.testing.assert_allclose(head.objective_, digits_head.objective_, rtol=1e-3)


def test_the_scale_of_a_feature_does_not_matter(digits):
    X, y = digits
    larger = X.copy()
    larger[:, 20] *= 1000
    head = OneVsRestLinearSVC(tol=1e-6).fit(X, y)
    again = OneVsRestLinearSVC(tol=1e-6).fit(larger, y)
    np.testing.assert_allclose(again.objective_, head.objective_, rtol=2e-6)
    assert np.mean(again.predict(larger) == head.predict(X)) > 0.999


def test_without_standardization_the_features_count_as_given():
    X, y = load_iris(return_X_y=True)
    head = OneVsRestLinearSVC(standardization=False, tol=1e-5).fit(X, y)
    for k in range(3):
        signs = np.where(y == k, 1, -1)
        other = SVC(kernel="linear", C=1 / (REG * len(X)), tol=1e-8).fit(X, signs)
        theirs = objective(X, signs, other.coef_[0], other.intercept_[0], REG)
        assert head.objective_[k] == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_constant_feature_gets_no_weight(value):
    X, y = load_iris(return_X_y=True)
    head = OneVsRestLinearSVC(tol=1e-6).fit(np.c_[X, np.full(len(X), value)], y)
    without = OneVsRestLinearSVC(tol=1e-6).fit(X, y)
    np.testing.assert_array_equal(head.coef_[:, 4], 0)
    np.testing.assert_allclose(head.objective_, without.objective_, rtol=2e-6)


def test_constant_features_alone_leave_the_intercept():
    head = OneVsRestLinearSVC().fit(np.ones((5, 2)), [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(head.coef_, 0)
    assert head.objective_[0] == pytest.approx(0.8, rel=1e-3)
    assert head.predict(np.ones((1, 2)))[0] == 0


def test_two_classes_with_text_labels():
    X, y = load_iris(return_X_y=True)
    names = np.array(["wood", "brick", "stone"])[y]
    rows = y > 0
    head = OneVsRestLinearSVC().fit(X[rows], names[rows])
    assert head.classes_.tolist() == ["brick", "stone"]
    assert head.coef_.shape == (1, 4) and head.intercept_.shape == (1,)
    assert head.objective_.shape == head.duality_gap_.shape == head.n_iter_.shape == (1,)
    decisions = head.decision_function(X)
    assert decisions.shape == (150,)
    scores = head.scores(X)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, np.c_[-decisions, decisions])
    np.testing.assert_array_equal(head.predict(X) == "stone", decisions > 0)
    assert head.score(X[rows], names[rows]) > 0.9


def test_the_cap_warns_with_the_classes_and_their_gaps():
    X, y = load_iris(return_X_y=True)
    names = np.array(["wood", "brick", "stone"])[y]
    with pytest.warns(ConvergenceWarning, match=r"brick \(.*stone \(.*wood \("):
        head = OneVsRestLinearSVC(max_iter=1).fit(X, names)
    assert np.all(head.duality_gap_ > 1e-3)
    np.testing.assert_array_equal(head.n_iter_, 1)


def test_contradictory_copies_and_a_tight_tolerance_are_solved():
    X, y = load_wine(return_X_y=True)
    X, y = np.r_[X, X], np.r_[y, (y + 1) % 3]
    for reg in (1e-6, 100.0):
        head = OneVsRestLinearSVC(reg_param=reg, tol=1e-6).fit(X, y)
        assert np.all(head.duality_gap_ <= 1e-6)


@pytest.mark.parametrize("wrong", [{"reg_param": 0.0}, {"tol": 0.0}, {"max_iter": 0}])
def test_parameters_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OneVsRestLinearSVC(**wrong).fit(np.eye(2), [0, 1])


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="at least 2 classes"):
        OneVsRestLinearSVC().fit(np.eye(3), ["wood"] * 3)


@pytest.mark.parametrize("dtype", [str, object])
def test_round_trip(digits, dtype):
    X, y = digits
    names = np.array([f"class {k}" for k in y], dtype=dtype)
    head = OneVsRestLinearSVC(reg_param=0.1).fit(X, names)
    again = loads(dumps(head))
    np.testing.assert_array_equal(again.decision_function(X), head.decision_function(X))
    np.testing.assert_array_equal(again.predict(X), head.predict(X))
    np.testing.assert_array_equal(again.duality_gap_, head.duality_gap_)
    assert again.get_params() == head.get_params()


class Stranger:
    """A type the file may name but must not get built."""


def test_loads_refuses_other_things(digits_head):
    digits_head = loads(dumps(digits_head))
    digits_head.stowaway = Stranger()
    with pytest.raises(UntrustedTypesFoundException, match="Stranger"):
        loads(dumps(digits_head))
    with pytest.raises(ValueError, match="LinearSVC"):
        loads(skops.io.dumps(LinearSVC()))
    with pytest.raises(ValueError, match="no skops file"):
        loads(b"something else")


def test_dumps_wants_a_fitted_head():
    with pytest.raises(NotFittedError):
        dumps(OneVsRestLinearSVC())


def test_integer_weights_repeat_rows_and_zero_removes_them(digits):
    X, y = digits[0][:300], digits[1][:300]
    weight = np.random.default_rng(0).integers(0, 4, len(X))
    head = OneVsRestLinearSVC(tol=1e-6).fit(X, y, sample_weight=weight)
    again = OneVsRestLinearSVC(tol=1e-6).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(head.objective_, again.objective_, rtol=2e-6)
    np.testing.assert_allclose(head.decision_function(X), again.decision_function(X), atol=2e-2)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.5}])
def test_class_weights_are_weights_of_rows(class_weight):
    X, y = load_wine(return_X_y=True)
    if class_weight == "balanced":
        weight = (len(y) / (3 * np.bincount(y)))[y]
    else:
        weight = np.array([3.0, 0.5, 1.0])[y]
    head = OneVsRestLinearSVC(class_weight=class_weight).fit(X, y)
    again = OneVsRestLinearSVC().fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(head.coef_, again.coef_, rtol=1e-5)


def test_a_class_without_weight_is_refused():
    with pytest.raises(ValueError, match="class_weight"):
        OneVsRestLinearSVC(class_weight={0: 0.0}).fit(np.eye(2), [0, 1])
    with pytest.raises(ValueError, match="at least 2 classes"):
        OneVsRestLinearSVC().fit(np.eye(3), [0, 1, 1], sample_weight=[0, 1, 1])


def degenerate():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5))
    y = np.arange(60) % 3
    lone = np.where(np.arange(60) == 7, 2, np.arange(60) % 2)
    return {
        "duplicates": (np.repeat(X, 3, axis=0), np.repeat(y, 3)),
        "n below D": (rng.standard_normal((12, 90)), np.arange(12) % 3),
        "separable": (X + 20 * np.eye(5)[y], y),
        "two classes": (X, y % 2),
        "one feature": (X[:, :1], y),
        "one row of a class": (X, lone),
    }


@pytest.mark.parametrize("case", degenerate())
def test_degenerate_input_is_solved(case):
    X, y = degenerate()[case]
    head = OneVsRestLinearSVC().fit(X, y)
    assert np.all(head.duality_gap_ <= 1e-3)
    np.testing.assert_allclose(own_objectives(head, X, y), head.objective_, rtol=1e-4)


def test_accuracy_is_not_below_liblinears(digits):
    X, y = digits
    test = np.arange(len(X)) % 3 == 0
    head = OneVsRestLinearSVC().fit(X[~test], y[~test])
    other = LinearSVC(loss="hinge", C=1 / (REG * np.sum(~test)), max_iter=20_000, random_state=0)
    deviations = X[~test].std(axis=0) + (X[~test].std(axis=0) == 0)
    other.fit(X[~test] / deviations, y[~test])
    right = head.predict(X[test]) == y[test]
    other_right = other.predict(X[test] / deviations) == y[test]
    only, theirs = np.sum(right & ~other_right), np.sum(~right & other_right)
    assert only >= theirs or binomtest(only, only + theirs).pvalue > 0.05
