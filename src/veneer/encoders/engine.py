"""A tower under the runtime that was chosen for it."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from queue import SimpleQueue

import numpy as np

from veneer.encoders.cache import keep_check, read_checks
from veneer.encoders.runtimes.registry import REFERENCE, RUNTIMES
from veneer.encoders.runtimes.runtime import Opened, Runtime, Source
from veneer.encoders.runtimes.torch import CUDA, reference
from veneer.errors import VeneerError

logger = logging.getLogger(__name__)

LEAST_COSINE = 0.999
"""Between the vectors of a runtime and those of torch in fp32."""


_Asked = tuple[np.ndarray, Future[np.ndarray]]
"""A batch and where its vectors are waited for."""


class Engine:
    """Runs a tower; which runtime does it is decided on the first batch.

    A runtime other than the reference is used only if its vectors of that batch, and of the tower's
    own examples, are those of torch in fp32 to a cosine of :data:`LEAST_COSINE`. The result is kept
    in the cache: a runtime is checked once for an encoder, a version of the libraries and a kind of
    processor. The examples are there because a first batch can be an easy one: of pictures from one
    class, or of one word.

    May be called from several threads; one batch is computed at a time, and those that wait
    meanwhile are put together into the next.

    Parameters
    ----------
    name : str
        Of the encoder, for messages.
    source : Source
    precisions : tuple of str
        In which the weights may be run.
    runtime : str
        ``auto``, or a key of :data:`RUNTIMES`: then that one or an error.
    batch_size : int, optional
        By default what suits the runtime.

    Attributes
    ----------
    runtime : str or None
        Name of the runtime; None before the first batch.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        precisions: tuple[str, ...],
        runtime: str = "auto",
        batch_size: int | None = None,
    ):
        self.runtime: str | None = None
        self._name = name
        self._source = source
        self._precisions = precisions
        self._wanted = runtime
        self._batch_size = batch_size
        self._opened: Opened | None = None
        self._lock = threading.Lock()
        self._waiting: SimpleQueue[_Asked] = SimpleQueue()

    @property
    def batch_size(self) -> int | None:
        """Rows that go through the tower together; None before the first batch."""
        return None if self._opened is None else self._size(self._opened)

    def _size(self, opened: Opened) -> int:
        return self._batch_size or opened.batch_size

    def __call__(self, batch: np.ndarray, *, fill: bool = False) -> np.ndarray:
        """Embed rows, ``batch_size`` of them at a time.

        Parameters
        ----------
        batch : uint8 array [n, height, width, 3] or int64 array [n, context]
            At least one row.
        fill : bool
            Fill a batch that is not full and throw away the vectors of the filling. The last bits
            of a vector can depend on the size of its batch; so they never do.

        Returns
        -------
        float32 array [n, D], rows of length 1

        Raises
        ------
        VeneerError
            When the runtime that was asked for cannot be used, or when a vector is not finite.
        """
        if fill:
            with self._lock:
                vectors = self._run(batch, fill=True)
        else:
            vectors = self._run_together(batch)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        bad = np.sum(~(np.isfinite(lengths) & (lengths > 0)))
        if bad:
            advice = f" Try --params embedding.runtime={REFERENCE}." * (self.runtime != REFERENCE)
            raise VeneerError(
                f"Embedding with {self._name} under {self.runtime}: {bad} of {len(batch)} vectors "
                "are zero or not finite. Its weights may be damaged, or not be those of this "
                f"architecture.{advice}"
            )
        return vectors / lengths

    def _run(self, batch: np.ndarray, *, fill: bool) -> np.ndarray:
        """To be called by the thread that has the lock."""
        if self._opened is None:
            self._choose(batch)
        size, run = self._size(self._opened), self._opened.run
        parts = [batch[first : first + size] for first in range(0, len(batch), size)]
        return np.concatenate(
            [run(_filled(each, size) if fill else each)[: len(each)] for each in parts]
        )

    def _run_together(self, batch: np.ndarray) -> np.ndarray:
        """Run a batch, and with it those of all the other threads that wait by now.

        What many people ask one by one would else go through the tower one by one, and a single
        image does not use all cores.
        """
        mine: Future[np.ndarray] = Future()
        self._waiting.put((batch, mine))
        with self._lock:
            if not mine.done():
                some = [self._waiting.get() for _ in range(self._waiting.qsize())]
                for alike in _of_one_shape(some):
                    self._answer(alike)
        return mine.result()

    def _answer(self, some: list[_Asked]) -> None:
        try:
            vectors = self._run(np.concatenate([batch for batch, _ in some]), fill=False)
        except BaseException as error:
            for _, future in some:
                future.set_exception(error)
            return
        ends = np.cumsum([len(batch) for batch, _ in some])
        for (_, future), found in zip(some, np.split(vectors, ends[:-1]), strict=True):
            future.set_result(found)

    def _choose(self, batch: np.ndarray) -> None:
        passed_over: dict[str, list[str]] = {}
        for runtime in self._candidates():
            why = self._try(runtime, batch)
            if why is None:
                reasons = f" ({_in_words(passed_over)})" if passed_over else ""
                what = self._name, self._source.kind, self.runtime
                logger.info("%s: the %s tower runs under %s%s", *what, reasons)
                return
            passed_over.setdefault(why, []).append(runtime.name)
        raise VeneerError(
            f"Opening the encoder {self._name}: {_in_words(passed_over)}. Choose another runtime, "
            "or leave the choice to veneer with --params embedding.runtime=auto."
        )

    def _candidates(self) -> list[Runtime]:
        if self._wanted != "auto":
            return [RUNTIMES[self._wanted]]
        return [each for each in RUNTIMES.values() if each.precision in self._precisions]

    def _try(self, runtime: Runtime, batch: np.ndarray) -> str | None:
        """Open a runtime and check it; why it cannot be used, or None if it is ready."""
        if runtime.precision not in self._precisions:
            return f"the weights do not allow {runtime.precision}"
        try:
            why = runtime.missing()
            if why is not None:
                return why
            check = f"{self._source.kind} {runtime.name} {runtime.versions()}"
            cosine = read_checks(self._source.cache).get(check)
            if cosine is None or cosine >= LEAST_COSINE:
                opened = runtime.open(self._source)
                if runtime.name == REFERENCE:
                    cosine = 1.0
                elif cosine is None:
                    cosine = self._compare(runtime, opened, batch)
                    keep_check(self._source.cache, check, cosine)
        except VeneerError:
            raise  # speaks of the encoder, not of the runtime
        except Exception as error:  # whatever a library says of what it cannot run
            if runtime.name == REFERENCE:
                raise
            logger.debug("opening %s", runtime.name, exc_info=True)
            return f"it fails: {' '.join(str(error).split())[:200] or type(error).__name__}"
        if cosine < LEAST_COSINE:
            return f"its cosine to fp32 is {cosine:.4f}, less than {LEAST_COSINE}"
        self._opened, self.runtime = opened, runtime.name
        return None

    def _compare(self, runtime: Runtime, opened: Opened, batch: np.ndarray) -> float:
        """Least cosine between a runtime's vectors and the reference's."""
        right = reference(self._source, "cuda" if runtime in CUDA else "cpu")
        batches = batch[: self._size(opened)], self._source.load().examples
        return min(_least_cosine(opened.run(each), right(each)) for each in batches)


def _least_cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Over the rows; 0 where one is not finite."""
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = float(np.min(np.sum(ours * theirs, axis=1) / lengths))
    return cosine if np.isfinite(cosine) else 0.0


def _in_words(passed_over: dict[str, list[str]]) -> str:
    return "; ".join(f"not {', '.join(names)}: {why}" for why, names in passed_over.items())


def _of_one_shape(some: list[_Asked]) -> list[list[_Asked]]:
    """Batches that can be put together: texts of different lengths cannot."""
    groups: dict[tuple, list[_Asked]] = {}
    for each in some:
        groups.setdefault(each[0].shape[1:], []).append(each)
    return list(groups.values())


def _filled(batch: np.ndarray, rows: int) -> np.ndarray:
    missing = rows - len(batch)
    if not missing:
        return batch
    return np.concatenate([batch, np.broadcast_to(batch[:1], (missing, *batch.shape[1:]))])
