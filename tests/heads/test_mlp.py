"""The MLP head: what it learns, when it stops, what it leaves alone, its file."""

import numpy as np
import pytest
import safetensors.torch
import torch
from scipy.special import logsumexp
from sklearn.datasets import load_digits

from veneer.heads.mlp import MLPHead, dumps, fit_mlp, loads, stopping_split


@pytest.fixture(scope="module")
def digits():
    """Scaled digits: features, labels, groups of one row each, and held-out rows."""
    X, y = load_digits(return_X_y=True)
    X, y = (X / 16).astype(np.float32), np.array([f"digit {k}" for k in y])
    order = np.random.default_rng(0).permutation(len(X))
    train, held = order[:1200], order[1200:]
    groups = np.array([f"sha{i}" for i in range(len(train))])
    return X[train], y[train], groups, X[held], y[held]


@pytest.fixture(scope="module")
def fitted(digits):
    X, y, groups, _, _ = digits
    return fit_mlp(X, y, groups, hidden=64, learning_rate=3e-3)


def test_learns_digits(digits, fitted):
    _, _, _, X, y = digits
    head, log = fitted, fitted.log
    assert np.mean(head.predict(X) == y) > 0.93
    scores = head.scores(X)
    assert scores.dtype == np.float32 and scores.shape == (len(X), 10)
    assert head.classes_.tolist() == [f"digit {k}" for k in range(10)]
    assert [entry["epoch"] for entry in log] == list(range(1, len(log) + 1))
    assert set(log[0]) == {"epoch", "train_loss", "stopping_loss", "stopping_accuracy"}
    assert log[-1]["train_loss"] < log[0]["train_loss"]


def test_same_seed_same_weights_and_torch_is_left_alone(digits):
    X, y, groups, _, _ = digits
    torch.manual_seed(5)
    np.random.seed(5)
    threads = torch.get_num_threads()
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    heads = [fit_mlp(X, y, groups, hidden=16, max_epochs=2, seed=s) for s in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)
    assert dumps(heads[0]) == dumps(heads[1])
    assert dumps(heads[0]) != dumps(heads[2])


def test_the_stopping_split_keeps_copies_together_and_every_class_in_training():
    rng = np.random.default_rng(0)
    groups = np.array([f"sha{g}" for g in rng.integers(300, size=900)])
    labels = np.array([f"class {int(g[3:]) % 7}" for g in groups])
    labels = np.r_[labels, ["rare", "rare"]]
    groups = np.r_[groups, ["only", "only"]]
    stops = stopping_split(labels, groups, 0.1, seed=3)
    assert stops.dtype == bool and stops.shape == labels.shape
    assert not set(groups[stops]) & set(groups[~stops])
    assert set(labels[~stops]) == set(labels)
    assert set(labels[stops]) == set(labels) - {"rare"}
    for name in set(labels[stops]):
        of_class = labels == name
        share = len(set(groups[stops & of_class])) / len(set(groups[of_class]))
        assert share == pytest.approx(0.1, abs=0.03)
    np.testing.assert_array_equal(stops, stopping_split(labels, groups, 0.1, seed=3))
    assert np.any(stops != stopping_split(labels, groups, 0.1, seed=4))
    order = rng.permutation(len(labels))
    np.testing.assert_array_equal(
        stops[order], stopping_split(labels[order], groups[order], 0.1, seed=3)
    )


def test_the_stopping_split_of_small_classes():
    labels, groups = np.array(["a", "a", "b", "b", "b"]), np.array(["1", "2", "3", "3", "3"])
    stops = stopping_split(labels, groups, 0.1)
    assert stops[:2].sum() == 1 and not stops[2:].any()
    assert stopping_split(labels, groups, 0.9)[:2].sum() == 1
    assert not stopping_split(labels, groups, 0.0).any()
    with pytest.raises(ValueError, match="share"):
        stopping_split(labels, groups, 1.0)


def test_early_stopping_stops_and_restores_the_best_epoch(digits):
    X, y, groups, X_held, y_held = digits
    # A large step makes the stopping loss rise soon.
    head = fit_mlp(
        X, y, groups, hidden=64, learning_rate=0.03, stopping_set=(X_held, y_held), patience=3
    )
    log = head.log
    losses = [entry["stopping_loss"] for entry in log]
    best = int(np.argmin(losses))
    assert len(log) < 100
    assert len(log) == best + 1 + 3
    codes = np.searchsorted(head.classes_, y_held)
    scores = head.scores(X_held)
    own = (logsumexp(scores, axis=1) - scores[np.arange(len(codes)), codes]).mean()
    assert own == pytest.approx(losses[best], rel=1e-3)
    assert np.mean(scores.argmax(axis=1) == codes) == pytest.approx(
        log[best]["stopping_accuracy"], abs=1e-6
    )


def test_without_a_stopping_row_all_epochs_are_trained(digits):
    X, y, groups, _, _ = digits
    for options in ({"stopping_share": 0.0}, {"stopping_set": (X[:0], y[:0])}):
        log = fit_mlp(X[:100], y[:100], groups[:100], max_epochs=7, **options).log
        assert len(log) == 7
        assert log[-1]["stopping_loss"] is None and log[-1]["stopping_accuracy"] is None


def test_refusals(digits):
    X, y, groups, _, _ = digits
    X, y, groups = X[:40], y[:40], groups[:40]
    with pytest.raises(ValueError, match="two classes"):
        fit_mlp(X, np.full(40, "wood"), groups)
    with pytest.raises(ValueError, match="as many labels"):
        fit_mlp(X, y[:-1], groups)
    with pytest.raises(ValueError, match="finite"):
        fit_mlp(np.full_like(X, np.nan), y, groups)
    with pytest.raises(ValueError, match="marble"):
        fit_mlp(X, y, groups, stopping_set=(X[:1], np.array(["marble"])))
    with pytest.raises(ValueError, match="learning_rate"):
        fit_mlp(X, y, groups, learning_rate=1e30, max_epochs=5)


def test_round_trip(digits, fitted):
    _, _, _, X, _ = digits
    head = fitted
    data = dumps(head)
    again = loads(data)
    np.testing.assert_array_equal(again.scores(X), head.scores(X))
    np.testing.assert_array_equal(again.predict(X), head.predict(X))
    assert dumps(again) == data


def test_scores_ignore_and_keep_the_training_mode():
    head = MLPHead(4, 8, ["a", "b"], dropout=0.5).train()
    X = np.ones((3, 4))
    np.testing.assert_array_equal(head.scores(X), head.scores(X))
    assert head.training
    with pytest.raises(ValueError, match="expects"):
        head.scores(np.ones((3, 5)))
    assert head.scores(np.ones((0, 4))).shape == (0, 2)


def test_loads_refuses_foreign_files(fitted):
    head = fitted
    with pytest.raises(ValueError, match="safetensors"):
        loads(b"something else")
    with pytest.raises(ValueError, match="safetensors"):
        loads(dumps(head)[:-10])
    with pytest.raises(ValueError, match="no metadata"):
        loads(safetensors.torch.save({"weight": torch.ones(2)}))
    for description, message in (
        ('{"classes": ["a", "b"], "shape": [4, 8, 2]}', "expected"),
        ('{"classes": ["a", "b"]}', "shape are missing"),
        ("[]", "shape are missing"),
    ):
        with pytest.raises(ValueError, match=message):
            loads(
                safetensors.torch.save(
                    {"weight": torch.ones(2)}, metadata={"veneer.mlp": description}
                )
            )
