"""How fast, how right and how large nearest-neighbour search is: LanceDB, FAISS and numpy.

    python benchmarks/search.py [--work FOLDER] [--vectors FILE] [--sizes 44000,1000000]

Data: the images of fashion, embedded by lite2-minilm (1024 features) through veneer's own
functions. A seeded 200 of them are the queries and are held out from everything; the others are
the smaller table. The larger one is made: normalised mixtures of two of these others (both, and
their shares, drawn with a seed), and noise of a twentieth of their length. LanceDB's table is
made by veneer, with all its columns; those of the smaller one have 5 000 bytes for a thumbnail.

Compared, on the same queries, the ten nearest of each, one query at a time:

- ``lancedb_ann``: veneer's index of a large collection, from disk: ids and exact cosines;
- ``lancedb_ann_all``: the same with all that is known of the results, as a search shows it;
- ``veneer_exact``: the same without the index of vectors, in memory, as veneer searches small
  collections (up to 100 000 rows);
- ``lancedb_exact``: LanceDB's own exact search of the same table, from disk;
- ``faiss_flat``, ``faiss_hnsw``: FAISS, exact and HNSW (M 16, efConstruction 100, efSearch 128);
- ``numpy``: one product of the matrix with the query, and ``argpartition``.

Every engine is built in one process and measured in another. Recall is that of the true ten; a
result as near as the tenth counts, so that equal vectors may stand for each other. Memory
is the greatest VmRSS after opening and between the queries, less that after the imports, and
``rss_anon_mb`` the part of it that no file backs. What is only in the page cache does not count.
Latencies are of warm searches: every query has been asked once before; ``first_ms`` is what opening
and the first search take.

``filtered``: ``lancedb_ann`` with a filter that a hundredth or a tenth of the rows pass, chosen
regardless of their vectors, on ``label``, of which veneer makes an index, and on ``text``.
``ratio`` is that of the median latencies with and without the filter, ``recall_at_10`` is against
the ten nearest that pass.

``--work`` keeps vectors, tables and FAISS's files, and takes what is there under the same settings;
so ``--build`` can do the long part first (the larger size: half an hour on two cores, and 20 GB).

A table goes to stderr; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from omegaconf import OmegaConf

from veneer.retrieval.build import Update, index_schema, write_index
from veneer.retrieval.index import Index, IndexCard
from veneer.retrieval.options import ApproximateOptions

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("VENEER_SHARED", ROOT.parent / "shared"))
FASHION = SHARED / "data/fashion/fashion-product-images-small.parquet"
ENCODER = SHARED / "models/lite2-minilm"
REAL, QUERIES, K, WARM, BLOCK = 44_000, 200, 10, 20, 20_000
THUMBNAIL = 5_000
FILTERS = {"1%": "rare", "10%": "some"}
HNSW = {"m": 16, "ef_construction": 100, "ef": 128}
ENGINES = (
    "lancedb_ann",
    "lancedb_ann_all",
    "veneer_exact",
    "lancedb_exact",
    "faiss_flat",
    "faiss_hnsw",
    "numpy",
)
LANCEDB = ("lancedb_ann", "lancedb_ann_all", "veneer_exact", "lancedb_exact")
Search = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Build what is not there, measure, print, and end with one line of JSON."""
    options = parse_arguments()
    if options.step:
        print(json.dumps(STEPS[options.step[0]](Path(options.step[1]), *options.step[2:])))
        return
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        make_vectors(work, options.sizes, options.vectors)
        for size in options.sizes:
            for engine in options.engines:
                build(work / str(size), engine)
        if options.build:
            print(json.dumps({"built": options.sizes}))
            return
        result: dict = {"benchmark": "search", "cores": os.cpu_count()}
        for size in options.sizes:
            result[str(size)] = compare(work / str(size), options)
    print(json.dumps(result))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, help="folder that keeps what is built")
    parser.add_argument("--vectors", type=Path, help="NPZ file with the vectors of fashion (X)")
    parser.add_argument("--sizes", type=numbers, default=[REAL, 1_000_000])
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--seconds", type=float, default=20, help="a measurement at most takes")
    parser.add_argument("--build", action="store_true", help="build, and measure nothing")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def numbers(text: str) -> list[int]:
    """The sizes on the command line."""
    return [int(each) for each in text.split(",")]


def say(text: str) -> None:
    """Print to stderr."""
    print(text, file=sys.stderr, flush=True)


def step(name: str, folder: Path, *arguments: str) -> dict:
    """Do a step in a process of its own, and take what its last line says."""
    command = [sys.executable, __file__, "--step", name, str(folder), *arguments]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{name} of {folder} has failed: {' '.join(arguments)}")
    return json.loads(done.stdout.splitlines()[-1])


# Vectors


def make_vectors(work: Path, sizes: list[int], source: Path | None) -> None:
    """Write ``queries.npy`` and, for each size, ``vectors.npy``; what is there is kept."""
    missing = [size for size in sizes if not (work / str(size) / "vectors.npy").exists()]
    if not missing and (work / "queries.npy").exists():
        return
    X = real_vectors(source)
    held_out = np.random.default_rng(0).choice(len(X), QUERIES, replace=False)
    work.mkdir(parents=True, exist_ok=True)
    np.save(work / "queries.npy", X[np.sort(held_out)])
    X = np.delete(X, held_out, axis=0)
    for size in missing:
        (work / str(size)).mkdir(exist_ok=True)
        part = work / str(size) / "vectors.part"
        if size <= REAL:
            with part.open("wb") as file:
                np.save(file, X[:size])
        else:
            mix(X, size, part)
        part.rename(part.with_suffix(".npy"))


def real_vectors(source: Path | None) -> np.ndarray:
    """Of the images of fashion: float32 [n, D], rows of length 1."""
    if source:
        with np.load(source, allow_pickle=True) as kept:
            return np.asarray(kept["X"], np.float32)
    if not FASHION.exists() or not ENCODER.is_dir():
        sys.exit(f"nothing measured: {FASHION} and {ENCODER} are needed (VENEER_SHARED)")
    import pyarrow.parquet as pq
    from tqdm import tqdm

    from veneer.encoders.embed import embed_batches
    from veneer.encoders.encoder import open_encoder
    from veneer.images import sha_of
    from veneer.schema import vectors

    file = pq.ParquetFile(FASHION)
    bar = tqdm(total=file.metadata.num_rows, desc="embed", unit="image")
    shas: list[str] = []

    def images() -> Iterator[pa.RecordBatch]:
        for batch in file.iter_batches(64, columns=["image"]):
            some = [sha_of(each) for each in batch["image"].field("bytes").to_pylist()]
            shas.extend(some)
            bar.update(len(some))
            yield pa.record_batch({"sha": some, "image": batch["image"]})

    found: dict[str, np.ndarray] = {}
    for batch in embed_batches(images(), open_encoder(str(ENCODER), {})):
        found |= zip(batch["sha"].to_pylist(), vectors(batch["embedding"]), strict=True)
    return np.stack([found[sha] for sha in shas])


def mix(real: np.ndarray, size: int, file: Path) -> None:
    """Write made vectors, a block at a time; any block depends on its place alone."""
    made = np.lib.format.open_memmap(file, "w+", np.float32, (size, real.shape[1]))
    for first in range(0, size, BLOCK):
        rng = np.random.default_rng([1, first])
        count = min(BLOCK, size - first)
        one, other = rng.integers(len(real), size=(2, BLOCK))[:, :count]
        share = rng.random((BLOCK, 1), dtype=np.float32)[:count]
        block = share * real[one] + (1 - share) * real[other]
        noise = rng.standard_normal(block.shape, dtype=np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        block += 0.05 / np.linalg.norm(noise, axis=1, keepdims=True) * noise
        made[first : first + count] = block / np.linalg.norm(block, axis=1, keepdims=True)
    made.flush()


def block_of(folder: Path, first: int, count: int = BLOCK) -> np.ndarray:
    """Some of a folder's vectors, copied, so that no page of the file stays mapped."""
    return np.array(np.load(folder / "vectors.npy", mmap_mode="r")[first : first + count])


def shape_of(folder: Path) -> tuple[int, int]:
    """How many vectors a folder has, and their dimension."""
    return np.load(folder / "vectors.npy", mmap_mode="r").shape


def name_of(row: int) -> str:
    """An id that looks like a SHA-1 and ends in the row's number."""
    return hashlib.sha1(b"%d" % row).hexdigest()[:32] + f"{row:08x}"


def tags(rows: int) -> np.ndarray:
    """The column that is filtered by: ``rare`` a hundredth, ``some`` a tenth, ``most``."""
    drawn = np.random.default_rng(2).random(rows)
    return np.where(drawn < 0.01, "rare", np.where(drawn < 0.11, "some", "most"))


# LanceDB


def options_of(project: Path = ROOT) -> ApproximateOptions:
    """The settings that veneer has."""
    file = project / "conf/base/parameters/retrieval.yml"
    settings = OmegaConf.to_container(OmegaConf.load(file))
    return ApproximateOptions.model_validate(settings["retrieval"]["approximate"])


def create_lancedb(folder: Path) -> None:
    """An index of all rows, made by veneer; ``label`` and ``text`` are filtered by."""
    count, dimension = shape_of(folder)
    tagged = tags(count)
    schema = index_schema(dimension, IndexCard("vectors of a benchmark", 256))

    def batches() -> Iterator[pa.RecordBatch]:
        rng = np.random.default_rng(3)
        for first in range(0, count, 4096):
            rows = range(first, min(first + 4096, count))
            some = pa.array(tagged[rows.start : rows.stop].tolist(), pa.string())
            names = [name_of(row) for row in rows]
            known = {"id": names, "sha": names, "label": some, "text": some}
            known["path"] = [f"images/{row % 45}/{row}.jpg" for row in rows]
            known["folder"] = [f"images/{row % 45}" for row in rows]
            known["width"] = [60 + row % 300 for row in rows]
            if count <= REAL:
                known["thumbnail"] = [rng.bytes(THUMBNAIL) for _ in rows]
            values = block_of(folder, first, len(rows)).ravel()
            known["vector"] = pa.FixedSizeListArray.from_arrays(
                values, type=schema.field("vector").type
            )
            columns = [known.get(field.name, pa.nulls(len(rows), field.type)) for field in schema]
            yield pa.RecordBatch.from_arrays(
                [
                    column if isinstance(column, pa.Array) else pa.array(column, field.type)
                    for column, field in zip(columns, schema, strict=True)
                ],
                schema=schema,
            )

    nothing = schema.empty_table()
    write_index(
        folder / "lancedb", Update(schema, options_of(), None, True, [], nothing, count, batches)
    )


def open_veneer(folder: Path, engine: str, where: str | None = None) -> Search:
    """A search of veneer's index; ``veneer_exact`` in memory, as of small tables."""
    index, options = Index(folder / "lancedb"), options_of()
    columns = index.metadata if engine == "lancedb_ann_all" else ()
    if engine == "veneer_exact":
        index.is_approximate = False

    def search(vector: np.ndarray) -> np.ndarray:
        found = index.nearest(vector, K, options, where, columns).rows["id"]
        return np.array([int(each[32:], 16) for each in found.to_pylist()])

    return search


def open_lancedb(folder: Path) -> Search:
    """An exact search by the database itself."""
    import lancedb

    table = lancedb.connect(folder / "lancedb").open_table("index")

    def search(vector: np.ndarray) -> np.ndarray:
        query = table.search(vector, vector_column_name="vector").distance_type("cosine")
        query = query.bypass_vector_index().limit(K).select(["id", "_distance"])
        return np.array([int(each[32:], 16) for each in query.to_arrow()["id"].to_pylist()])

    return search


# FAISS and numpy


def create_faiss(folder: Path, kind: str) -> None:
    """Write FAISS's index of all rows."""
    import faiss

    count, dimension = shape_of(folder)
    if kind == "faiss_flat":
        index = faiss.IndexFlatIP(dimension)
    else:
        index = faiss.IndexHNSWFlat(dimension, HNSW["m"], faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = HNSW["ef_construction"]
    for first in range(0, count, BLOCK):
        index.add(block_of(folder, first))
    faiss.write_index(index, str(folder / kind / "index"))


def open_faiss(folder: Path, kind: str) -> Search:
    """FAISS's index, in memory."""
    import faiss

    index = faiss.read_index(str(folder / kind / "index"))
    if kind == "faiss_hnsw":
        index.hnsw.efSearch = HNSW["ef"]
    return lambda vector: index.search(vector[None], K)[1][0]


def open_numpy(folder: Path) -> Search:
    """The matrix, in memory."""
    X = np.load(folder / "vectors.npy")

    def search(vector: np.ndarray) -> np.ndarray:
        cosines = X @ vector
        best = np.argpartition(cosines, -K)[-K:]
        return best[np.argsort(-cosines[best])]

    return search


# Steps, each in a process of its own


def build(folder: Path, engine: str) -> None:
    """Build an engine's files, unless they are there with the same settings."""
    kind = "lancedb" if engine in LANCEDB else engine
    if kind == "numpy":
        return
    # FAISS's settings of the search do not change what is built.
    said = {"lancedb": options_of().model_dump_json(), "faiss_flat": ""}
    stamp = said.get(kind, f"{HNSW['m']} {HNSW['ef_construction']}")
    note = folder / f"{kind}.json"
    if note.exists() and json.loads(note.read_text())["settings"] == stamp:
        return
    note.unlink(missing_ok=True)
    shutil.rmtree(folder / kind, ignore_errors=True)
    (folder / kind).mkdir()
    say(f"building {kind}, {folder.name}")
    note.write_text(json.dumps({"settings": stamp} | step("build", folder, kind)))


def built(folder: Path, kind: str) -> dict:
    """Step: build, and say what that took."""
    begin = time.perf_counter()
    if kind == "lancedb":
        create_lancedb(folder)
    else:
        create_faiss(folder, kind)
    return {"build_s": time.perf_counter() - begin, "build_rss_mb": memory()["VmHWM"]}


def memory() -> dict[str, float]:
    """Memory of the process by kind, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) / 1e3 for line in lines if line[-2:] == "kB"}


def measured(folder: Path, engine: str, seconds: str, where: str = "") -> dict:
    """Step: open, search, and say what was found, how fast, and in how much memory."""
    queries = np.load(folder.parent / "queries.npy")
    if engine in LANCEDB:
        import lancedb  # noqa: F401
    elif engine.startswith("faiss"):
        import faiss  # noqa: F401
    before, begin = memory(), time.perf_counter()
    if engine == "lancedb_exact":
        search = open_lancedb(folder)
    elif engine in LANCEDB:
        search = open_veneer(folder, engine, where or None)
    else:
        search = open_numpy(folder) if engine == "numpy" else open_faiss(folder, engine)
    search(queries[0])
    first = time.perf_counter() - begin
    # Exact searches of many rows take seconds each, and none is faster for being warm.
    begin = time.perf_counter()
    warm = [search(query) for query in queries[:WARM]]
    asked = QUERIES if time.perf_counter() - begin < float(seconds) / 10 else WARM
    found = warm + [search(query) for query in queries[WARM:asked]]
    sizes, latencies = [memory()], []
    begin = time.perf_counter()
    while len(latencies) < asked or (
        len(latencies) < 5 * QUERIES and time.perf_counter() - begin < float(seconds)
    ):
        query = queries[len(latencies) % asked]
        one = time.perf_counter()
        search(query)
        latencies.append(time.perf_counter() - one)
        if len(latencies) % WARM == 0:
            sizes.append(memory())
    return {
        "found": [each.tolist() for each in found],
        "first_ms": first * 1e3,
        "p50_ms": float(np.percentile(latencies, 50)) * 1e3,
        "p99_ms": float(np.percentile(latencies, 99)) * 1e3,
        "timed": len(latencies),
        "rss_mb": max(each["VmRSS"] for each in sizes) - before["VmRSS"],
        "rss_anon_mb": max(each["RssAnon"] for each in sizes) - before["RssAnon"],
        "imports_mb": before["VmRSS"],
    }


def truth(folder: Path) -> dict:
    """Step: the cosine of each query's tenth nearest, among all rows and under the filters."""
    queries = np.load(folder.parent / "queries.npy")
    count, _ = shape_of(folder)
    tagged = tags(count)
    best = {tag: np.full((len(queries), K), -2, np.float32) for tag in ("", *FILTERS.values())}
    for first in range(0, count, BLOCK):
        cosines = queries @ block_of(folder, first).T
        for tag, kept in best.items():
            among = cosines[:, tagged[first : first + BLOCK] == tag] if tag else cosines
            both = np.hstack([kept, among])
            best[tag] = np.partition(both, -K, axis=1)[:, -K:]
    return {tag: kept.min(axis=1).tolist() for tag, kept in best.items()}


STEPS = {"build": built, "measure": measured, "truth": truth}


# Comparing


def compare(folder: Path, options: argparse.Namespace) -> dict:
    """All engines at one size, and filtered search."""
    X = np.load(folder / "vectors.npy", mmap_mode="r")
    queries = np.load(folder.parent / "queries.npy")
    tagged = tags(len(X))
    if not (folder / "truth.json").exists():
        (folder / "truth.json").write_text(json.dumps(step("truth", folder)))
    tenth = json.loads((folder / "truth.json").read_text())

    def recall(found: list[list[int]], tag: str = "") -> float:
        right = 0
        for row, results in enumerate(found):
            assert len(set(results)) == len(results), "a row came twice"
            assert not tag or set(tagged[results]) <= {tag}, "a row does not pass the filter"
            right += np.sum(X[results] @ queries[row] >= tenth[tag][row] - 1e-6)
        return float(right / K / len(found))

    say(f"\n{len(X)} vectors     build s  disk MB   p50 ms   p99 ms  recall@10  RSS MB  anon MB")
    result: dict = {"rows": len(X)}
    for engine in options.engines:
        if engine == "veneer_exact" and len(X) > 100_000:
            continue
        kind = "lancedb" if engine in LANCEDB else engine
        found = step("measure", folder, engine, str(options.seconds))
        found["recall_at_10"] = recall(found.pop("found"))
        files = [each for each in (folder / kind).rglob("*") if each.is_file()]
        if kind == "lancedb":
            parts = [each.stat().st_size for each in files if "_indices" in each.parts]
            found["index_mb"] = sum(parts) / 1e6
        note = folder / f"{kind}.json"
        found |= json.loads(note.read_text()) if note.exists() else {"build_s": 0.0}
        found.pop("settings", None)
        found["disk_mb"] = sum(each.stat().st_size for each in files) / 1e6 or X.nbytes / 1e6
        result[engine] = found
        say(
            f"{engine:18}{found['build_s']:9.0f}{found['disk_mb']:9.0f}{found['p50_ms']:9.2f}"
            f"{found['p99_ms']:9.2f}{found['recall_at_10']:11.4f}{found['rss_mb']:8.0f}"
            f"{found['rss_anon_mb']:9.0f}"
        )
    if "lancedb_ann" in options.engines:
        result["filtered"] = filtered(folder, options.seconds, recall)
    return rounded(result)


def filtered(folder: Path, seconds: float, recall: Callable) -> dict:
    """LanceDB's index under filters, beside itself without."""
    result: dict = {}
    plain = step("measure", folder, "lancedb_ann", str(seconds))["p50_ms"]
    for share, tag in FILTERS.items():
        for column, name in (("text", "plain"), ("label", "indexed")):
            where = f"{column} = '{tag}'"
            found = step("measure", folder, "lancedb_ann", str(seconds), where)
            row = {key: found[key] for key in ("p50_ms", "p99_ms", "rss_mb")}
            row |= {"recall_at_10": recall(found["found"], tag), "ratio": found["p50_ms"] / plain}
            result.setdefault(share, {})[name] = row
            say(
                f"{share:>4} {name:8} p50 {row['p50_ms']:.2f} ms, {row['ratio']:.2f} x unfiltered, "
                f"recall {row['recall_at_10']:.4f}"
            )
    return result | {"unfiltered_p50_ms": plain}


def rounded(value):
    """Floats to four places at most, at any depth."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return round(value, 1 if abs(value) >= 100 else 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
