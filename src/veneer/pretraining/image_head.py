"""The image head: from the trunk's features to the text space, learnt without labelled photos.

It starts as ConSE (Norouzi et al. 2014, Zero-shot learning by convex combination of semantic
embeddings): hidden units are the trunk's own ImageNet classes, and their outputs are what those
classes mean in the text space. From there it learns on drawn textures, whose words are known, on
unlabelled pictures, which shall stay where ConSE puts them, and on *hallucinated* features: those
of a picture moved towards a class of which there is no picture (in the manner of Hariharan and
Girshick 2017, Low-shot visual recognition by shrinking and hallucinating features).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from veneer.pretraining.options import HeadOptions
from veneer.pretraining.targets import SURFACES, ClassTargets
from veneer.progress import progress

FORMAT = 2
"""To be raised when the same examples give another head."""
CLASSES = 1000
# Logits that count as seen: GELU lets through what is above about this.
_THRESHOLD = 3.0
_TOP = 12  # classes that ConSE mixes
SCALE = 30.0
"""What cosines are multiplied by before a softmax."""
_SLOPE = 2.0  # of the units that see at random, for a feature's deviation
_WARM_UP = 40  # steps
_EVERY = 100  # steps between reports


class ImageHead(nn.Module):
    """Features to vectors, not of unit length: linear, GELU, linear without bias."""

    def __init__(self, features: int, hidden: int, width: int):
        super().__init__()
        self.fc1 = nn.Linear(features, hidden)
        self.fc2 = nn.Linear(hidden, width, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Float [n, features] to [n, width]."""
        return self.fc2(functional.gelu(self.fc1(features)))


@dataclass(frozen=True)
class Examples:
    """Pictures as the trunk sees them, with what is known of each.

    Attributes
    ----------
    features : float32 tensor [n, F]
    surfaces : float32 tensor [n, 47 + materials]
        Shares of SURFACES that it shows; rows without any are zero.
    colours : float32 tensor [n, 13]
        Shares of COLOURS, likewise.
    captions : float32 tensor [n, D]
        Where its caption lies; zero where it has none.
    caption_weights : float32 tensor [n]
    real : bool tensor [n]
        Not drawn: clip art and photographs.
    """

    features: torch.Tensor
    surfaces: torch.Tensor
    colours: torch.Tensor
    captions: torch.Tensor
    caption_weights: torch.Tensor
    real: torch.Tensor


@dataclass(frozen=True)
class Prompts:
    """Where prompts lie: float32 tensors [keys, templates, D] of unit length."""

    surfaces: torch.Tensor
    colours: torch.Tensor


def conse_start(
    classifier: nn.Linear,
    targets: ClassTargets,
    features: torch.Tensor,
    lanes: Sequence[int],
    hidden: int,
    seed: int,
) -> ImageHead:
    """The head as ConSE: a hidden unit for each class, and some that see at random.

    Half of those see nothing but lanes: names of colours are regions of their space, and each unit
    is a plane through it.

    Parameters
    ----------
    classifier : Linear
        The trunk's own, [1000, F].
    targets : ClassTargets
    features : float32 tensor [n, F]
        Of any pictures, for the spread of the random units.
    lanes : sequence of int
        The features that are.
    hidden : int
        At least 1000.
    seed : int
    """
    generator = torch.Generator().manual_seed(seed)
    width = features.shape[1]
    head = ImageHead(width, hidden, targets.images.shape[1])
    centre, spread = features.mean(0), features.std(0) + 1e-2
    more = hidden - CLASSES
    with torch.no_grad():
        head.fc1.weight[:CLASSES] = classifier.weight
        head.fc1.bias[:CLASSES] = classifier.bias - _THRESHOLD
        seen = torch.randn(more, width, generator=generator) / math.sqrt(width)
        places = torch.randn(more, generator=generator)
        if lanes:
            seen[: more // 2] = 0
            planes = torch.randn(more // 2, len(lanes), generator=generator)
            seen[: more // 2, list(lanes)] = functional.normalize(planes, dim=1)
        seen = _SLOPE * seen / spread
        head.fc1.weight[CLASSES:] = seen
        head.fc1.bias[CLASSES:] = _SLOPE * places - seen @ centre
        head.fc2.weight[:, :CLASSES] = torch.from_numpy(targets.images).T
        outputs = torch.randn(head.fc2.weight.shape[0], more, generator=generator)
        head.fc2.weight[:, CLASSES:] = 0.01 * outputs
    return head


def conse(classifier: nn.Linear, targets: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Where ConSE puts features: float32 [n, D] of unit length, no head involved."""
    logits, classes = classifier(features).topk(_TOP, dim=1)
    mixed = torch.einsum("nk,nkd->nd", logits.softmax(1), targets[classes])
    return functional.normalize(mixed, dim=1)


def train_head(
    head: ImageHead,
    classifier: nn.Linear,
    targets: ClassTargets,
    examples: Examples,
    prompts: Prompts,
    options: HeadOptions,
    seed: int,
    report: Callable[[int, dict[str, float]], object] = lambda step, losses: None,
) -> ImageHead:
    """Train a copy of a head.

    Parameters
    ----------
    head : ImageHead
        Of :func:`conse_start`.
    classifier, targets
        As there.
    examples : Examples
    prompts : Prompts
    options : HeadOptions
    seed : int
        The same seed and number of threads give the same head.
    report : callable, optional
        Hears of the step and the losses every hundred steps.
    """
    lesson = _Lesson(classifier, targets, examples, prompts, options, seed)
    head = copy.deepcopy(head).train()
    optimiser = torch.optim.AdamW(
        [
            {"params": head.fc1.parameters(), "lr": options.hidden_rate},
            {"params": head.fc2.parameters(), "lr": options.rate},
        ],
        weight_decay=0.02,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1, (step + 1) / _WARM_UP) * _half_cosine(step / options.steps)
    )
    with progress(options.steps, "training the image head", "steps") as advance:
        for step in range(1, options.steps + 1):
            losses = lesson.losses(head)
            optimiser.zero_grad()
            sum(losses.values()).backward()
            optimiser.step()
            schedule.step()
            advance(1)
            if step % _EVERY == 0:
                report(step, {name: loss.item() for name, loss in losses.items()})
    return head.eval()


class _Lesson:
    """What is drawn for a step, and what is asked of it."""

    def __init__(
        self,
        classifier: nn.Linear,
        targets: ClassTargets,
        examples: Examples,
        prompts: Prompts,
        options: HeadOptions,
        seed: int,
    ):
        self._draw = torch.Generator().manual_seed(seed)
        self._classifier = classifier
        self._images = torch.from_numpy(targets.images)
        self._texts = torch.from_numpy(targets.texts)
        self._examples, self._prompts, self._options = examples, prompts, options
        self._real = torch.nonzero(examples.real).squeeze(1)
        self._drawn = torch.nonzero(~examples.real).squeeze(1)
        self._neighbours = _smoothed()
        self._often = _frequencies(examples.colours).log()
        # The classifier is deaf to them.
        self._lanes = torch.nonzero(~classifier.weight.any(0)).squeeze(1)

    def losses(self, head: ImageHead) -> dict[str, torch.Tensor]:
        """Of one batch: unlabelled and hallucinated features, drawn pictures, real ones."""
        examples, options = self._examples, self._options
        with torch.no_grad():
            plain = torch.cat(
                [
                    self._hallucinated(options.batch),
                    examples.features[self._some(self._real, options.batch // 2)],
                ]
            )
            meant = conse(self._classifier, self._images, plain)
            named = self._classifier(plain).softmax(1)
            drawn = self._some(self._drawn, options.batch)
            real = self._some(self._real, options.batch // 2)
            fed = torch.cat([plain, self._disturbed(drawn), examples.features[real]])
            kept = torch.rand(fed.shape, generator=self._draw) >= options.dropout
            fed = self._with_lanes_of(fed, fed * kept / (1 - options.dropout))
        found = functional.normalize(head(fed), dim=1)
        of_plain, of_labelled = found.split([len(plain), len(drawn) + len(real)])
        labelled = torch.cat([drawn, real])
        surfaces = examples.surfaces[labelled] @ self._neighbours
        colours = examples.colours[labelled]
        captions, weights = examples.captions[labelled], examples.caption_weights[labelled]
        by_surface = of_labelled @ self._one_prompt(self._prompts.surfaces).T
        by_colour = of_labelled @ self._one_prompt(self._prompts.colours).T
        asked = {
            "meaning": 2 * (1 - (of_plain * meant).sum(1)).mean(),
            "naming": 0.5 * _cross_entropy(named, SCALE * of_plain @ self._texts.T),
            "surfaces": 0.4 * _cross_entropy(surfaces, SCALE * by_surface),
            "captions": (weights * (1 - (of_labelled * captions).sum(1))).mean(),
            "colours": options.colours * _cross_entropy(colours, SCALE * by_colour + self._often),
        }
        for name in ("surfaces", "captions", "colours"):
            asked[name] = options.textures * asked[name]
        return asked

    def _hallucinated(self, count: int) -> torch.Tensor:
        """Features that pictures of any class might have: [count, F]."""
        directions = self._classifier.weight - self._classifier.weight.mean(0)
        lengths = directions.norm(dim=1)

        def towards() -> torch.Tensor:
            classes = torch.randint(CLASSES, (count,), generator=self._draw)
            far = 1 + 7 * self._chances(count)
            return far * lengths.mean() * directions[classes] / lengths[classes].square()[:, None]

        features = self._examples.features
        one = features[torch.randint(len(features), (count,), generator=self._draw)]
        other = features[self._some(self._real, count)]
        share = self._chances(count)
        mixed = (share * one + (1 - share) * other) * (0.5 + 0.6 * self._chances(count))
        second = (self._chances(count) < 0.35).float()
        moved = (mixed + towards() + second * towards()).clamp(0, 6)
        return self._with_lanes_of(one, moved)

    def _disturbed(self, rows: torch.Tensor) -> torch.Tensor:
        """Features of drawn pictures, at times with some of a real one's, stronger or weaker."""
        features, count = self._examples.features, len(rows)
        share = (self._chances(count) < 0.4) * self._options.mixing * self._chances(count)
        mixed = (1 - share) * features[rows] + share * features[self._some(self._real, count)]
        return self._with_lanes_of(features[rows], mixed * (0.8 + 0.4 * self._chances(count)))

    def _with_lanes_of(self, pictures: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Features with the lanes of others: those lie about a middle, and mean nothing scaled."""
        features[:, self._lanes] = pictures[:, self._lanes]
        return features

    def _one_prompt(self, prompts: torch.Tensor) -> torch.Tensor:
        keys, templates = prompts.shape[:2]
        return prompts[torch.arange(keys), torch.randint(templates, (keys,), generator=self._draw)]

    def _some(self, rows: torch.Tensor, count: int) -> torch.Tensor:
        return rows[torch.randint(len(rows), (count,), generator=self._draw)]

    def _chances(self, count: int) -> torch.Tensor:
        return torch.rand(count, 1, generator=self._draw)


def average(heads: Sequence[ImageHead], weights: Sequence[float]) -> ImageHead:
    """A head whose weights are the weighted means of theirs.

    (Wortsman et al. 2022, Model soups: averaging weights of multiple fine-tuned models.) The start
    among them brings back some of what was forgotten.
    """
    found = copy.deepcopy(heads[0])
    states = [head.state_dict() for head in heads]
    found.load_state_dict(
        {
            name: sum(weight * state[name] for weight, state in zip(weights, states, strict=True))
            for name in states[0]
        }
    )
    return found


def _smoothed() -> torch.Tensor:
    """How much of each surface's word its neighbours deserve: float32 [S, S], rows sum to 1."""
    from veneer.pretraining.words import AXES, closeness

    places = [AXES.index(key) for key in SURFACES]
    near = closeness()[np.ix_(places, places)]
    near = (near / near.max(1, keepdims=True)) ** 2
    return torch.from_numpy((near / near.sum(1, keepdims=True)).astype(np.float32))


def _frequencies(shares: torch.Tensor) -> torch.Tensor:
    """How often each is shown: float32 [K].

    Their logarithms, added to the logits while it learns, take the place of what a head would else
    learn of them: brown and grey show in many pictures, and are no better an answer for that
    (Menon et al. 2021, Long-tail learning via logit adjustment).
    """
    counts = shares.sum(0) + 1
    return counts / counts.sum()


def _cross_entropy(shares: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Of those rows that have any share; the mean over all rows."""
    return -(shares * logits.log_softmax(1)).sum(1).mean()


def _half_cosine(part: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * part)) + 0.02
