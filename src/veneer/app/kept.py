"""What is remembered of late, and forgotten by and by."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Values by name, as many as are wanted at most; may be used from several threads.

    Parameters
    ----------
    most : int
    """

    def __init__(self, most: int):
        self._most, self._known = most, OrderedDict[str, T]()
        self._lock = threading.Lock()

    def keep(self, values: Mapping[str, T]) -> None:
        """Remember values; the oldest are forgotten where there are too many."""
        with self._lock:
            self._known.update(values)
            while len(self._known) > self._most:
                self._known.popitem(last=False)

    def get(self, names: Iterable[str]) -> dict[str, T]:
        """Those that are still known."""
        with self._lock:
            return {name: self._known[name] for name in names if name in self._known}
