"""The apparel comparison made again, and what tuning gains by several labels at once.

    python benchmarks/metric_learning.py [--work FOLDER] [--epochs N] [--vae-steps N] [--quick N]

- Data: the 44,072 products of fashion-product-images-small; alike are those of one `articleType`,
  types with one product left out. Of the project's split (80/20 by `subCategory`, byte-identical
  files on one side) the validation side is never trained on, and gives the queries; candidates are
  all other images, the query's copies left out. Precision, recall and accuracy at 5 as veneer's
  evaluation has them, each with its 95 % interval.
- Rows of the published table that can only be stood in for: CLIP by lite2-minilm (a joint model of
  EfficientNet-Lite2 and a distilled text tower), ResNet-50 by EfficientNet-Lite2 with ImageNet's
  weights, the Siamese network by a projection on that under the contrastive loss, the VAE by a
  small one that is trained here. The published figures tell neither their queries nor their split.
- The runs: `kedro run --env fashion` in a copy of the project, as its user types it:
  data_processing and embedding for each encoder, finetuning for each tuned one.
- Several labels: lite2-minilm towards masterCategory, baseColour and usage together; the share of
  the three that an image and its nearest five have in common, before and after; with ideal pairs
  alone, and by each label for itself.

Encoders, weights and data are those beside the project (``VENEER_SHARED``); without them there is
nothing to measure. ``--work`` keeps the folder, and what is in it is not made again. Tables go to
stderr; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import yaml
from twins import FASHION, ROOT, SHARED, say

from veneer.finetuning.likeness import rankings
from veneer.images import to_rgb
from veneer.retrieval.evaluation import mean_interval, values_of
from veneer.schema import vectors

JOINT, CNN = (
    SHARED / "models/lite2-minilm",
    SHARED / "models/tf_efficientnet_lite2/model.safetensors",
)
PUBLISHED = {
    "CLIP": (0.8858, 0.0113, 0.9344),
    "ResNet-50": (0.8508, 0.0104, 0.9268),
    "Siamese": (0.6074, 0.0051, 0.8592),
    "VAE": (0.4895, 0.0026, 0.7474),
}
LABEL = "articleType"
SEVERAL = ("masterCategory", "baseColour", "usage")
PAIRS = ("ideal", "by_label")
FIGURES = ("precision@5", "recall@5", "accuracy@5", "mean_average_precision")
VAE_SIZE = 32
# Encoder, objective, row of the published table, name of the tuned encoder and its options.
ROWS = (
    ("lite2-minilm", None, "CLIP", None, {}),
    ("lite2-minilm", "supcon", "CLIP", "joint-supcon", {}),
    ("lite2-minilm", "classifier", "CLIP", "joint-classifier", {"objective": "classifier"}),
    ("lite2", None, "ResNet-50", None, {}),
    ("lite2", "supcon", "ResNet-50", "cnn-supcon", {}),
    ("lite2", "contrastive", "Siamese", "siamese", {"objective": "contrastive"}),
    ("vae", None, "VAE", None, {}),
)


def main() -> None:
    """Run all rows, and end with one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, help="folder that is kept, and gone on with")
    parser.add_argument("--epochs", type=int, default=30, help="of tuning, at the most")
    parser.add_argument("--vae-steps", type=int, default=400)
    parser.add_argument("--quick", type=int, help="so many products only, to try the script")
    options = parser.parse_args()
    if not (FASHION.is_file() and JOINT.is_dir() and CNN.is_file()):
        sys.exit(f"nothing measured: {FASHION}, {JOINT} and {CNN} are needed")
    with tempfile.TemporaryDirectory() as temporary:
        project = Project((options.work or Path(temporary)).resolve(), options.quick)
        project.run("data_processing", "embedding", encoder="lite2-minilm")
        project.run("embedding", encoder="lite2", **{"modeling.fusion": "image"})
        train_vae(project, options.vae_steps)
        project.run("embedding", encoder="vae", **{"modeling.fusion": "image"})
        rows = [measure(project, *row, options.epochs) for row in ROWS]
        several = [several_labels(project, options.epochs, pairs) for pairs in PAIRS]
    say("published: " + ", ".join(f"{k} {v[0]}/{v[1]}/{v[2]}" for k, v in PUBLISHED.items()))
    print(json.dumps({"rows": rows, "several_labels": several, "published": PUBLISHED}))


class Project:
    """A copy of the project at ``root`` that knows the encoders of this comparison."""

    def __init__(self, root: Path, quick: int | None):
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        for name in ("conf", "src"):
            shutil.rmtree(root / name, ignore_errors=True)
            ignored = shutil.ignore_patterns("local", "__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, root / name, ignore=ignored)
        (root / "conf/local").mkdir()
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / name, root / name)
        encoders = {
            "lite2-minilm": {"family": "open_clip", "pretrained": str(JOINT)},
            "lite2": {
                "family": "timm",
                "architecture": "tf_efficientnet_lite2",
                "pretrained": str(CNN),
            },
            "vae": {
                "family": "vae",
                "pretrained": str(root / "vae"),
                "image_size": VAE_SIZE,
            },
        }
        file = root / "conf/fashion/parameters/encoders.yml"
        file.write_text(yaml.safe_dump({"encoders": encoders}))
        raw = root / "data/01_raw/fashion"
        raw.mkdir(parents=True, exist_ok=True)
        if not any(raw.iterdir()):
            table = pq.read_table(FASHION)
            pq.write_table(table.slice(0, quick), raw / FASHION.name)

    def run(self, *pipelines: str, **params: object) -> None:
        """Run pipelines of the overlay; end with what is said when they fail."""
        given = ",".join(f"{key}={value}" for key, value in params.items())
        arguments = ["run", "--env", "fashion", "--pipelines", ",".join(pipelines)]
        command = [str(Path(sys.executable).with_name("kedro")), *arguments, "--params", given]
        say(shlex.join(command[1:]))
        environment = os.environ | {"PYTHONPATH": str(self.root / "src")}
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{shlex.join(command)} has failed: {done.stderr[-4000:]}")

    def rows(self) -> pa.Table:
        """Image rows with their split, without the pictures."""
        folder = self.root / "data/02_intermediate/fashion/images"
        rows = ds.dataset(sorted(folder.rglob("*.parquet"))).to_table(
            columns={
                "id": ds.field("id"),
                "sha": ds.field("sha"),
                LABEL: ds.field("attributes", LABEL),
            }
        )
        splits = pq.read_table(self.root / "data/05_model_input/fashion/splits.parquet")
        rows = rows.join(splits, "id", join_type="inner").sort_by("id")
        sizes = rows.group_by(LABEL).aggregate([([], "count_all")])
        kept = sizes.filter(pc.greater(sizes["count_all"], 1))[LABEL].combine_chunks()
        return rows.filter(pc.is_in(rows[LABEL], kept))

    def vectors(self, encoder: str, shas: pa.ChunkedArray) -> np.ndarray:
        """Vectors in the order of ``shas``."""
        shards = sorted((self.root / "data/04_feature/fashion" / encoder).glob("part-*.parquet"))
        table = ds.dataset(shards).to_table(columns=["sha", "embedding"])
        places = pc.index_in(shas.combine_chunks(), value_set=table["sha"].combine_chunks())
        return vectors(table["embedding"])[places.to_numpy()]


def measure(
    project: Project,
    encoder: str,
    objective: str | None,
    published: str,
    tuned: str | None,
    options: dict,
    epochs: int,
) -> dict:
    """A row of the table: of an encoder as it is, or tuned."""
    if tuned is not None:
        given = {f"finetuning.{key}": value for key, value in options.items()}
        given |= {"finetuning.epochs": epochs, "modeling.fusion": "image"}
        project.run("finetuning", encoder=encoder, tuned=tuned, **given)
    rows = project.rows()
    queries = np.flatnonzero(np.array(rows["split"].to_pylist()) != "train")
    copies = np.unique(rows["sha"].to_pylist(), return_inverse=True)[1]
    labels = {LABEL: np.array(rows[LABEL].to_pylist())}
    matrix = project.vectors(tuned or encoder, rows["sha"])
    ranked = rankings(matrix, labels, queries, copies)[LABEL]
    answerable = ranked.relevant > 0
    values = {name: each[answerable] for name, each in values_of(ranked).items()}
    row: dict = {"encoder": encoder, "objective": objective, "stands_for": published}
    row |= {"dimension": matrix.shape[1], "n_queries": int(answerable.sum())}
    for name in FIGURES:
        key = name.replace("@", "_at_")
        row[key] = round(float(values[name].mean()), 4)
        row[f"{key}_interval_95"] = [round(each, 4) for each in mean_interval(values[name])]
    figures = " ".join(f"{name} {row[name.replace('@', '_at_')]:.4f}" for name in FIGURES)
    say(f"{encoder}, {objective or 'frozen'} (for {published}): {figures}")
    return row


def several_labels(project: Project, epochs: int, pairs: str) -> dict:
    """What tuning towards three labels gains, on images that were not trained on."""
    tuned = f"several-{pairs}"
    labels = ";".join(SEVERAL)
    options = {"labels": labels, "pairs": pairs, "epochs": epochs}
    given = {f"finetuning.{key}": value for key, value in options.items()}
    project.run("finetuning", encoder="lite2-minilm", tuned=tuned, **given)
    path = project.root / f"data/08_reporting/fashion/{tuned}/finetuning.json"
    figures = json.loads(path.read_text())["figures"]
    result = {"pairs": pairs, "likeness_at_5": figures["likeness"]["likeness@5"]}
    for name, each in figures.items():
        if name != "likeness":
            result[name] = {key: each[key] for key in ("precision@5", "accuracy@5")}
    found = result["likeness_at_5"]
    say(f"likeness@5 by {labels}, {pairs}: {found['before']:.4f}, tuned {found['after']:.4f}")
    return result


def train_vae(project: Project, steps: int) -> None:
    """Train a small autoencoder on the training side, in the manner of Stable Diffusion's."""
    folder = project.root / "vae"
    if folder.is_dir():
        return
    import torch
    from diffusers import AutoencoderKL
    from tqdm import tqdm

    rows, files = project.rows(), {}
    wanted = set(rows.filter(pc.equal(rows["split"], "train"))["sha"].to_pylist())
    images = sorted((project.root / "data/02_intermediate/fashion/images").rglob("*.parquet"))
    for batch in ds.dataset(images).to_batches(columns=["sha", "image"]):
        data = batch["image"].field("bytes")
        for place, sha in enumerate(batch["sha"].to_pylist()):
            if sha in wanted:
                files[sha] = data[place].as_py()
    shas = sorted(files)
    torch.manual_seed(0)
    torch.set_num_threads(1)  # so small a network: threads that wait for each other gain nothing
    rng = np.random.default_rng(0)
    blocks = 3
    model = AutoencoderKL(
        block_out_channels=(16, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=VAE_SIZE,
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for step in tqdm(range(steps), desc="autoencoder", unit="steps"):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
        some = [
            to_rgb(files[shas[i]]).resize((VAE_SIZE,) * 2) for i in rng.integers(len(shas), size=32)
        ]
        pixels = torch.from_numpy(np.stack([np.asarray(each) for each in some]))
        x = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
        latent = model.encode(x).latent_dist
        loss = (
            model.decode(latent.sample()).sample - x
        ).square().mean() + 1e-4 * latent.kl().mean() / x[0].numel()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    first, last = np.mean(losses[:20]), np.mean(losses[-20:])
    say(f"autoencoder: loss {first:.3f} at first, {last:.4f} at last")
    model.save_pretrained(folder)


if __name__ == "__main__":
    main()
