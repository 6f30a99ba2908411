"""A run of `pretraining` in a small project, in a process of its own: PROJECT."""

import sys
from pathlib import Path

from pretrained import small_ingredients
from projects import Project

if __name__ == "__main__":
    with small_ingredients():
        Project(Path(sys.argv[1]), copied=True).run("pretraining")
