"""How fast images and texts become vectors, how right these are, and what it takes.

    python benchmarks/embedding.py [--photos 2000] [--plot FILE]

For each encoder, in one process:

- the plain loop: open, open_clip's transform, stack, encode_image, in fp32, 32 at a time;
- the ceiling: the image tower alone, on pixels that are ready, under the runtime that veneer
  chooses;
- end to end: Parquet image rows to Parquet embedding rows, with exact and with fast decoding. The
  ceiling is taken before and after each, because these machines do not keep their speed;
- texts, the plain loop and veneer's;
- the least cosine between veneer's vectors and the plain loop's, and between fast and exact
  decoding for 500 photos as they are and for some of them enlarged to sixteen times their sides.

Then every runtime's rate for RN50; peak memory for ten times as many images, each in a process of
its own; and the whole command, `kedro run --pipelines embedding`, on 50 000 rows that all have
their vectors.

RN50 has seeded weights: its speed is that of OpenAI's, its vectors mean nothing. The photos, and
lite2-minilm, are those beside the project (``VENEER_SHARED``); without them drawn textures take
their place, and lite2-minilm is left out.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from veneer.datasets.embeddings import EmbeddingsDataset
from veneer.datasets.image_rows import ImageRowsDataset
from veneer.encoders.config import EncoderConfig, Encoders, packaged_folder
from veneer.encoders.embed import embed_batches
from veneer.encoders.encoder import Encoder, open_encoder
from veneer.encoders.runtimes.registry import RUNTIMES
from veneer.images import row_id, sha_of, to_rgb
from veneer.parameters import EmbeddingOptions
from veneer.pipelines.embedding.nodes import embed
from veneer.schema import embedding_schema, image_schema
from veneer.schema import vectors as as_array
from veneer.sources.textures import SAMPLE_KINDS, sample_files
from veneer.streams import Stream

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("VENEER_SHARED", ROOT.parent / "shared"))
PLAIN_BATCH = 32
PLAIN_PHOTOS = 192
SECONDS = 8.0  # of a rate that is measured by itself
COMPARED = 500
ENLARGED = 24
TIMES = 16
SECOND_RUN_ROWS = 50_000


def main() -> None:
    """Measure, print, and end with one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--plot", type=Path, help="draw the rates into this PNG file")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        name, folder, *rest = arguments.work
        print(json.dumps(WORK[name](Path(folder), *rest)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = gather(folder / "photos", arguments.photos)
        names = prepare_encoders(folder)
        encoders = {name: in_own_process("encoder", folder, name) for name in names}
        for name, found in encoders.items():
            print(f"\n{name}, under {found['runtime']} (text: {found['text_runtime']})")
            for key, value in found.items():
                print(f"  {key:24} {value}")
        runtimes = in_own_process("runtimes", folder)
        print("\nRN50's image tower, images/s:", json.dumps(runtimes, indent=1))
        many_rows(folder / "photos", folder / "many", 10)
        once = in_own_process("memory", folder, str(folder / "photos"))
        ten = in_own_process("memory", folder, str(folder / "many"))
        print(f"\npeak memory {once // 1024} MiB, for ten times the images {ten // 1024} MiB")
        second = second_run_seconds(folder / "project")
    rn50 = encoders["rn50"]
    result = {
        "data": data,
        "cores": os.cpu_count(),
        "end_to_end_vs_plain": rn50["end_to_end_vs_plain"],
        "share_of_ceiling": rn50["share_of_ceiling"],
        "share_of_ceiling_fast": rn50["share_of_ceiling_fast"],
        "cosine_min": min(found["cosine_min"] for found in encoders.values()),
        "cosine_min_fast": min(found["cosine_min_fast"] for found in encoders.values()),
        "rss_ratio_10x": round(ten / once, 3),
        "second_run_seconds": round(second, 1),
        "runtimes": {
            "plain loop": rn50["plain"],
            "ceiling": rn50["ceiling"],
            "end to end": rn50["end_to_end"],
            **runtimes,
        },
        "encoders": encoders,
    }
    if arguments.plot:
        plot(result, arguments.plot)
    print(json.dumps(result))


# Data


def gather(folder: Path, count: int) -> str:
    """Write image rows of ``count`` photos below ``folder``; what they are."""
    contents = photos()
    chosen = contents[:count]
    ImageRowsDataset(str(folder)).save(image_stream(chosen))
    what = "photos of dtd10 and trashnet" if has_photos() else "drawn textures"
    return f"{len(chosen)} {what}"


def has_photos() -> bool:
    """Whether the material beside the project is there."""
    return (SHARED / "data").is_dir()


def photos() -> list[bytes]:
    """Files of all photos, in an order that mixes their classes."""
    if has_photos():
        folders = [SHARED / "data" / name for name in ("dtd10", "trashnet")]
        files = sorted(file for folder in folders for file in folder.rglob("*.jpg"))
        contents = list({file.read_bytes(): None for file in files})
    else:
        drawn = sample_files(kinds=SAMPLE_KINDS, images_per_kind=100, seed=0, damaged=0)
        contents = [content for _, content in drawn]
    random.Random(0).shuffle(contents)
    return contents


def image_stream(contents: list[bytes] | Iterator[bytes]) -> Stream:
    """Image rows of files, as ingest would make them but for the facts that embedding ignores."""
    schema = image_schema(reading="benchmark")

    def batches() -> Iterator[pa.RecordBatch]:
        numbered = enumerate(contents)
        while block := list(itertools.islice(numbered, 64)):
            rows = []
            for number, content in block:
                sha, path = sha_of(content), f"{number}.jpg"
                image = {"bytes": content, "path": path}
                rows.append({"id": row_id(path, sha), "sha": sha, "image": image})
            yield pa.RecordBatch.from_pylist(rows, schema=schema)

    return Stream(schema, batches)


def many_rows(source: Path, target: Path, times: int) -> None:
    """The same photos ``times`` times, with a number behind each that makes its bytes its own."""
    rows = ImageRowsDataset(str(source)).load()

    def contents() -> Iterator[bytes]:
        for number in range(times):
            for batch in rows.to_batches(columns=["image"], batch_size=64):
                for data in batch["image"].field("bytes"):
                    yield data.as_py() + number.to_bytes(4, "big")

    ImageRowsDataset(str(target)).save(image_stream(contents()))


def prepare_encoders(folder: Path) -> list[str]:
    """Write RN50's seeded weights and all encoders' configuration; their names."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model("RN50", force_quick_gelu=True)
    weights = folder / "rn50.safetensors"
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, weights)
    configs = {
        "rn50": EncoderConfig(
            family="open_clip", architecture="RN50", pretrained=str(weights), quick_gelu=True
        ),
        "mini": EncoderConfig(family="open_clip", pretrained="packaged"),
    }
    if (SHARED / "models/lite2-minilm").is_dir():
        path = str(SHARED / "models/lite2-minilm")
        configs["lite2-minilm"] = EncoderConfig(family="open_clip", pretrained=path)
    (folder / "encoders.json").write_text(Encoders(configs).model_dump_json())
    return list(configs)


def load_configs(folder: Path) -> dict[str, EncoderConfig]:
    """What :func:`prepare_encoders` wrote."""
    return Encoders.model_validate_json((folder / "encoders.json").read_text()).root


def opened(folder: Path, name: str, **options: object) -> Encoder:
    """Open an encoder with the benchmark's own cache."""
    return open_encoder(name, load_configs(folder), cache=folder / "cache", **options)


# Measuring


def in_own_process(work: str, *arguments: object) -> dict | int:
    """Do some work in a process of its own, and take what it reports."""
    command = [sys.executable, __file__, "--work", work, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def rate(call: Callable[[], object], rows: int) -> float:
    """Rows a second of a call that does ``rows`` of them, over :data:`SECONDS` seconds."""
    call()
    begin, calls = time.perf_counter(), 0
    while time.perf_counter() - begin < SECONDS:
        call()
        calls += 1
    return calls * rows / (time.perf_counter() - begin)


def measure_encoder(folder: Path, name: str) -> dict:
    """All that is measured of one encoder."""
    contents = photos()
    warm = opened(folder, name)
    begin = time.perf_counter()
    warm.embed_images([to_rgb(each) for each in contents[:8]])  # compiles and checks
    compile_seconds = time.perf_counter() - begin
    plain_rate, plain_vectors = plain_images(folder, name, contents[:PLAIN_PHOTOS])
    tower, shape = warm.image_tower, warm.preprocessing
    batch = np.stack([shape.decode(each) for each in contents[: tower.batch_size]])

    def ceiling() -> float:
        return rate(lambda: tower(batch), len(batch))

    before = ceiling()
    exact, ours = end_to_end(folder, name, fast=False)
    between = ceiling()
    fast, _ = end_to_end(folder, name, fast=True)
    after = ceiling()
    found = {
        "runtime": tower.runtime,
        "open_and_check_seconds": round(compile_seconds, 1),
        "plain": round(plain_rate, 2),
        "ceiling": round((before + between + after) / 3, 1),
        "end_to_end": round(exact, 1),
        "end_to_end_fast": round(fast, 1),
        "end_to_end_vs_plain": round(exact / plain_rate, 2),
        "share_of_ceiling": round(exact / ((before + between) / 2), 3),
        "share_of_ceiling_fast": round(fast / ((between + after) / 2), 3),
        "cosine_min": least_cosine(plain_vectors[: len(ours)], ours[: len(plain_vectors)]),
    }
    return found | compare_decoding(folder, name, contents) | texts(folder, name, warm)


def plain_images(folder: Path, name: str, contents: list[bytes]) -> tuple[float, np.ndarray]:
    """The loop that everybody writes: images a second, and unit vectors."""
    import torch

    model, transform, _ = plain_model(folder, name)
    vectors = []
    with torch.no_grad():
        model.encode_image(torch.zeros(PLAIN_BATCH, 3, 224, 224))
        begin = time.perf_counter()
        for first in range(0, len(contents), PLAIN_BATCH):
            files = contents[first : first + PLAIN_BATCH]
            images = [transform(Image.open(io.BytesIO(content))) for content in files]
            features = model.encode_image(torch.stack(images))
            vectors.append(torch.nn.functional.normalize(features, dim=-1).numpy())
        seconds = time.perf_counter() - begin
    return len(contents) / seconds, np.concatenate(vectors)


def plain_model(folder: Path, name: str) -> tuple:
    """Model, transform and tokenizer as open_clip's own README opens them."""
    import logging

    import open_clip

    logging.getLogger().setLevel(logging.WARNING)
    config = load_configs(folder)[name]
    if config.architecture:
        options = {"pretrained": config.pretrained, "force_quick_gelu": config.quick_gelu}
        model_name = config.architecture
    else:
        path = packaged_folder() if config.pretrained == "packaged" else config.pretrained
        model_name, options = f"local-dir:{path}", {}
    model, _, transform = open_clip.create_model_and_transforms(model_name, **options)
    return model.eval(), transform, open_clip.get_tokenizer(model_name)


def end_to_end(folder: Path, name: str, *, fast: bool) -> tuple[float, np.ndarray]:
    """Image rows to embedding rows through the pipeline's own node: images a second, vectors."""
    rows = ImageRowsDataset(str(folder / "photos")).load()
    out = folder / f"embeddings-{name}-{fast}"
    options = EmbeddingOptions(
        encoder=name,
        runtime="auto",
        decode="fast" if fast else "exact",
        batch_size=None,
        shard_rows=1024,
        cache=folder / "cache",
    )
    begin = time.perf_counter()
    dataset = EmbeddingsDataset(str(out), missing_ok=True)
    stream, refused = embed(rows, dataset.load(), opened(folder, name, fast=fast), options)
    dataset.save(stream)
    seconds = time.perf_counter() - begin
    if list(refused):
        raise RuntimeError("the benchmark's own images were refused")
    vectors = as_array(dataset.load().to_table()["embedding"])
    return len(vectors) / seconds, vectors


def compare_decoding(folder: Path, name: str, contents: list[bytes]) -> dict:
    """Least cosine of fast to exact decoding, of photos as they are and of enlarged ones."""
    exact, fast = opened(folder, name), opened(folder, name, fast=True)

    def least(files: list[bytes]) -> float:
        return least_cosine(embed_files(exact, files), embed_files(fast, files))

    as_they_are = least(contents[:COMPARED])
    enlarged = least([enlarge(content, TIMES) for content in contents[:ENLARGED]])
    return {
        "cosine_min_fast": min(as_they_are, enlarged),
        "cosine_min_fast_as_they_are": as_they_are,
        "cosine_min_fast_enlarged": enlarged,
    }


def embed_files(encoder: Encoder, files: list[bytes]) -> np.ndarray:
    """Vectors of files, through the stage's own function."""
    batches = image_stream(list(dict.fromkeys(files)))
    return np.concatenate([as_array(b["embedding"]) for b in embed_batches(iter(batches), encoder)])


def enlarge(content: bytes, times: int) -> bytes:
    """A photo at several times its size, as JPEG: large photos are not to be had here."""
    image = to_rgb(content)
    large = image.resize((times * image.width, times * image.height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    large.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def least_cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Over the rows of two arrays of unit vectors."""
    return round(float(np.min(np.sum(ours.astype(np.float64) * theirs, axis=1))), 6)


def texts(folder: Path, name: str, encoder: Encoder) -> dict:
    """Texts a second of the plain loop and of veneer, and the least cosine between them."""
    import torch

    captions = some_texts()
    model, _, tokenize = plain_model(folder, name)

    def plain() -> np.ndarray:
        parts = []
        with torch.no_grad():
            for first in range(0, len(few), PLAIN_BATCH):
                features = model.encode_text(tokenize(few[first : first + PLAIN_BATCH]))
                parts.append(torch.nn.functional.normalize(features, dim=-1).numpy())
        return np.concatenate(parts)

    few = captions[:128]
    cosine = least_cosine(encoder.embed_texts(few), plain())
    plain_rate = rate(plain, len(few))
    our_rate = rate(lambda: encoder.embed_texts(captions), len(captions))
    return {
        "text_runtime": encoder.text_tower.runtime,
        "plain_texts": round(plain_rate, 1),
        "texts": round(our_rate, 1),
        "texts_vs_plain": round(our_rate / plain_rate, 2),
        "text_cosine_min": cosine,
    }


def some_texts() -> list[str]:
    """512 different texts: products' names where they are there, else prompts."""
    file = SHARED / "data/fashion/fashion-product-images-small.parquet"
    if file.is_file():
        names = pq.read_table(file, columns=["productDisplayName"])["productDisplayName"]
        return sorted(set(names.drop_null().to_pylist()))[::40][:512]
    words = [f"{a} {b}" for a in SAMPLE_KINDS for b in ("wood", "stone", "cloth", "paper", "skin")]
    return [f"a photo of {word}, number {n}" for n in range(6) for word in words][:512]


def measure_runtimes(folder: Path) -> dict:
    """Rate of RN50's image tower under each runtime, or why there is none."""
    contents = photos()
    found: dict[str, float | str] = {}
    for name, runtime in RUNTIMES.items():
        why = runtime.missing()
        if why is None:
            tower = opened(folder, "rn50", runtime=name)
            shape = tower.preprocessing
            tower.image_tower(np.stack([shape.decode(each) for each in contents[:8]]))
            size = tower.image_tower.batch_size
            batch = np.stack([shape.decode(each) for each in itertools.islice(contents, size)])
            found[name] = round(rate(lambda t=tower, b=batch: t.image_tower(b), len(batch)), 2)
        else:
            found[name] = why
    return found


def peak_memory(folder: Path, rows: str) -> int:
    """Peak resident kilobytes of this process, embedding ``rows`` with the packaged encoder.

    What `getrusage` gives begins with the memory of the process that started it.
    """
    dataset = EmbeddingsDataset(str(folder / f"memory-{Path(rows).name}"), missing_ok=True)
    encoder = opened(folder, "mini")
    options = EmbeddingOptions(
        encoder="mini",
        runtime="auto",
        decode="exact",
        batch_size=None,
        shard_rows=1024,
        cache=folder / "cache",
    )
    stream, _ = embed(ImageRowsDataset(rows).load(), dataset.load(), encoder, options)
    dataset.save(stream)
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def second_run_seconds(project: Path) -> float:
    """Time of `kedro run --pipelines embedding`, all of it, where every row has its vector."""
    project.mkdir()
    for name in ("pyproject.toml", ".telemetry", "conf", "src"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, project / name)
    shutil.rmtree(project / "conf/local", ignore_errors=True)
    (project / "conf/local").mkdir()
    contents = [number.to_bytes(8, "big") * 100 for number in range(SECOND_RUN_ROWS)]
    data = project / "data"
    ImageRowsDataset(str(data / "02_intermediate/many/images")).save(image_stream(contents))
    command = [str(Path(sys.executable).with_name("kedro")), "run", "--pipelines", "embedding"]
    command += ["--params", "collection=many"]
    environment = {**os.environ, "PYTHONPATH": str(project / "src")}
    # What the first run would have left, without computing it.
    configs = {"mini": EncoderConfig(family="open_clip", pretrained="packaged")}
    encoder = open_encoder("mini", configs, cache=project / "data/06_models/.compiled")
    schema = embedding_schema(encoder.dimension, encoder.fingerprint)
    unit = np.eye(1, encoder.dimension, dtype=np.float32).repeat(1024, axis=0)

    def vectors() -> Iterator[pa.RecordBatch]:
        for first in range(0, len(contents), 1024):
            shas = [sha_of(content) for content in contents[first : first + 1024]]
            column = pa.FixedSizeListArray.from_arrays(unit[: len(shas)].ravel(), encoder.dimension)
            yield pa.RecordBatch.from_arrays([pa.array(shas), column], schema=schema)

    EmbeddingsDataset(str(data / "04_feature/many/mini")).save(vectors())
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        done = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=True
        )
        seconds.append(time.perf_counter() - begin)
        if "0 are to be embedded" not in done.stderr:
            raise RuntimeError(f"the second run was to find nothing to do:\n{done.stderr}")
    print(f"\nsecond run on {SECOND_RUN_ROWS:,} rows, seconds: {[round(s, 1) for s in seconds]}")
    return min(seconds[1:])


# Drawing


def plot(result: dict, file: Path) -> None:
    """Rates of images, one panel an encoder, and one of RN50's runtimes."""
    from matplotlib.figure import Figure

    ways = {
        "plain": "plain loop, fp32",
        "end_to_end": "veneer, end to end",
        "end_to_end_fast": "the same, decoding fast",
        "ceiling": "its image tower alone",
    }
    panels = {
        f"{name}: {found['runtime']}": {text: found[key] for key, text in ways.items()}
        for name, found in result["encoders"].items()
    }
    tried = {name: value for name, value in result["runtimes"].items() if name in RUNTIMES}
    measured = {name: value for name, value in tried.items() if not isinstance(value, str)}
    panels["rn50: the image tower under each runtime"] = measured
    figure = Figure(figsize=(8, 2.1 * len(panels)), dpi=110, layout="constrained")
    for axes, (title, bars) in zip(figure.subplots(len(panels)), panels.items(), strict=True):
        colours = ["#b9c1c9" if "plain" in name else "#4a7fb5" for name in bars]
        shown = axes.barh(list(bars), list(bars.values()), color=colours)
        axes.bar_label(shown, fmt="%.0f", padding=3)
        axes.margins(x=0.12)
        axes.invert_yaxis()
        axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(f"images a second on {result['cores']} cores")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)


WORK: dict[str, Callable] = {
    "encoder": measure_encoder,
    "runtimes": measure_runtimes,
    "memory": peak_memory,
}

if __name__ == "__main__":
    main()
