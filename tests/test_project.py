"""Promises of the repository itself."""

import re
import subprocess
import sys
import tomllib

from support import ROOT

from veneer.text import slugs


def test_the_lock_names_no_address_and_hashes_everything():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "+cpu" not in lock
    entries = [e for e in re.split(r"\n(?=\S)", lock) if e and not e.startswith("#")]
    assert len(entries) > 150
    assert all("==" in entry.splitlines()[0] for entry in entries)
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_lock_holds_every_dependency_of_every_extra():
    def normal(name):
        return re.sub(r"[-_.]+", "-", name).lower()

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {normal(re.match(r"[\w.-]+", each)[0]) for group in groups for each in group}
    lock = (ROOT / "requirements.lock").read_text()
    assert names <= {normal(n) for n in re.findall(r"^([\w.-]+)==", lock, re.M)}


def test_the_library_below_does_not_know_the_framework_above():
    """datasets/ may know Kedro's base classes; nothing else below the pipelines may."""
    below = ["sources", "encoders", "heads", "retrieval", "figures"]
    files = [f for folder in below for f in (ROOT / "src/veneer" / folder).rglob("*.py")]
    files += [
        ROOT / "src/veneer" / f"{name}.py"
        for name in (
            "metrics",
            "images",
            "schema",
            "refusals",
            "ingest",
            "audits",
            "predict",
            "splits",
            "statistics",
            "origin",
            "comparison",
        )
    ]
    for file in files:
        text = file.read_text()
        assert not re.search(r"^\s*(import|from) (kedro|mlflow|gradio)", text, re.M), file
        assert not re.search(r"^\s*from veneer\.(pipelines|datasets|app|cli)", text, re.M), file
    ground = [ROOT / "src/veneer" / f"{name}.py" for name in ("metrics", "images", "schema")]
    for file in ground:
        assert not re.search(r"from veneer\.(?!errors|refusals)", file.read_text()), file


def test_pipelines_are_listed_without_the_heavy_libraries():
    program = (
        "import sys; from veneer.pipeline_registry import register_pipelines as r; r(); "
        "print(sorted(set(sys.modules) & {'torch', 'open_clip', 'timm', 'sklearn', 'scipy', "
        "'lancedb', 'matplotlib', 'gradio', 'umap', 'numba'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_slugs_are_unique():
    names = ["a & b", "a, b", "A B", "...", "é è"]
    assert len(set(slugs(names).values())) == len(names)
