"""How far long work has come: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress(total: int, what: str, unit: str) -> Iterator[Callable[[int], object]]:
    """Tell how far some work has come.

    Work that is done sooner than the first line is due leaves no line in a log.

    Parameters
    ----------
    total : int
        Units of work.
    what : str
        Is being done, as in ``embedding``.
    unit : str
        In the plural, as in ``images``.

    Yields
    ------
    Function to be called with the number of units done since it was called last
    """
    if sys.stderr.isatty():
        with tqdm(total=total, desc=what, unit=f" {unit}") as bar:
            yield bar.update
    else:
        yield _lines(total, what, unit)


def _lines(total: int, what: str, unit: str) -> Callable[[int], None]:
    begin = last = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            rate = done / (now - begin)
            left = tqdm.format_interval((total - done) / rate) if rate else "?"
            logger.info(
                "%s: %s of %s %s, %.3g %s/s, %s left",
                what,
                f"{done:,}",
                f"{total:,}",
                unit,
                rate,
                unit,
                left,
            )

    return advance
