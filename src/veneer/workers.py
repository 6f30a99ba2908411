"""Processes that decode images, so that a decoder may crash or hang without harm.

Most of the work on a small image is Python's, which only one thread can do at a time: processes
use all cores for it. And a library that dies of a file, or never comes back from it, takes a worker
with it and not the run: the worker is replaced, and the file is refused.

A worker is ``python -m veneer.workers``. It is sent record batches of :data:`FILES` and answers
each with one of :data:`FACTS`, as Arrow messages over its stdin and stdout.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO, Any

import pyarrow as pa

from veneer.images import inspect_image, row_id, sha_of
from veneer.refusals import RefusedError

FILES = pa.schema([("path", pa.string()), ("data", pa.binary()), ("max_pixels", pa.int64())])
"""Files to be described; ``data`` is null where there is nothing to describe."""

FACTS = pa.schema(
    [
        ("id", pa.string()),
        ("sha", pa.string()),
        ("size", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("created", pa.timestamp("us")),
        ("description", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
"""What the bytes of a file tell; ``reason`` and ``detail`` where they are no image."""

# Seconds without an answer after which a worker hangs; the largest image takes a few.
PATIENCE, PATIENCE_PER_FILE = 60, 4


class WorkerError(RuntimeError):
    """A worker died, or did not answer; the message tells which."""


def describe(files: pa.RecordBatch) -> pa.RecordBatch:
    """Hash and decode files in this process: :data:`FILES` to :data:`FACTS`, row by row."""
    rows = zip(
        files["path"].to_pylist(), files["data"], files["max_pixels"].to_pylist(), strict=True
    )
    return pa.RecordBatch.from_pylist([_describe(*row) for row in rows], schema=FACTS)


def _describe(path: str, data: pa.BinaryScalar, max_pixels: int) -> dict:
    if not data.is_valid:
        return {"id": "", "sha": ""}
    content = memoryview(data.as_buffer())
    row = _identity(path, content)
    try:
        facts = inspect_image(content, max_pixels=max_pixels)
    except RefusedError as refusal:
        return row | {"reason": refusal.reason, "detail": refusal.detail}
    return row | {
        "width": facts.width,
        "height": facts.height,
        "format": facts.format,
        "created": facts.created,
        "description": facts.description,
    }


def _identity(path: str, content: memoryview) -> dict[str, Any]:
    """What is known of a file without decoding it."""
    sha = sha_of(content)
    return {"id": row_id(path, sha), "sha": sha, "size": content.nbytes}


def describe_apart(files: pa.RecordBatch) -> pa.RecordBatch:
    """:func:`describe` in a worker process; may be called from several threads.

    If the worker dies or hangs, the files are tried one by one, and those that do it again are
    refused as ``damaged``.
    """
    try:
        return _ask(files)
    except WorkerError as error:
        if files.num_rows > 1:
            alone = [describe_apart(files.slice(row, 1)) for row in range(files.num_rows)]
            return pa.Table.from_batches(alone).combine_chunks().to_batches()[0]
        content = memoryview(files["data"][0].as_buffer())
        row = _identity(files["path"][0].as_py(), content)
        refused = row | {"reason": "damaged", "detail": f"the decoder {error}"}
        return pa.RecordBatch.from_pylist([refused], schema=FACTS)


def inspect_apart(data: bytes, max_pixels: int) -> None:
    """Decode an image in a worker process; may be called from several threads.

    Raises
    ------
    RefusedError
        As :func:`veneer.images.inspect_image`, or where the decoder crashes or hangs.
    """
    file = {"path": "", "data": data, "max_pixels": max_pixels}
    (facts,) = describe_apart(pa.RecordBatch.from_pylist([file], schema=FILES)).to_pylist()
    if facts["reason"] is not None:
        raise RefusedError(facts["reason"], facts["detail"])


# Workers that wait for their next batch. They live as long as the process that uses them.
_idle: SimpleQueue[_Worker] = SimpleQueue()


def _ask(files: pa.RecordBatch) -> pa.RecordBatch:
    try:
        worker = _idle.get_nowait()
    except Empty:
        worker = _Worker()
    try:
        facts = worker.ask(files)
    except BaseException:
        worker.end()
        raise
    _idle.put(worker)
    return facts


def _forget_workers() -> None:
    """In a forked process: they are the parent's."""
    global _idle  # noqa: PLW0603 -- there is one set of workers a process
    _idle = SimpleQueue()


@atexit.register
def _end_workers() -> None:
    while not _idle.empty():
        _idle.get().end()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_workers)


class _Worker:
    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "veneer.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=environment,
        )
        # A batch is a few megabytes, and each filling of the pipe a change of processes. Not every
        # system has this, and it allows each user only so much.
        with suppress(OSError, AttributeError):
            fcntl.fcntl(self._process.stdin, fcntl.F_SETPIPE_SZ, 2**20)
        try:
            self._receive(PATIENCE, 1)
        except WorkerError as error:
            raise RuntimeError(f"a process for decoding images {error} at its start") from error

    def ask(self, files: pa.RecordBatch) -> pa.RecordBatch:
        patience = PATIENCE + PATIENCE_PER_FILE * files.num_rows
        try:
            _send(self._process.stdin, files)
        except BrokenPipeError:
            raise WorkerError("crashed") from None
        size = int.from_bytes(self._receive(patience, 8), "little")
        return pa.ipc.read_record_batch(pa.py_buffer(self._receive(patience, size)), FACTS)

    def _receive(self, patience: float, size: int) -> bytes:
        received = b""
        while len(received) < size:
            ready, _, _ = select.select([self._process.stdout], [], [], patience)
            if not ready:
                raise WorkerError(f"did not come to an end within {patience:.0f} s")
            more = self._process.stdout.read(size - len(received))
            if not more:
                raise WorkerError("crashed")
            received += more
        return received

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def _send(stream: IO[bytes], batch: pa.RecordBatch) -> None:
    message = memoryview(batch.serialize())
    for part in (len(message).to_bytes(8, "little"), message):
        view = memoryview(part)
        while view:
            view = view[stream.write(view) :]


def main() -> None:
    """Answer batches until the other side is gone."""
    # Ctrl-C is for the process that asks; its end closes our stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source = sys.stdin.buffer
    with open(os.dup(1), "wb", buffering=0) as sink:
        os.dup2(2, 1)  # what a library prints must not come between the messages
        sink.write(b"+")
        while head := source.read(8):
            message = source.read(int.from_bytes(head, "little"))
            _send(sink, describe(pa.ipc.read_record_batch(pa.py_buffer(message), FILES)))


if __name__ == "__main__":
    main()
