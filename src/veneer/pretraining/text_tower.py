"""A small text tower that says what a large one says, and names attributes as we do.

The tower is open_clip's own ``TextTransformer`` on CLIP's tokens. It is taught by distillation:
each text is drawn to its place in a :class:`veneer.pretraining.space.TextSpace` by the cosine, and
to the same distances from the other texts of its batch (relational knowledge distillation: Park et
al. 2019, in the form of Fang et al. 2021, SEED).

It begins as a bag of tokens, the mean over a table of vectors. That is learnt in minutes, since
there is next to nothing to compute, and is most of the way: the table has many rows, and each of
them takes many looks at the texts. The transformer then starts as this very mean, and learns what
the order of words changes.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from open_clip.transformer import TextTransformer
from torch import nn
from torch.nn import functional

from veneer.encoders.clip_tokens import END, SIZE, START, clip_tokenizer
from veneer.encoders.memory import keep_freed_memory
from veneer.finetuning.checkpoints import Checkpoints, State
from veneer.pretraining.arithmetic import fast_multiplication, reproducible
from veneer.pretraining.options import TowerOptions
from veneer.pretraining.packed import Packed, bag, transform
from veneer.pretraining.space import TEACHER_WIDTH, WIDTH
from veneer.progress import progress

CONTEXT = 77
_LARGEST = 127  # whole number in the rounded table, to either side
_CLIPPED = 1e-4  # share of the table's numbers that are beyond it
_SHARPNESS = 20.0  # of the softmax over a batch: an inverse temperature
_RELATIONS = 0.1  # weight of the relations beside the cosine
_WARM_UP = 40  # steps in which the transformer's learning rate rises
_WEIGHT_DECAY = 0.01


@dataclass(frozen=True)
class Lesson:
    """Texts and where they are to be.

    Attributes
    ----------
    texts : sequence of N str
    targets : float32 array [N, 512]
        Of unit length.
    """

    texts: Sequence[str]
    targets: np.ndarray


@dataclass(frozen=True)
class TextTower:
    """What was learnt.

    Attributes
    ----------
    weights : dict of str to Tensor
        Of the tower that :func:`make_tower` makes.
    scale : float
        ``token_embedding.weight`` is this times whole numbers from -127 to 127.
    log : list of dict
        At every measurement ``step``, ``loss``, ``cosine`` and ``found``, the share of the measured
        texts that are nearest to their own target.
    """

    weights: dict[str, torch.Tensor]
    scale: float
    log: list[dict]


def make_tower(options: TowerOptions) -> TextTransformer:
    """The tower with random weights, which come from torch's generator."""
    return TextTransformer(
        context_length=CONTEXT,
        vocab_size=SIZE,
        width=options.width,
        heads=options.heads,
        layers=options.layers,
        output_dim=WIDTH,
    )


def distil(
    lesson: Lesson,
    measured: Lesson,
    tokens: Lesson,
    options: TowerOptions,
    *,
    seed: int,
    checkpoints: Checkpoints,
    report: Callable[[int, dict], object] = lambda step, metrics: None,
    threads: int = 1,
) -> TextTower:
    """Teach a tower.

    Parameters
    ----------
    lesson : Lesson
        What is learnt.
    measured : Lesson
        What is not, and tells how well the rest is.
    tokens : Lesson
        Of CLIP's first 49 406 tokens, in their order: where the table begins. Their texts are
        learnt as well.
    options : TowerOptions
    seed : int
    checkpoints : Checkpoints
        An interrupted training with the same arguments goes on where it was, and ends with the
        same bits; one that is done gives its result again. They are the caller's to clear.
    report : callable
        Hears of each entry of the log, those of an earlier run as well.
    threads : int
        Of torch. The same number gives the same bits, another one other last bits.

    Returns
    -------
    TextTower
    """
    keep_freed_memory()
    with reproducible(seed, threads):
        return _Distillation(lesson, measured, tokens, options, seed).run(checkpoints, report)


class _Table:
    """The tokens' vectors. A step changes those in its batch alone, by Adam (Kingma and Ba 2014).

    Attributes
    ----------
    weight, mean, square : float32 Tensor [49408, width]
        The vectors, and of their gradients what Adam keeps.
    """

    _KEPT = (0.9, 0.99)

    def __init__(self, weight: torch.Tensor):
        self.weight = weight
        self.mean, self.square = torch.zeros_like(weight), torch.zeros_like(weight)

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        """The vectors of int64 [T]: float32 [T, width]."""
        self._rows, places = torch.unique(tokens, return_inverse=True)
        self._seen = self.weight[self._rows].requires_grad_()
        return functional.embedding(places, self._seen)

    def learn(self, rate: float, step: int) -> None:
        """Take the ``step``-th step, from 1, by the gradient of what was given out last."""
        rows, gradient, (kept_mean, kept_square) = self._rows, self._seen.grad, self._KEPT
        self.mean[rows] = mean = self.mean[rows].lerp(gradient, 1 - kept_mean)
        self.square[rows] = square = self.square[rows].lerp(gradient**2, 1 - kept_square)
        correction = math.sqrt(1 - kept_square**step) / (1 - kept_mean**step)
        self.weight[rows] -= rate * correction * mean / (square.sqrt() + 1e-8)

    def round(self) -> float:
        """Make all of it whole numbers from -127 to 127 times one scale, which is returned."""
        size = self.weight.abs().numpy()
        scale = float(np.quantile(size, 1 - _CLIPPED)) / _LARGEST
        whole = (self.weight / scale).round().clamp(-_LARGEST, _LARGEST)
        self.weight = whole * scale
        return scale


class _Distillation:
    def __init__(
        self, lesson: Lesson, measured: Lesson, tokens: Lesson, options: TowerOptions, seed: int
    ):
        self.options, self.seed = options, seed
        self.digest = _digest((lesson, measured, tokens), options, seed)
        others = _others(tokens, lesson, measured)
        self.tokens = _tokenized([*lesson.texts, *others.texts])
        self.lengths = _lengths(self.tokens)
        self.targets = torch.from_numpy(np.concatenate([lesson.targets, others.targets]))
        self.often = np.concatenate([_often(lesson), np.ones(len(others.texts), np.int64)])
        asked = _tokenized(measured.texts)
        order = np.argsort(_lengths(asked), kind="stable")
        self.asked, self.answers = asked[order], torch.from_numpy(measured.targets[order])
        self.tower = make_tower(options)
        self.table = self._first_table(torch.from_numpy(tokens.targets))
        self.scale = 0.0  # until the table is rounded
        self.optimiser = _make_optimiser(self.tower)
        self.step = 0  # how many are done
        self.is_bag = True

    def run(self, checkpoints: Checkpoints, report: Callable[[int, dict], object]) -> TextTower:
        log = self._restore(checkpoints.load(self.digest))
        for entry in log:
            report(entry["step"], entry)
        total, losses = self.options.bag_steps + self.options.steps, []
        with progress(total, "teaching the text tower", "steps") as advance:
            advance(self.step)
            for rows in itertools.islice(self._batches(), total - self.step):
                losses.append(self._learn(rows))
                self.step += 1
                measure = self.step % self.options.every == 0 or self.step == total
                if measure:
                    loss = sum(losses) / len(losses)
                    log.append({"step": self.step, "loss": loss, **self._measured()})
                    losses.clear()
                    report(self.step, log[-1])
                if self.step == self.options.bag_steps:
                    self._become_transformer()
                if self.step == self._after(self.options.rounded_from):
                    self.scale = self.table.round()
                if measure:
                    checkpoints.save(self.digest, State(self.step, self._tensors(), log))
                advance(1)
        return TextTower(self._weights(), self.scale, log)

    def _after(self, share: float) -> int:
        """The step that ends a share of the transformer's."""
        return self.options.bag_steps + round(share * self.options.steps)

    def _batches(self) -> Iterator[np.ndarray]:
        """Rows for each of the steps that are left: towards the end, short prompts more often."""
        end = self._after(self.options.prompts_from)
        alike = _rounds(np.arange(len(self.tokens)), self.options.batch, (self.seed, 0), self.step)
        yield from itertools.islice(alike, max(end - self.step, 0))
        rows = np.repeat(np.arange(len(self.tokens)), self.often)
        yield from _rounds(rows, self.options.batch, (self.seed, 1), max(self.step - end, 0))

    def _learn(self, rows: np.ndarray) -> float:
        """Take a step; its loss."""
        rows = rows[np.argsort(self.lengths[rows], kind="stable")]
        loss = _loss(self._vectors(self.tokens[rows]), self.targets[torch.from_numpy(rows)])
        loss.backward()
        table_rate, rate, own_step = self._schedule()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
            nn.utils.clip_grad_norm_(group["params"], 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if not self.scale:
            self.table.learn(table_rate, own_step)
        return loss.item()

    def _schedule(self) -> tuple[float, float, int]:
        """Learning rates of the table and the rest, and the number of the step, from 1.

        Half a cosine to zero for the bag, and another for the transformer.
        """
        options = self.options
        if self.is_bag:
            factor = _half_cosine(self.step / options.bag_steps)
            return options.bag_rate * factor, options.rate * factor, self.step + 1
        step = self.step - options.bag_steps
        factor = _half_cosine(step / options.steps) * min(1, (step + 1) / _WARM_UP)
        return options.table_rate * factor, options.rate * factor, step + 1

    def _vectors(self, tokens: np.ndarray) -> torch.Tensor:
        """What texts are now: int array [n, 77], in the order of lengths, to float32 [n, 512]."""
        packed = Packed.of(tokens)
        vectors = self.table(packed.tokens)
        if self.is_bag:
            found = bag(vectors, packed) @ self.tower.text_projection
        else:
            with fast_multiplication():
                found = transform(self.tower, vectors, packed) @ self.tower.text_projection
        return functional.normalize(found.float(), dim=-1)

    @torch.no_grad()
    def _measured(self) -> dict[str, float]:
        parts = np.array_split(self.asked, max(1, len(self.asked) // self.options.batch))
        likeness = torch.cat([self._vectors(part) for part in parts]) @ self.answers.T
        right = likeness.argmax(dim=1) == torch.arange(len(likeness))
        return {"cosine": likeness.diagonal().mean().item(), "found": right.float().mean().item()}

    @torch.no_grad()
    def _first_table(self, targets: torch.Tensor) -> _Table:
        """What the teacher says of each token, in the directions in which texts differ most.

        The projection leads from these directions into the space. Those without any text are left
        to the table: a token that says nothing can put its length there.
        """
        width = self.options.width
        energy, directions = torch.linalg.eigh(self.targets.T @ self.targets)
        energy, directions = energy[-width:], directions[:, -width:]
        self.tower.text_projection.copy_((directions * (energy > 1e-6 * energy[-1])).T)
        weight = torch.randn(SIZE, width) * 0.3
        weight[:START] += targets @ directions * math.sqrt(width)
        return _Table(weight)

    @torch.no_grad()
    def _become_transformer(self) -> None:
        """Set the transformer's weights so that it gives what the bag gave.

        The first layer lets every token attend to all before it alike, and adds their mean; the
        last one takes away what the last token had brought along. All else begins by adding
        nothing.
        """
        self.is_bag = False
        width = self.options.width
        self.table = _Table(functional.layer_norm(self.table.weight, (width,)))
        blocks = self.tower.transformer.resblocks
        for block in blocks:
            for nothing in (*block.mlp.c_proj.parameters(), *block.attn.out_proj.parameters()):
                nothing.zero_()
        self.tower.positional_embedding.mul_(0.2)
        blocks[0].attn.in_proj_weight[: 2 * width].mul_(0.1)
        blocks[0].attn.in_proj_weight[2 * width :] = torch.eye(width)
        blocks[0].attn.out_proj.weight.copy_(torch.eye(width))
        blocks[-1].mlp.c_proj.bias.copy_(-self.table.weight[END])

    @torch.no_grad()
    def _weights(self) -> dict[str, torch.Tensor]:
        weights = {name: each.clone() for name, each in self.tower.state_dict().items()}
        weights["token_embedding.weight"] = self.table.weight.clone()
        # Texts longer than any that was learnt: what is usual for long ones.
        longest = int(self.lengths.max())
        places = weights["positional_embedding"]
        places[longest:] = places[longest // 2 : longest].mean(dim=0)
        return weights

    def _tensors(self) -> dict[str, torch.Tensor]:
        table = self.table
        tensors = {"scale": torch.tensor(self.scale, dtype=torch.float64)}
        tensors |= {f"table.{name}": getattr(table, name) for name in ("weight", "mean", "square")}
        tensors |= {f"tower.{name}": each for name, each in _trained(self.tower).items()}
        for number, entries in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": each for name, each in entries.items()}
        return tensors

    @torch.no_grad()
    def _restore(self, state: State | None) -> list[dict]:
        """Go on from a checkpoint, where there is one; the log up to there."""
        if state is None:
            return []
        self.step, tensors = state.epoch, state.tensors
        self.is_bag = self.step < self.options.bag_steps
        self.scale = tensors["scale"].item()
        for name in ("weight", "mean", "square"):
            setattr(self.table, name, tensors[f"table.{name}"])
        for name, parameter in _trained(self.tower).items():
            parameter.copy_(tensors[f"tower.{name}"])
        entries: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".", 2)
                entries.setdefault(int(number), {})[key] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": entries, "param_groups": groups})
        return list(state.log)


def _loss(found: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """One minus the cosine, and how far the relations within the batch differ.

    The relations of a text are the softmax over its cosines to all targets of the batch; their
    difference is the Kullback-Leibler divergence.
    """
    cosine = (found * targets).sum(dim=1).mean()
    there = (_SHARPNESS * targets @ targets.T).log_softmax(dim=1)
    here = (_SHARPNESS * found @ targets.T).log_softmax(dim=1)
    relations = functional.kl_div(here, there, reduction="batchmean", log_target=True)
    return 1 - cosine + _RELATIONS * relations


def _make_optimiser(tower: TextTransformer) -> torch.optim.Optimizer:
    matrices = [each for name, each in _trained(tower).items() if name.endswith("weight")]
    others = [each for name, each in _trained(tower).items() if not name.endswith("weight")]
    groups = [
        {"params": matrices, "weight_decay": _WEIGHT_DECAY},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)


def _trained(tower: TextTransformer) -> dict[str, nn.Parameter]:
    """All parameters but the tokens' table, which is kept apart."""
    return {
        name: each for name, each in tower.named_parameters() if name != "token_embedding.weight"
    }


def _others(tokens: Lesson, *lessons: Lesson) -> Lesson:
    """Texts of tokens that no lesson has, each once."""
    taken = {text for lesson in lessons for text in lesson.texts}
    rows = {text: row for row, text in enumerate(tokens.texts) if text not in taken}
    return Lesson(list(rows), tokens.targets[list(rows.values())])


def _often(lesson: Lesson) -> np.ndarray:
    """How often each text comes in a round towards the end: int64 [N]."""
    letters = np.array([len(text) for text in lesson.texts])
    named = lesson.targets[:, TEACHER_WIDTH:].any(axis=1)
    return 1 + 2 * ((letters < 45) & named) + (letters < 32)


def _rounds(
    rows: np.ndarray, batch: int, seed: tuple[int, ...], start: int
) -> Iterator[np.ndarray]:
    """Batches of rows without end, from the ``start``-th on: in each round every row once.

    A round is shuffled by the seed and its own number alone, and a rest that fills no batch is left
    out.
    """
    batches = max(1, len(rows) // batch)
    first, skipped = divmod(start, batches)
    for number in itertools.count(first):
        order = np.random.default_rng((*seed, number)).permutation(rows)
        for place in range(skipped, batches):
            yield order[place * batch : (place + 1) * batch]
        skipped = 0


def _half_cosine(part: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * part))


def _tokenized(texts: Sequence[str]) -> np.ndarray:
    return clip_tokenizer(CONTEXT)(list(texts)).astype(np.int32)


def _lengths(tokens: np.ndarray) -> np.ndarray:
    return (tokens != 0).sum(axis=1)


def _digest(lessons: Sequence[Lesson], options: TowerOptions, seed: int) -> str:
    digest = hashlib.sha256(repr((options, seed)).encode())
    for lesson in lessons:
        digest.update("\n".join(lesson.texts).encode())
        digest.update(np.ascontiguousarray(lesson.targets))
    return digest.hexdigest()
