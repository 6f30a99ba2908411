"""ProKeR: what it learns, what it falls back on, its exact solution, its file."""

import numpy as np
import pytest
import safetensors.numpy
from scipy.special import softmax
from sklearn.datasets import load_digits

from veneer.heads import proker
from veneer.heads.proker import dumps, fit_proker, loads
from veneer.heads.zero_shot import ZeroShotHead


@pytest.fixture(scope="module")
def digits():
    """Unit rows of digits: features, labels, groups of one row each, held-out rows, a prior.

    The prior is made of class means with noise on them, about .8 right.
    """
    X, y = load_digits(return_X_y=True)
    X, y = X - X.mean(axis=0), np.array([f"digit {k}" for k in y])
    X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(X))
    train, held = order[:800], order[800:]
    classes = np.unique(y)
    means = np.stack([X[held][y[held] == name].mean(axis=0) for name in classes])
    means += rng.normal(scale=0.06, size=means.shape)
    prior = ZeroShotHead(classes, means / np.linalg.norm(means, axis=1, keepdims=True))
    groups = np.array([f"sha{i}" for i in range(len(train))])
    return X[train], y[train], groups, X[held], y[held], prior


def few(labels, shots):
    """The first rows of each class."""
    return np.concatenate([np.flatnonzero(labels == name)[:shots] for name in np.unique(labels)])


@pytest.fixture(scope="module")
def fitted(digits):
    X, y, groups, _, _, prior = digits
    return fit_proker(X, y, groups, prior=prior)


def accuracy(head, digits):
    return np.mean(head.predict(digits[3]) == digits[4])


def test_learns_digits_with_and_without_a_prior(digits, fitted):
    X, y, groups, held, _, prior = digits
    assert 0.6 < accuracy(prior, digits) < 0.95
    assert accuracy(fitted, digits) > 0.97
    assert accuracy(fit_proker(X, y, groups, prior=None), digits) > 0.97
    scores = fitted.scores(held)
    assert scores.dtype == np.float32 and scores.shape == (len(held), 10)
    assert fitted.classes_.tolist() == [f"digit {k}" for k in range(10)]
    assert fitted.scores(held[:0]).shape == (0, 10)


def test_few_examples_and_the_prior_are_better_than_either(digits):
    X, y, groups, _, _, prior = digits
    for shots in (1, 2, 4):
        rows = few(y, shots)
        both = accuracy(fit_proker(X[rows], y[rows], groups[rows], prior=prior), digits)
        alone = accuracy(fit_proker(X[rows], y[rows], groups[rows], prior=None), digits)
        assert both > alone
        assert both > accuracy(prior, digits)


def test_too_few_examples_to_validate_on_take_the_defaults(digits):
    X, y, groups, _, _, prior = digits
    rows = few(y, 2)
    # Copies of one file are one example.
    for chosen in (few(y, 1), rows, np.repeat(rows, 3)):
        head = fit_proker(X[chosen], y[chosen], groups[chosen], prior=prior)
        assert (head.prior_scale, head.penalty) == proker.DEFAULT


def test_the_simplest_setting_within_a_standard_error():
    base = np.random.default_rng(0).normal(1, 0.1, size=100)
    close, far = base + np.tile([0.5, -0.49], 50), base + 0.3
    losses = {(0.1, 10.0): base, (1.0, 10.0): close, (4.0, 10.0): far, (4.0, 5.0): close}
    assert proker._simplest(losses) == (1.0, 10.0)
    del losses[1.0, 10.0]
    assert proker._simplest(losses) == (0.1, 10.0)


def test_it_is_the_ridge_solution_on_the_residual(digits, fitted):
    X, y, _, held, _, prior = digits
    Z = (X - fitted.mean) @ fitted.whitening
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    H = (held - fitted.mean) @ fitted.whitening
    H /= np.linalg.norm(H, axis=1, keepdims=True)
    Z, H = Z.astype(np.float64), H.astype(np.float64)
    base = [softmax(fitted.prior_scale * rows @ prior.vectors.T, axis=1) for rows in (X, held)]
    residual = (y[:, None] == fitted.classes_) - base[0]
    kernel = np.exp(Z @ Z.T - 1) + fitted.penalty * np.eye(len(Z))
    expected = base[1] + np.exp(H @ Z.T - 1) @ np.linalg.solve(kernel, residual)
    np.testing.assert_allclose(fitted.scores(held), 10 * expected, atol=2e-3)


def test_a_large_penalty_is_zero_shot(digits, monkeypatch):
    X, y, groups, held, _, prior = digits
    monkeypatch.setattr(proker, "PENALTIES", (1e9,))
    head = fit_proker(X, y, groups, prior=prior)
    np.testing.assert_array_equal(head.predict(held), prior.predict(held))


def test_fewer_landmarks_than_rows(digits, fitted):
    X, y, groups, held, _, prior = digits
    head = fit_proker(X, y, groups, prior=prior, landmarks=200)
    assert head.landmarks.shape == (200, X.shape[1])
    assert accuracy(head, digits) > 0.95
    assert np.mean(head.predict(held) == fitted.predict(held)) > 0.95


def test_copies_of_rows_are_no_trouble(digits):
    X, y, groups, _, _, prior = digits
    rows = np.tile(np.arange(200), 3)
    head = fit_proker(X[rows], y[rows], groups[rows], prior=prior)
    assert accuracy(head, digits) > 0.9


def test_a_prior_of_more_classes_in_another_order(digits, fitted):
    X, y, groups, held, _, prior = digits
    classes = [*prior.classes_[::-1], "letter"]
    wider = ZeroShotHead(classes, np.vstack([prior.vectors[::-1], np.eye(1, X.shape[1])]))
    head = fit_proker(X, y, groups, prior=wider)
    np.testing.assert_array_equal(head.scores(held), fitted.scores(held))


def test_same_rows_same_head(digits, fitted):
    X, y, groups, _, _, prior = digits
    assert dumps(fit_proker(X, y, groups, prior=prior)) == dumps(fitted)


def test_refusals(digits):
    X, y, groups, held, _, prior = digits
    X, y, groups = X[:40], y[:40], groups[:40]
    with pytest.raises(ValueError, match="two classes"):
        fit_proker(X, np.full(40, "digit 1"), groups, prior=prior)
    with pytest.raises(ValueError, match="as many labels"):
        fit_proker(X, y[:-1], groups, prior=prior)
    with pytest.raises(ValueError, match="finite"):
        fit_proker(np.full_like(X, np.nan), y, groups, prior=prior)
    with pytest.raises(ValueError, match="no class marble"):
        fit_proker(X, np.r_[["marble"], y[1:]], groups, prior=prior)
    with pytest.raises(ValueError, match="features"):
        fit_proker(np.hstack([X, X]), y, groups, prior=prior)
    head = fit_proker(X, y, groups, prior=None)
    with pytest.raises(ValueError, match="expects"):
        head.scores(held[:, 1:])


def test_round_trip(digits, fitted):
    held = digits[3]
    again = loads(dumps(fitted))
    np.testing.assert_array_equal(again.scores(held), fitted.scores(held))
    np.testing.assert_array_equal(again.predict(held), fitted.predict(held))
    assert dumps(again) == dumps(fitted)


def test_loads_refuses_foreign_files(fitted):
    with pytest.raises(ValueError, match="no safetensors"):
        loads(b"something else")
    with pytest.raises(ValueError, match="no safetensors"):
        loads(dumps(fitted)[:-10])
    tensors = {"text": np.ones((2, 4), np.float32)}
    with pytest.raises(ValueError, match="no metadata"):
        loads(safetensors.numpy.save(tensors))
    for description, message in (
        ('{"classes": ["a", "b"], "prior_scale": 10, "penalty": 1}', "expected"),
        ('{"classes": ["a", "b"]}', "constants are missing"),
        ("[]", "constants are missing"),
    ):
        metadata = {"veneer.proker": description}
        with pytest.raises(ValueError, match=message):
            loads(safetensors.numpy.save(tensors, metadata=metadata))


def test_near_copies_do_not_break_the_system():
    """A kernel rounded to float32 is not quite positive; a large penalty multiplies that."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(20, 64))
    X = np.repeat(base, 20, axis=0) + 1e-4 * rng.normal(size=(400, 64))
    X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    flat = np.zeros((300, 256), np.float32)
    angles = rng.uniform(0, 2 * np.pi, 300)
    flat[:, 0], flat[:, 1] = np.cos(angles), np.sin(angles)
    for features in (X, flat):
        labels = np.array(["a", "b"])[(features[:, 0] > 0).astype(int)]
        groups = np.arange(len(features)).astype(str)
        head = fit_proker(features, labels, groups, prior=None)
        assert np.mean(head.predict(features) == labels) > 0.95
