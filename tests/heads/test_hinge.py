"""The certificate of the hinge solver, at every stage, against a tight optimum."""

import numpy as np
import pytest

from veneer.heads import hinge
from veneer.heads.hinge import fit_hinge


def made(n, n_features, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(4, size=n)
    X = rng.standard_normal((n, n_features)) + rng.standard_normal((4, n_features))[y] / 2
    return X - X.mean(axis=0), np.where(y == np.arange(4)[:, None], 1.0, -1.0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shared_steps", [1, 5, 40, 80])
@pytest.mark.parametrize(("n", "n_features"), [(60, 100), (400, 50), (6000, 20)])
def test_the_bound_is_never_above_the_optimum(monkeypatch, n, n_features, shared_steps, weighted):
    # However far the first phase came: its dual variables are not balanced, so that they are not
    # feasible as they are.
    X, signs = made(n, n_features)
    weight = np.random.default_rng(1).uniform(0.1, 3, n) if weighted else None
    best = fit_hinge(X, signs, reg_param=0.02, sample_weight=weight, tol=1e-7, max_iter=1000)
    assert np.all(best.duality_gap <= 1e-7)
    monkeypatch.setattr(hinge, "_SHARED_STEPS", shared_steps)
    for precision in (np.float32, np.float64):
        for tol in (0.3, 1e-2, 1e-3):
            fit = fit_hinge(
                X.astype(precision), signs, reg_param=0.02, sample_weight=weight, tol=tol
            )
            assert np.all(fit.duality_gap <= tol)
            bound = fit.objective * (1 - fit.duality_gap)
            assert np.all(bound <= best.objective * (1 + 1e-6))
            assert np.all(fit.objective >= best.objective * (1 - 1e-6))


def test_cores_do_not_change_a_bit(monkeypatch):
    X, signs = made(6000, 20)
    fits = []
    for cores in (1, 2, 5):
        monkeypatch.setattr(hinge.os, "cpu_count", lambda cores=cores: cores)
        fits.append(fit_hinge(X.astype(np.float32), signs, reg_param=0.02))
    for fit in fits[1:]:
        for one, other in zip(fits[0], fit, strict=True):
            np.testing.assert_array_equal(one, other)
