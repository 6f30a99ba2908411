"""A small multilayer perceptron on frozen embeddings."""

from __future__ import annotations

import copy
import json
import math
from contextlib import contextmanager

import numpy as np
import safetensors.torch
import torch
from torch import nn
from tqdm import tqdm

from veneer.heads.common import checked_rows, read_tensors

# The one metadata key: safetensors writes several in an order of chance.
_METADATA_KEY = "veneer.mlp"
_SCORE_ROWS = 4096


class MLPHead(nn.Module):
    """Linear, ReLU, dropout, linear.

    Parameters
    ----------
    n_features : int
    hidden : int
        Width of the hidden layer.
    classes : sequence of str, length K
    dropout : float
        Share of hidden units zeroed in training; no part of the stored head.

    Attributes
    ----------
    classes_ : str array [K]
    log : list of dict
        Of its training, for each epoch ``epoch`` (from 1), ``train_loss`` (mean over its batches,
        with dropout), ``stopping_loss`` and ``stopping_accuracy``; no part of the stored head.
    """

    def __init__(self, n_features: int, hidden: int, classes, dropout: float = 0.0):
        super().__init__()
        self.classes_ = np.asarray(classes, dtype=str)
        self.log: list[dict] = []
        self.layers = nn.Sequential(
            nn.Linear(n_features, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, len(self.classes_)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, float32 tensor [n, K], of a float32 tensor [n, D]."""
        return self.layers(x)

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Logits without dropout, float32 [n, K], of an array [n, D]."""
        X = np.asarray(X, dtype=np.float32)
        n_features = self.layers[0].in_features
        if X.ndim != 2 or X.shape[1] != n_features:
            raise ValueError(f"X has shape {X.shape}; the head expects [n, {n_features}]")
        logits = np.empty((len(X), len(self.classes_)), dtype=np.float32)
        device = self.layers[0].weight.device
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                for start in range(0, len(X), _SCORE_ROWS):
                    rows = torch.tensor(X[start : start + _SCORE_ROWS], device=device)
                    logits[start : start + _SCORE_ROWS] = self(rows).cpu()
        finally:
            self.train(training)
        return logits

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The class with the largest logit: str array [n]."""
        return self.classes_[self.scores(X).argmax(axis=1)]


def fit_mlp(
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    hidden: int = 256,
    dropout: float = 0.2,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-4,
    batch_size: int = 64,
    max_epochs: int = 100,
    patience: int = 3,
    stopping_share: float = 0.1,
    stopping_set: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
    device: str | None = "cpu",
    progress: bool = False,
) -> MLPHead:
    """Train an :class:`MLPHead` by Adam on the cross-entropy, with early stopping.

    Parameters
    ----------
    features : float32 array [n, D]
    labels : str array [n]
    groups : str array [n]
        Hash of each row's file: copies of a file stay on one side of the stopping split.
    hidden, dropout, learning_rate, weight_decay, batch_size : numbers
        Of the network, of Adam and of its batches.
    max_epochs : int
    patience : int
        Training ends after this many epochs in a row without a lower stopping loss.
    stopping_share : float
        Share of the rows set aside by :func:`stopping_split`; they are not trained on.
    stopping_set : (float32 array [m, D], str array [m]), optional
        Rows to stop on instead; all of ``features`` is trained on then. Where these rows also
        measure the head, its figures are flattered.
    seed : int
        Of the split, the first weights, the order of the batches and the dropout. On the CPU
        the result is reproducible, whatever the number of cores. torch's global generators are
        left as they were.
    device : str or None
        Where to train; None is CUDA where there is any. The head returned is on the CPU.
    progress : bool
        Whether to show a bar of epochs.

    Returns
    -------
    MLPHead
        With the weights of the epoch whose stopping loss was lowest, in evaluation mode.

    Raises
    ------
    ValueError
        On shapes that do not fit, features that are not finite, fewer than two classes, a
        stopping label that is not among ``labels``, or a loss that is never finite.

    Notes
    -----
    Without any stopping row (``stopping_share=0``, or one group in every class) there is nothing
    to stop on: all ``max_epochs`` are trained, the last weights are kept, and the two stopping
    figures are None. Stopping on the training loss would hardly ever stop.

    The rule is that of L. Prechelt, Early stopping - but when?, 1998; the optimiser D. P. Kingma
    and J. Ba, Adam: a method for stochastic optimization, 2015.
    """
    features, labels, groups = checked_rows(features, labels, groups)
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"a head needs at least two classes; got {classes.tolist()}")
    if max_epochs < 1 or batch_size < 1 or patience < 1:
        raise ValueError("max_epochs, batch_size and patience must be at least 1")

    if stopping_set is None:
        stops = stopping_split(labels, groups, stopping_share, seed)
        held, held_codes = features[stops], codes[stops]
        features, codes = features[~stops], codes[~stops]
    else:
        held, held_labels, _ = checked_rows(*stopping_set, stopping_set[1])
        unknown = np.setdiff1d(held_labels, classes)
        if len(unknown) or held.shape[1] != features.shape[1]:
            raise ValueError(
                f"the stopping set does not fit the training rows: {held.shape[1]} features "
                f"against {features.shape[1]}, labels without training rows {unknown.tolist()}"
            )
        held_codes = np.searchsorted(classes, held_labels)

    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    on_cuda = where.type == "cuda"
    # Only the generators that are forked are seeded: torch.manual_seed would reach every device.
    with _one_thread(), torch.random.fork_rng(devices=[where] if on_cuda else []):
        torch.default_generator.manual_seed(seed)
        if on_cuda:
            with torch.cuda.device(where):
                torch.cuda.manual_seed(seed)
        head = MLPHead(features.shape[1], hidden, classes, dropout).to(where)
        # Fused, a step on so small a network takes a fraction of the time.
        optimiser = torch.optim.Adam(
            head.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True
        )
        X, y = torch.tensor(features, device=where), torch.tensor(codes, device=where)
        X_held, y_held = torch.tensor(held, device=where), torch.tensor(held_codes, device=where)

        best_loss, best_epoch, best_state = math.inf, 0, None
        for epoch in tqdm(range(1, max_epochs + 1), desc="epochs", disable=not progress):
            entry = {"epoch": epoch, "train_loss": _train_epoch(head, optimiser, X, y, batch_size)}
            entry["stopping_loss"], entry["stopping_accuracy"] = _evaluate(head, X_held, y_held)
            head.log.append(entry)
            if not len(held):
                continue
            if entry["stopping_loss"] < best_loss:
                best_loss, best_epoch = entry["stopping_loss"], epoch
                best_state = copy.deepcopy(head.state_dict())
            elif epoch - best_epoch >= patience:
                break
    if best_state is not None:
        head.load_state_dict(best_state)
    elif len(held) or not math.isfinite(head.log[-1]["train_loss"]):
        raise ValueError(
            f"the loss was not finite in {len(head.log)} epochs; lower "
            f"learning_rate={learning_rate}"
        )
    return head.cpu().eval()


def stopping_split(
    labels: np.ndarray, groups: np.ndarray, share: float, seed: int = 0
) -> np.ndarray:
    """Choose rows to stop on: stratified by label, whole groups only.

    Of each label's groups ``share`` is drawn at random, rounded, but at least one; a label with a
    single group stays in training. A group with several labels counts as its first row's.

    Parameters
    ----------
    labels, groups : str arrays [n]
    share : float
        From 0 (no row) to below 1.
    seed : int

    Returns
    -------
    bool array [n]
        True on the rows to stop on. The draw depends on the sets of groups, not on the row order,
        as long as no group has several labels. Every label keeps a row in training on the same
        condition.
    """
    if not 0 <= share < 1:
        raise ValueError(f"the stopping share must be from 0 to below 1; got {share}")
    labels, groups = np.asarray(labels), np.asarray(groups)
    names, first = np.unique(groups, return_index=True)
    group_labels = labels[first]
    rng = np.random.default_rng(seed)
    drawn = []
    for label in np.unique(labels):
        candidates = rng.permutation(names[group_labels == label])
        if share > 0 and len(candidates) > 1:
            count = min(max(1, round(share * len(candidates))), len(candidates) - 1)
            drawn.extend(candidates[:count])
    return np.isin(groups, drawn)


def dumps(head: MLPHead) -> bytes:
    """A head as a safetensors file, with its classes and shape in the metadata (JSON)."""
    first, last = head.layers[0], head.layers[3]
    description = {
        "classes": head.classes_.tolist(),
        "shape": [first.in_features, first.out_features, last.out_features],
    }
    tensors = {name: value.cpu().contiguous() for name, value in head.state_dict().items()}
    return safetensors.torch.save(tensors, metadata={_METADATA_KEY: json.dumps(description)})


def loads(data: bytes) -> MLPHead:
    """Read back what :func:`dumps` wrote: a head on the CPU, in evaluation mode.

    Raises
    ------
    ValueError
        If the bytes are no safetensors file, or one that holds something other than such a head.
    """
    tensors, description = read_tensors(data, _METADATA_KEY, "an MLP head")
    try:
        classes = [str(name) for name in description["classes"]]
        n_features, hidden, n_classes = description["shape"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("not an MLP head: its classes or its shape are missing") from error
    expected = {
        "layers.0.weight": (hidden, n_features),
        "layers.0.bias": (hidden,),
        "layers.3.weight": (n_classes, hidden),
        "layers.3.bias": (n_classes,),
    }
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != expected or len(classes) != n_classes:
        raise ValueError(
            f"not an MLP head: tensors {found} with {len(classes)} classes; expected {expected}"
        )
    head = MLPHead(n_features, hidden, classes)
    head.load_state_dict({name: torch.from_numpy(each) for name, each in tensors.items()})
    return head.eval()


@contextmanager
def _one_thread():
    """Have torch compute on one CPU thread.

    The batches are too small to share out: threads that wait on one another by spinning cost many
    times what they gain where the machine has other work. The sums no longer depend on the number
    of cores either.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train_epoch(
    head: MLPHead,
    optimiser: torch.optim.Optimizer,
    X: torch.Tensor,
    y: torch.Tensor,
    batch_size: int,
) -> float:
    """One pass over the rows in random order; the mean loss."""
    head.train()
    total = torch.zeros((), device=X.device)
    for batch in torch.randperm(len(X)).to(X.device).split(batch_size):
        loss = nn.functional.cross_entropy(head(X[batch]), y[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.detach() * len(batch)
    return total.item() / len(X)


def _evaluate(
    head: MLPHead, X: torch.Tensor, y: torch.Tensor
) -> tuple[float, float] | tuple[None, None]:
    """Loss and accuracy without dropout; None for both where there is no row."""
    if not len(X):
        return None, None
    head.eval()
    with torch.inference_mode():
        logits = head(X)
        loss = nn.functional.cross_entropy(logits, y).item()
        return loss, (logits.argmax(1) == y).float().mean().item()
