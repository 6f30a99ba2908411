"""The training loop, for all objectives and all parts of an encoder.

A batch goes through the tower in small parts. Where all of the tower is trained, that is done
twice: for the vectors, from which the loss and its gradient at the vectors come; and once more,
part by part, to carry that gradient on. So a batch of any size fits into memory (gradient caching:
Gao et al. (2021), Scaling deep contrastive learning batch size under memory limited setup).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from veneer.encoders.memory import keep_freed_memory
from veneer.encoders.projection import Projection, Tuned, projected
from veneer.errors import VeneerError
from veneer.finetuning.checkpoints import Checkpoints, State
from veneer.finetuning.groups import Groups, group_rows
from veneer.finetuning.inputs import Features, Inputs
from veneer.finetuning.likeness import rankings, shared
from veneer.finetuning.objectives import Objective, make_objective
from veneer.finetuning.options import FinetuningOptions
from veneer.finetuning.sampling import batches
from veneer.finetuning.stages import trained_parameters
from veneer.streams import ahead

_WARM_UP = 0.05  # share of the training in which the learning rate rises
_EMBED = 256  # rows that are embedded at a time, to be judged
# Images that go through the tower at a time. On a CPU more than a few only wait for memory.
_AT_ONCE = {"cpu": 8, "cuda": 256}


@dataclass(frozen=True)
class Rows:
    """What is learnt from.

    Attributes
    ----------
    inputs : Inputs
        Of n rows.
    frozen : float32 array [n, D]
        Vectors of the encoder as it is.
    labels : mapping of name to str array [n]
    copies : int64 array [n]
        Numbers that byte-identical images share.
    stops : bool array [n]
        Rows that are not trained on, by which training is stopped.
    """

    inputs: Inputs
    frozen: np.ndarray
    labels: Mapping[str, np.ndarray]
    copies: np.ndarray
    stops: np.ndarray


@dataclass(frozen=True)
class Trained:
    """What came of it.

    Attributes
    ----------
    projection, tower : dict of str to Tensor
        The weights of the projection, and those of the tower that were trained, on the CPU.
    log : list of dict
        ``epoch`` (0: before any), ``loss``, ``likeness@5`` (of the rows to stop on) and
        ``learning_rate``.
    """

    projection: dict[str, torch.Tensor]
    tower: dict[str, torch.Tensor]
    log: list[dict]

    @property
    def best(self) -> dict:
        """The entry of the log whose weights these are."""
        return max(self.log, key=lambda entry: (entry["likeness@5"], -entry["epoch"]))


def train(
    rows: Rows,
    tower: nn.Module,
    options: FinetuningOptions,
    checkpoints: Checkpoints,
    *,
    digest: str,
    seed: int,
    on_epoch: Callable[[dict], object] = lambda entry: None,
    device: str | None = None,
) -> Trained:
    """Train a projection, and of the tower below it what ``options.train`` says.

    Parameters
    ----------
    rows : Rows
    tower : Module
        What the inputs go through first; it is changed. ``nn.Identity`` for cached vectors.
    options : FinetuningOptions
    checkpoints : Checkpoints
        An interrupted training with the same digest goes on after its last whole epoch, and ends
        as if it had not been interrupted (but for the scale of gradients in fp16, which is found
        again).
    digest : str
        Of all that the result depends on.
    seed : int
    on_epoch : callable
        Hears of each entry of the log, those of an earlier run as well.
    device : str, optional
        By default ``cuda`` where there is one.

    Returns
    -------
    Trained
        The weights of the epoch at which the nearest images were most alike; these may be those
        from before any epoch.

    Raises
    ------
    VeneerError
        When the vectors are to be longer than those of the encoder, when the rows have no two
        groups to tell apart, or when the loss is no longer finite.
    """
    if (options.dimension or 0) > rows.frozen.shape[1]:
        raise VeneerError(
            f"Finetuning: finetuning.dimension is {options.dimension}, and the vectors of the "
            f"encoder have {rows.frozen.shape[1]} numbers. It can be less, or null to keep that."
        )
    keep_freed_memory()
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    names = list(rows.labels)
    table = np.stack([rows.labels[name] for name in names], axis=1)
    learnt = np.flatnonzero(~rows.stops)
    groups = group_rows(table[learnt])
    dimension = rows.frozen.shape[1]
    with _reproducible(where, seed, one_thread=isinstance(rows.inputs, Features)):
        target = options.dimension or dimension
        projection = Projection(dimension, target, options.hidden, options.dropout)
        projection.start_from(rows.frozen[learnt])
        classes = [int(column.max()) + 1 for column in groups.codes.T]
        objective = make_objective(options, target, classes)
        objective.start_from(
            torch.from_numpy(projected(rows.frozen[learnt], projection)),
            groups.codes[groups.of_row],
        )
        objective.to(where)
        network = Tuned(tower, projection).to(where)
        chosen = trained_parameters(network.tower, options.train)
        training = _Training(rows, groups, learnt, network, chosen, objective, options, seed, where)
        return training.run(checkpoints, digest, on_epoch)


class _Training:
    def __init__(
        self,
        rows: Rows,
        groups: Groups,
        learnt: np.ndarray,
        network: Tuned,
        chosen: dict[str, nn.Parameter],
        objective: Objective,
        options: FinetuningOptions,
        seed: int,
        where: torch.device,
    ):
        self.rows, self.groups, self.learnt = rows, groups, learnt
        self.network, self.chosen, self.objective = network, chosen, objective
        self.options, self.seed, self.where = options, seed, where
        self.amp = _number_format(options.precision, where)
        alone = isinstance(rows.inputs, Features)  # without a tower there is nothing to be parted
        self.at_once = max(len(rows.frozen), 1) if alone else _AT_ONCE.get(where.type, 8)
        self.scaler = torch.amp.GradScaler(where.type, enabled=self.amp is torch.float16)
        fresh = [*network.projection.parameters(), *objective.parameters()]
        rates = [(fresh, options.learning_rate)]
        if chosen:
            rates.append((list(chosen.values()), options.backbone_learning_rate))
        self.optimiser = torch.optim.AdamW(
            [{"params": each, "lr": rate, "highest": rate} for each, rate in rates],
            weight_decay=options.weight_decay,
        )
        self.candidates = self._judged_against()

    def run(
        self, checkpoints: Checkpoints, digest: str, on_epoch: Callable[[dict], object]
    ) -> Trained:
        state = checkpoints.load(digest)
        if state is None:
            state = State()
            state.log.append({"epoch": 0, "loss": None, **self._judge(0.0)})
            best = self._weights()
        else:
            best = self._restore(state)
        for entry in state.log:
            on_epoch(entry)
        trained = Trained({}, {}, state.log)
        for epoch in range(state.epoch + 1, self.options.epochs + 1):
            if epoch - 1 - trained.best["epoch"] >= self.options.patience:
                break
            loss = self._epoch(epoch)
            state.epoch = epoch
            state.log.append({"epoch": epoch, "loss": loss, **self._judge(self._rate())})
            if trained.best["epoch"] == epoch:
                best = self._weights()
            state.tensors = self._tensors(best)
            checkpoints.save(digest, state)
            on_epoch(state.log[-1])
        return Trained(_part(best, "projection"), _part(best, "tower"), state.log)

    def _epoch(self, epoch: int) -> float:
        """Train on about as many images as there are; the mean loss."""
        # Of the seed and the epoch alone, so that an interrupted training goes on as it would have.
        rng = np.random.default_rng((self.seed, epoch))
        torch.manual_seed(int(rng.integers(2**62)))
        self.network.train()
        seen, total, steps = 0, 0.0, 0
        options = self.options
        drawn = batches(self.groups, options.groups, options.images_per_group, rng)
        make = self._drawn(epoch)
        with ThreadPoolExecutor(1) as pool:  # the next batch is decoded while this one is computed
            for rows, coming in ahead(((rows, pool.submit(make, rows)) for rows in drawn), 2):
                part = (epoch - 1 + seen / len(self.learnt)) / options.epochs
                self._set_rate(part)
                loss = self._step(rows, coming.result())
                total, seen, steps = total + loss, seen + len(rows), steps + 1
        return total / steps

    def _drawn(self, epoch: int) -> Callable[[np.ndarray], torch.Tensor]:
        return lambda rows: self.rows.inputs(self.learnt[rows], (self.seed, epoch))

    def _step(self, rows: np.ndarray, batch: torch.Tensor) -> float:
        self.optimiser.zero_grad(set_to_none=True)
        of_row = self.groups.of_row[rows]
        batch = batch.to(self.where)
        parts = batch.split(self.at_once)
        # What a loss of pairs needs of a batch is its vectors; of a whole tower under training, all
        # activations are too much to be kept until the loss is known. Its parts are computed again.
        again = self.options.train == "all" and len(parts) > 1
        with torch.set_grad_enabled(not again):
            features = torch.cat([self._tower(part) for part in parts])
        if again:
            features.requires_grad_()
        with self._number_format():
            vectors = self.network.on_top(features)
        numbers = torch.from_numpy(of_row).to(self.where)
        loss = self.objective(vectors.float(), numbers, self.groups.codes[of_row])
        if not torch.isfinite(loss):
            raise VeneerError(
                f"Finetuning with the objective {self.options.objective}: the loss is "
                f"{loss.item()}. Lower finetuning.learning_rate "
                f"({self.options.learning_rate}) or finetuning.backbone_learning_rate "
                f"({self.options.backbone_learning_rate}), or set finetuning.precision=fp32."
            )
        self.scaler.scale(loss).backward()
        if again:
            for part, gradient in zip(parts, features.grad.split(self.at_once), strict=True):
                self._tower(part).backward(gradient)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return loss.item()

    def _tower(self, images: torch.Tensor) -> torch.Tensor:
        with self._number_format():
            return self.network.tower(images).float()

    def _number_format(self) -> torch.autocast:
        return torch.autocast(self.where.type, self.amp, enabled=self.amp is not None)

    def _set_rate(self, part: float) -> None:
        """Half a cosine from the highest rate to zero, after a short rise.

        ``part`` is how much of all epochs is done, from 0 to 1.
        """
        rise = min(1, 0.02 + part / _WARM_UP)
        factor = 0.5 * (1 + math.cos(math.pi * min(part, 1))) * rise
        for group in self.optimiser.param_groups:
            group["lr"] = group["highest"] * factor

    def _rate(self) -> float:
        return self.optimiser.param_groups[0]["lr"]

    def _judged_against(self) -> np.ndarray:
        """The rows to stop on, which are searched for, and before them a draw of the others."""
        most, rng = self.options.stopping_candidates, np.random.default_rng(self.seed)
        others = self.learnt
        if len(others) > most:
            others = np.sort(rng.choice(others, most, replace=False))
        return np.concatenate([others, np.flatnonzero(self.rows.stops)])

    def _judge(self, rate: float) -> dict:
        """How much alike the nearest images are to those that are not trained on."""
        rows = self.candidates
        vectors = self._embed(rows)
        labels = {name: each[rows] for name, each in self.rows.labels.items()}
        queries = np.flatnonzero(self.rows.stops[rows])
        found = rankings(vectors, labels, queries, self.rows.copies[rows])
        return {"likeness@5": float(shared(found).mean()), "learning_rate": rate}

    @torch.inference_mode()
    def _embed(self, rows: np.ndarray) -> np.ndarray:
        self.network.eval()
        found = []
        for start in range(0, len(rows), _EMBED):
            batch = self.rows.inputs(rows[start : start + _EMBED]).to(self.where)
            features = torch.cat([self._tower(part) for part in batch.split(self.at_once)])
            vectors = self.network.on_top(features)
            found.append(vectors.float().cpu().numpy())
        return np.concatenate(found)

    def _weights(self) -> dict[str, torch.Tensor]:
        """What is trained of the network, copied."""
        projection = self.network.projection.state_dict()
        weights = {f"projection.{name}": each for name, each in projection.items()}
        weights |= {f"tower.{name}": each for name, each in self.chosen.items()}
        return {name: each.detach().cpu().clone() for name, each in weights.items()}

    def _tensors(self, best: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        tensors = {f"best.{name}": each for name, each in best.items()}
        tensors |= {f"network.{name}": each for name, each in self._weights().items()}
        tensors |= {f"loss.{name}": each for name, each in self.objective.state_dict().items()}
        for number, entries in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": each for name, each in entries.items()}
        return tensors

    def _restore(self, state: State) -> dict[str, torch.Tensor]:
        """Go on from a checkpoint; the best weights so far."""
        present = _part(state.tensors, "network")
        self.network.projection.load_state_dict(_part(present, "projection"))
        with torch.no_grad():
            for name, value in _part(present, "tower").items():
                self.chosen[name].copy_(value)
        self.objective.load_state_dict(_part(state.tensors, "loss"))
        entries: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in _part(state.tensors, "optimiser").items():
            number, key = name.split(".", 1)
            entries.setdefault(int(number), {})[key] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": entries, "param_groups": groups})
        return _part(state.tensors, "best")


def _part(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    start = f"{prefix}."
    return {name[len(start) :]: each for name, each in tensors.items() if name.startswith(start)}


def _number_format(precision: str, where: torch.device) -> torch.dtype | None:
    """In which autocast multiplies; None without it."""
    if precision == "auto":
        precision = "bf16" if where.type == "cuda" else "fp32"
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


@contextmanager
def _reproducible(where: torch.device, seed: int, *, one_thread: bool):
    """Seeded, without touching the generators of others.

    A projection alone is too small to share out: threads that wait for each other cost more than
    they gain, and the sums would depend on the number of cores.
    """
    before = torch.get_num_threads()
    on_cuda = where.type == "cuda"
    with torch.random.fork_rng(devices=[where] if on_cuda else []):
        torch.manual_seed(seed)
        try:
            if one_thread:
                torch.set_num_threads(1)
            yield
        finally:
            torch.set_num_threads(before)
