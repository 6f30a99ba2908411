"""Losses, miners and distances by name."""

import numpy as np
import pytest
import torch

from veneer.errors import VeneerError
from veneer.finetuning.groups import group_rows
from veneer.finetuning.objectives import Objective

LABELS = np.array([["a", "x"], ["a", "x"], ["a", "y"], ["b", "y"], ["b", "z"], ["b", "z"]])


def batch(labels):
    groups = group_rows(labels)
    rng = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(len(labels), 8, generator=rng))
    return vectors, torch.from_numpy(groups.of_row), groups.codes[groups.of_row]


def made(name, labels, **options):
    classes = [len(set(column)) for column in labels.T]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Objective(name, 8, classes, **options)


@pytest.mark.parametrize(
    "name",
    [
        "classifier",
        "contrastive",
        "supcon",
        "MultiSimilarityLoss",
        "TripletMarginLoss",
        "ArcFaceLoss",
    ],
)
@pytest.mark.parametrize("labels", [LABELS[:, :1], LABELS], ids=["one label", "two labels"])
def test_every_objective_pulls_at_the_vectors(name, labels):
    vectors, groups, codes = batch(labels)
    vectors.requires_grad_()
    loss = made(name, labels)(vectors, groups, codes)
    loss.backward()
    assert torch.isfinite(loss)
    assert vectors.grad.abs().sum() > 0


def test_contrastive_is_the_loss_of_the_library():
    from pytorch_metric_learning.losses import ContrastiveLoss

    vectors, groups, codes = batch(LABELS[:, :1])
    expected = ContrastiveLoss(neg_margin=0.7)(vectors, groups)
    found = made("contrastive", LABELS[:, :1], options={"neg_margin": 0.7})(vectors, groups, codes)
    assert found.item() == pytest.approx(expected.item())


@pytest.mark.parametrize("miner", [None, ("MultiSimilarityMiner", {"epsilon": 5.0})])
def test_what_shares_some_labels_is_left_alone(miner):
    vectors, groups, codes = batch(LABELS)
    objective = made("contrastive", LABELS, options={"neg_margin": 2.0}, miner=miner)
    vectors.requires_grad_()
    objective(vectors[:4], groups[:4], codes[:4]).backward()
    # 2 shares one label with each of 0, 1 and 3, and all with none.
    assert vectors.grad[2].abs().sum() == 0
    assert vectors.grad[3].abs().sum() > 0


def test_a_distance_by_name():
    vectors, groups, codes = batch(LABELS[:, :1])
    options = {"pos_margin": 1, "neg_margin": 0}
    found = made("contrastive", LABELS[:, :1], options=options, distance=("CosineSimilarity", {}))(
        vectors, groups, codes
    )
    assert torch.isfinite(found)


def test_classes_of_several_labels_have_vectors_of_their_own():
    objective = made("classifier", LABELS)
    assert [tuple(each.W.shape) for each in objective.losses] == [(8, 2), (8, 3)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "TripletMarginLos"}, "Did you mean 'TripletMarginLoss'"),
        ({"name": "supkon"}, "Did you mean 'supcon'"),
        ({"name": "supcon", "options": {"temprature": 1}}, "takes no temprature. It takes temper"),
        ({"name": "supcon", "miner": ("Hard", {})}, "'finetuning.miner' is 'Hard'"),
        ({"name": "supcon", "distance": ("LpDistance", {"p": "x", "q": 1})}, "takes no q"),
        ({"name": "BaseMetricLossFunction"}, "does not have"),
        ({"name": "CrossBatchMemory"}, "does not have"),
        ({"name": "classifier", "miner": ("MultiSimilarityMiner", {})}, "chooses pairs of images"),
        ({"name": "NCALoss", "classes": [2, 3]}, "makes pairs of its own"),
    ],
)
def test_names_and_arguments_that_are_wrong(given, said):
    with pytest.raises(VeneerError, match=said):
        Objective(**{"dimension": 8, "classes": [2]} | given)


def test_what_cannot_be_computed_is_told():
    vectors, groups, codes = batch(LABELS[:, :1])
    objective = made("supcon", LABELS[:, :1], options={"temperature": "warm"})
    with pytest.raises(VeneerError, match="Computing the objective SupConLoss of 6 images"):
        objective(vectors, groups, codes)


@pytest.mark.parametrize(
    ("name", "vectors_of"), [("ProxyAnchorLoss", "proxies"), ("classifier", "W")]
)
def test_classes_start_from_their_means_whatever_their_number(name, vectors_of):
    objective = Objective(name, 2, [2])
    vectors = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, -1.0]])
    objective.start_from(vectors, np.array([[0], [0], [1]]))
    found = getattr(objective.losses[0], vectors_of)
    rows = found if vectors_of == "proxies" else found.T
    expected = torch.nn.functional.normalize(torch.tensor([[1.6, 0.8], [0.0, -1.0]]))
    assert torch.allclose(rows, expected, atol=1e-6)


def test_by_each_label_for_itself():
    from pytorch_metric_learning.losses import ContrastiveLoss

    vectors, groups, codes = batch(LABELS)
    columns = torch.from_numpy(codes).T
    expected = torch.stack([ContrastiveLoss()(vectors, each) for each in columns]).mean()
    found = made("contrastive", LABELS, pairs="by_label")(vectors, groups, codes)
    assert found.item() == pytest.approx(expected.item())
    assert made("NCALoss", LABELS, pairs="by_label")(vectors, groups, codes).isfinite()
