"""Fifty people search at once: how long each waits, beside the library alone.

The app is a real server, started by `kedro app` on a finished run (by default that of `make demo`
in this folder), and asked over HTTP by as many clients as there are people. The baseline is the
same searches, one after the other, by the library in this process. Its rate is what a server could
reach that costs nothing; so `share_of_library` is the app's rate divided by it, and
`p95_over_ideal` the 95th percentile of the waiting divided by what the last of 50 has to wait for
the library alone.

    python benchmarks/app.py [--project FOLDER] [--people 50] [--searches 10]
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from gradio_client import Client

from veneer.app.searching import Asked, answer
from veneer.app.suggestions import DTD_ATTRIBUTES
from veneer.app.workspace import Workspace
from veneer.project import open_project

RESULTS = 24
COLOURS = ("red", "blue", "green", "white", "black", "yellow")


def main() -> None:
    """Measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=Path.cwd())
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--searches", type=int, default=10)
    options = parser.parse_args()
    project = options.project.resolve()
    drawn = random.Random(0)
    words = [
        f"{drawn.choice(COLOURS)} {drawn.choice(DTD_ATTRIBUTES)}"
        for _ in range(options.people * options.searches)
    ]
    alone = library(project, words)
    waits, errors, elapsed = app(project, words, options.people)
    rate, ideal = len(waits) / elapsed, 1 / alone.mean()
    found = {
        "images": Workspace(open_project(project)).index().rows,
        "people": options.people,
        "searches": len(words),
        "errors": errors,
        "p50_ms": round(1000 * float(np.quantile(waits, 0.5)), 1),
        "p95_ms": round(1000 * float(np.quantile(waits, 0.95)), 1),
        "library_p50_ms": round(1000 * float(np.median(alone)), 2),
        "share_of_library": round(rate / ideal, 3),
        "p95_over_ideal": round(float(np.quantile(waits, 0.95)) * ideal / options.people, 2),
    }
    print(json.dumps(found))


def library(project: Path, words: list[str]) -> np.ndarray:
    """Seconds of each search, one after the other."""
    workspace = Workspace(open_project(project))
    for warm in words[:5]:
        answer(workspace, Asked(q=warm, k=RESULTS))
    seconds = []
    for each in words:
        begin = time.perf_counter()
        answer(workspace, Asked(q=each, k=RESULTS))
        seconds.append(time.perf_counter() - begin)
    return np.array(seconds)


def app(project: Path, words: list[str], people: int) -> tuple[list[float], int, float]:
    """Seconds that each search was waited for, how many failed, and seconds of all."""
    command = [str(Path(sys.executable).with_name("kedro")), "app", "--port", "0"]
    with subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True) as server:
        try:
            said = []
            for line in server.stderr:
                said.append(line)
                if "http://" in line:
                    break
            else:
                raise SystemExit("The app did not start: " + "".join(said))
            address = re.search(r"http://[\w.:\[\]]+", said[-1])[0]
            clients = [Client(address, verbose=False) for _ in range(people)]
            clients[0].predict(words[0], RESULTS, api_name="/search")
            waits, errors = [], 0

            def ask(number: int) -> None:
                nonlocal errors
                for each in words[number::people]:
                    begin = time.perf_counter()
                    try:
                        found = clients[number].predict(each, RESULTS, api_name="/search")
                        errors += len(found) != RESULTS
                    except Exception as error:
                        print(error, file=sys.stderr)
                        errors += 1
                    waits.append(time.perf_counter() - begin)

            begin = time.perf_counter()
            with ThreadPoolExecutor(people) as threads:
                list(threads.map(ask, range(people)))
            return waits, errors, time.perf_counter() - begin
        finally:
            server.send_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
