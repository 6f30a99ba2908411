"""The image head: where it starts, what it learns, how several are averaged."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pretrained import options
from torch import nn

from veneer.pretraining import image_head
from veneer.pretraining.image_head import (
    CLASSES,
    Examples,
    ImageHead,
    Prompts,
    average,
    conse,
    conse_start,
    train_head,
)
from veneer.pretraining.targets import SURFACES, ClassTargets
from veneer.pretraining.words import COLOURS

FEATURES, SHARED, HIDDEN = 256, 48, 1060


def unit(*shape, seed):
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return nn.functional.normalize(rows, dim=-1)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def classifier():
    linear = nn.Linear(FEATURES, CLASSES).requires_grad_(False)
    linear.weight.copy_(2 * unit(CLASSES, FEATURES, seed=0))
    linear.bias.zero_()
    return linear


@pytest.fixture(scope="module")
def targets():
    images = unit(CLASSES, SHARED, seed=1)
    texts = nn.functional.normalize(images + 0.3 * unit(CLASSES, SHARED, seed=2), dim=1)
    return ClassTargets(images.numpy(), texts.numpy())


@pytest.fixture(scope="module")
def prompts():
    return Prompts(unit(len(SURFACES), 3, SHARED, seed=3), unit(len(COLOURS), 2, SHARED, seed=4))


@pytest.fixture(scope="module")
def examples(prompts):
    """Drawn pictures whose surface is a direction of their feature, and real ones of noise."""
    drawn, real = 240, 40
    generator = torch.Generator().manual_seed(5)
    numbers = torch.arange(drawn) % len(SURFACES)
    features = torch.rand(drawn + real, FEATURES, generator=generator)
    features[:drawn] += 40 * unit(len(SURFACES), FEATURES, seed=6)[numbers].abs()
    surfaces = torch.zeros(drawn + real, len(SURFACES))
    surfaces[torch.arange(drawn), numbers] = 1
    colours = torch.zeros(drawn + real, len(COLOURS))
    colours[torch.arange(drawn), numbers % len(COLOURS)] = 1
    captions = torch.cat([prompts.surfaces[numbers, 0], torch.zeros(real, SHARED)])
    is_real = torch.arange(drawn + real) >= drawn
    return Examples(features, surfaces, colours, captions, (~is_real).float(), is_real)


@pytest.fixture(scope="module")
def start(classifier, targets, examples):
    return conse_start(classifier, targets, examples.features, [3, 5, 8], HIDDEN, 0)


@pytest.fixture(scope="module")
def trained(start, classifier, targets, examples, prompts):
    """A head after some steps, and its losses at each."""
    told = []
    gentle = {"textures": 1.0, "colours": 0.6, "mixing": 0.3, "dropout": 0.1}
    quick = {"steps": 90, "batch": 48, "rate": 0.01, "hidden_rate": 0.004}
    given = options(heads=gentle | quick).heads[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_head, "_EVERY", 1)
        head = train_head(
            start, classifier, targets, examples, prompts, given, 0, lambda *each: told.append(each)
        )
    return head, told


def bits(head):
    return torch.cat([each.flatten() for each in head.state_dict().values()])


def test_a_feature_of_a_class_starts_at_what_the_class_means(start, classifier, targets):
    prototypes = 10 * classifier.weight / classifier.weight.norm(dim=1, keepdim=True)
    meant = torch.from_numpy(targets.images)
    with torch.no_grad():
        found = nn.functional.normalize(start(prototypes), dim=1)
    assert ((found @ meant.T).argmax(1) == torch.arange(CLASSES)).float().mean() > 0.98
    mixed = conse(classifier, meant, prototypes)
    assert (mixed * meant).sum(1).min() > 0.99
    assert (found * mixed).sum(1).mean() > 0.9


def test_what_is_between_two_classes_lies_between_what_they_mean(start, classifier, targets):
    meant = torch.from_numpy(targets.images)
    both = 7 * (classifier.weight[4] + classifier.weight[9])[None] / 2
    mixed = conse(classifier, meant, both)
    assert mixed.norm().item() == pytest.approx(1)
    assert set((mixed @ meant.T)[0].topk(2).indices.tolist()) == {4, 9}
    assert set((start(both) @ meant.T)[0].topk(2).indices.tolist()) == {4, 9}


def test_half_of_the_other_units_see_lanes_alone(start):
    others = start.fc1.weight.detach()[CLASSES:]
    half = len(others) // 2
    sees = (others != 0).sum(1)
    assert sees[:half].tolist() == [3] * half
    assert others[:half, [3, 5, 8]].all()
    assert (sees[half:] == FEATURES).all()


def test_without_lanes_all_of_them_see_everything(classifier, targets, examples):
    head = conse_start(classifier, targets, examples.features, [], HIDDEN, 0)
    assert (head.fc1.weight[CLASSES:] != 0).all()


def test_a_start_follows_from_its_seed(start, classifier, targets, examples):
    def again(seed):
        torch.manual_seed(99)  # which plays no part
        return bits(conse_start(classifier, targets, examples.features, [3, 5, 8], HIDDEN, seed))

    assert torch.equal(again(0), bits(start))
    assert not torch.equal(again(1), bits(start))


def test_training_lowers_the_losses(trained):
    _, told = trained
    assert [step for step, _ in told] == list(range(1, 91))
    assert set(told[0][1]) == {"meaning", "naming", "surfaces", "captions", "colours"}
    for name, first in told[0][1].items():
        last = np.mean([losses[name] for _, losses in told[-5:]])
        assert last < (1.05 if name == "meaning" else 0.9) * first, name


def test_drawn_pictures_are_known_better_than_before(start, trained, examples, prompts):
    def share(head):
        with torch.no_grad():
            found = head(examples.features[~examples.real]) @ prompts.surfaces[:, 0].T
        right = found.argmax(1) == examples.surfaces[~examples.real].argmax(1)
        return right.float().mean().item()

    assert share(trained[0]) > share(start) + 0.15


def test_a_colour_is_no_likelier_because_many_pictures_show_it(
    start, classifier, targets, examples, prompts
):
    """Where nothing tells which colour it is, and nine in ten pictures have the first."""
    generator = torch.Generator().manual_seed(7)
    features = torch.rand(2 * len(examples.features), FEATURES, generator=generator)
    learnt_from, others = features.split(len(examples.features))
    numbers = torch.arange(len(learnt_from))
    shown = torch.where(numbers % 10 > 0, 0, numbers // 10 % 12 + 1)
    colours = torch.eye(len(COLOURS))[shown] * ~examples.real[:, None]
    blind = replace(examples, features=learnt_from, colours=colours)
    quick = {"steps": 90, "batch": 48, "rate": 0.01, "hidden_rate": 0.004, "dropout": 0.1}
    given = options(heads=quick | {"textures": 1.0, "colours": 2.0}).heads[0]
    head = train_head(start, classifier, targets, blind, prompts, given, 0)
    with torch.no_grad():
        found = nn.functional.normalize(head(others), dim=1)
    nearness = (found @ prompts.colours.mean(1).T).mean(0)
    assert nearness[0] < nearness[1:].max() + 0.08  # 0.02; with no regard to how often, 0.16


def test_the_same_seed_gives_the_same_bits(start, classifier, targets, examples, prompts):
    given = options(heads={"steps": 3, "batch": 16}).heads[0]
    before = bits(start)

    def train(seed):
        torch.manual_seed(torch.seed() % 1000)  # which plays no part
        return bits(train_head(start, classifier, targets, examples, prompts, given, seed))

    one = train(7)
    assert torch.equal(train(7), one)
    assert not torch.equal(train(8), one)
    assert torch.equal(bits(start), before)


def test_textures_that_do_not_count_are_not_learnt(start, classifier, targets, examples, prompts):
    told = []
    given = options(heads={"steps": 1, "batch": 16, "textures": 0}).heads[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_head, "_EVERY", 1)
        train_head(
            start, classifier, targets, examples, prompts, given, 0, lambda *each: told.append(each)
        )
    ((_, losses),) = told
    assert losses["surfaces"] == losses["captions"] == losses["colours"] == 0
    assert losses["meaning"] > 0


def test_the_average_of_one_head_is_itself(start, trained):
    assert torch.equal(bits(average([start], [1.0])), bits(start))
    assert torch.equal(bits(average([start, trained[0]], [1.0, 0.0])), bits(start))


def test_an_average_is_that_of_the_weights(start, trained):
    found = average([start, trained[0]], [0.25, 0.75])
    torch.testing.assert_close(bits(found), 0.25 * bits(start) + 0.75 * bits(trained[0]))
    with pytest.raises(ValueError, match="zip"):
        average([start, trained[0]], [1.0])


def test_neighbours_of_a_surface_deserve_some_of_its_word():
    near = image_head._smoothed().numpy()
    assert near.shape == (len(SURFACES), len(SURFACES))
    np.testing.assert_allclose(near.sum(1), 1, atol=1e-6)
    assert (near.argmax(1) == np.arange(len(SURFACES))).all()
    striped = near[SURFACES.index("striped")]
    assert striped[SURFACES.index("banded")] > 0 == striped[SURFACES.index("knitted")]


def test_a_head_is_the_mlp_of_open_clip():
    head = ImageHead(6, 8, 4)
    assert {name: tuple(each.shape) for name, each in head.state_dict().items()} == {
        "fc1.weight": (8, 6),
        "fc1.bias": (8,),
        "fc2.weight": (4, 8),
    }
