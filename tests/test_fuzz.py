"""A small run of the fuzzing benchmark: every mutant is embedded or refused."""

import json
import subprocess
import sys

from support import ROOT


def test_mutants_are_embedded_or_refused():
    command = [sys.executable, ROOT / "benchmarks/fuzz_images.py", "--inputs", "80", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["inputs"] == 80 == counts["embedded"] + counts["quarantined"]
    assert counts["crashes"] == counts["hangs"] == counts["disagreements"] == 0
    assert counts["embedded"] > 12
    assert counts["quarantined"] > 12
