"""What is trained on top of an image tower."""

import numpy as np
import pytest
import torch

from veneer.encoders.projection import Projection, Tuned, projected, projection_of


def unit(n=50, dimension=12, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("hidden", [None, 7])
def test_untrained_it_changes_nothing(hidden):
    vectors = unit()
    np.testing.assert_allclose(projected(vectors, Projection(12, 12, hidden)), vectors, atol=1e-6)


def test_the_length_of_what_comes_in_does_not_matter():
    vectors, projection = unit(), Projection(12, 12, 7)
    torch.nn.init.normal_(projection.bent[-1].weight)
    np.testing.assert_allclose(
        projected(5 * vectors, projection), projected(vectors, projection), atol=1e-6
    )


def test_shorter_it_keeps_most_of_the_products():
    rng = np.random.default_rng(0)
    vectors = unit() * 0.05
    vectors[:, [4, 9]] += rng.normal(size=(50, 2)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    projection = Projection(12, 2)
    projection.start_from(vectors)
    short = projected(vectors, projection)
    assert short.shape == (50, 2)
    np.testing.assert_allclose(short @ short.T, vectors @ vectors.T, atol=0.05)


@pytest.mark.parametrize("hidden", [None, 7])
def test_it_is_made_again_from_its_weights(hidden):
    projection = Projection(12, 5, hidden, dropout=0.5)
    for parameter in projection.parameters():
        torch.nn.init.normal_(parameter)
    again = projection_of(projection.state_dict())
    np.testing.assert_array_equal(projected(unit(), again), projected(unit(), projection))
    assert not again.training


def test_no_vectors():
    assert projected(unit(0), Projection(12, 5)).shape == (0, 5)


def test_the_tower_keeps_its_statistics():
    tuned = Tuned(torch.nn.BatchNorm1d(12), Projection(12, 12, 7)).train()
    assert not tuned.tower.training
    assert tuned.projection.training
