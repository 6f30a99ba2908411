"""What is told of long work."""

import io
import logging
import sys
from types import SimpleNamespace

import pytest

from veneer.progress import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand, and lines every 30 seconds by it."""
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr("veneer.progress.time", SimpleNamespace(monotonic=lambda: now.seconds))
    monkeypatch.setattr("veneer.progress.SECONDS_BETWEEN_LINES", 30.0)
    return now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_line_now_and_then(clock, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress(12_000, "embedding", "images") as advance:
        for after, count in [(20, 1000), (9, 500), (1, 1500), (29, 500), (1, 1500), (15, 7000)]:
            clock.seconds += after
            advance(count)
    assert caplog.messages == [
        "embedding: 3,000 of 12,000 images, 100 images/s, 01:30 left",
        "embedding: 5,000 of 12,000 images, 83.3 images/s, 01:24 left",
    ]


def test_short_work_leaves_no_line(clock, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress(10, "embedding", "images") as advance:
        for _ in range(10):
            clock.seconds += 2.9
            advance(1)
    assert caplog.messages == []


def test_a_terminal_has_a_bar(clock, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress(10, "embedding", "images") as advance:
        clock.seconds += 60
        advance(4)
        advance(6)
    last = sys.stderr.getvalue().split("\r")[-1]
    assert last.startswith("embedding: 100%|")
    assert "10/10" in last
    assert "images/s" in last
    assert caplog.messages == []
