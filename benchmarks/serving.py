"""How many pictures a second a served encoder answers, beside a bare FastAPI and open_clip server.

Both are real servers on loopback, and are sent the same requests, one picture each, as base64 in
JSON: `mlflow models serve` with the model as `kedro run --pipelines registration` makes it, and a
FastAPI application that decodes with Pillow, preprocesses with open_clip's own transforms and runs
open_clip's model in torch, fp32, in FastAPI's own pool of threads. Each number of clients is a
round; in a round every client waits for its answer before it asks again, and the two servers take
turns. Server and clients share the machine, and so the cores.

`throughput_vs_bare` is the least ratio over all rounds and encoders. Answers are compared as well:
`least_cosine` is between the two servers' vectors of one picture. RN50 is run under seeded weights:
they have the speed of OpenAI's.

    python benchmarks/serving.py [--requests 160] [--encoders mini rn50]
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from veneer.encoders.config import EncoderConfig, packaged_folder
from veneer.encoders.encoder import open_encoder
from veneer.startup import quieten

CLIENTS = (1, 8, 32)
SHARED = Path(os.environ.get("VENEER_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def main() -> None:
    """Measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=160, help="of each round")
    parser.add_argument("--encoders", nargs="+", default=["mini", "rn50"])
    parser.add_argument("--bare", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare(*options.bare)
        return
    quieten()
    bodies, where = requests()
    rows, cosines = [], []
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.encoders:
            folder = Path(temporary) / name
            folder.mkdir()
            config = config_of(name, folder)
            with served(name, config, folder) as ours, bare_server(config) as theirs:
                cosines.append(least_cosine(ours, theirs, bodies[:16]))
                for clients in CLIENTS:
                    found = {}
                    for server, port in (("veneer", ours), ("bare", theirs)):
                        ask(port, bodies, clients, 4 * clients)  # warm
                        found[server] = ask(port, bodies, clients, options.requests)
                    ratio = found["veneer"]["per_second"] / found["bare"]["per_second"]
                    row = {"encoder": name, "clients": clients, "ratio": round(ratio, 2), **found}
                    print(json.dumps(row), file=sys.stderr)
                    rows.append(row)
    errors = sum(row[server]["errors"] for row in rows for server in ("veneer", "bare"))
    print(
        json.dumps(
            {
                "pictures": where,
                "throughput_vs_bare": min(row["ratio"] for row in rows),
                "errors": errors,
                "least_cosine": round(min(cosines), 6),
                "rows": rows,
            }
        )
    )


def requests() -> tuple[list[bytes], str]:
    """Bodies with a picture each, all different, and where the pictures are from."""
    photos = sorted((SHARED / "data/dtd10/images").rglob("*.jpg"))[::8]
    if photos:
        pictures, where = [file.read_bytes() for file in photos], "dtd10"
    else:
        from veneer.sources.textures import SAMPLE_KINDS, sample_files

        drawn = sample_files(kinds=SAMPLE_KINDS, images_per_kind=8, seed=0, duplicates=0, damaged=0)
        pictures, where = [data for _, data in drawn], "drawn textures"
    encoded = (base64.b64encode(data).decode() for data in pictures)
    return [json.dumps({"dataframe_records": [{"image": e}]}).encode() for e in encoded], where


def config_of(name: str, folder: Path) -> EncoderConfig:
    """The packaged encoder, or an architecture of open_clip's under seeded weights."""
    if name == "mini":
        return EncoderConfig(family="open_clip", pretrained=packaged_folder())
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model({"rn50": "RN50"}.get(name, name))
    file = str(folder / "seeded.safetensors")
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, file)
    architecture = {"rn50": "RN50"}.get(name, name)
    return EncoderConfig(
        family="open_clip", architecture=architecture, pretrained=file, quick_gelu=True
    )


@contextmanager
def served(name: str, config: EncoderConfig, folder: Path):
    """Port of `mlflow models serve` with a model that is made here."""
    import mlflow

    from veneer.serving.bundle import CACHE, write_bundle
    from veneer.serving.publish import copy_code, example, model_parts
    from veneer.serving.signatures import encoder_signature

    os.environ[CACHE] = str(folder / "compiled")
    encoder = open_encoder(name, {name: config}, cache=folder / "compiled")
    card = {
        "encoder": name,
        "fingerprint": encoder.fingerprint,
        "decode": "exact",
        "runtime": "auto",
        "text_from_exif": False,
        "max_pixels": 80_000_000,
        "max_bytes": 50_000_000,
    }
    write_bundle(folder / "bundle", encoder=name, encoders={name: config}, card=card)
    signature = encoder_signature(encoder.dimension)
    parts = model_parts("encoder", folder / "bundle", copy_code(folder), signature, example(None))
    mlflow.pyfunc.save_model(str(folder / "model"), **parts)
    port = free_port()
    command = [Path(sys.executable).with_name("mlflow"), "models", "serve"]
    command += ["-m", folder / "model", "--env-manager", "local", "--port", str(port)]
    with running(command, port) as answering:
        yield answering


@contextmanager
def bare_server(config: EncoderConfig):
    """Port of the baseline, in a process of its own."""
    port = free_port()
    architecture = config.architecture or f"local-dir:{config.pretrained}"
    command = [sys.executable, __file__, "--bare", str(port), architecture]
    with running([*command, config.pretrained if config.architecture else ""], port) as answering:
        yield answering


def bare(port: str, architecture: str, weights: str) -> None:
    """The baseline: what one writes in an afternoon."""
    import open_clip
    import torch
    import uvicorn
    from fastapi import FastAPI

    options = {"pretrained": weights, "force_quick_gelu": True} if weights else {}
    model, _, preprocess = open_clip.create_model_and_transforms(architecture, **options)
    model.eval()
    app = FastAPI()

    @app.get("/ping")
    def ping() -> dict:
        return {}

    @app.post("/invocations")
    def embed(body: dict) -> dict:
        images = [
            preprocess(Image.open(io.BytesIO(base64.b64decode(row["image"]))).convert("RGB"))
            for row in body["dataframe_records"]
        ]
        with torch.inference_mode():
            vectors = model.encode_image(torch.stack(images))
            vectors = vectors / vectors.norm(dim=-1, keepdim=True)
        return {"predictions": vectors.tolist()}

    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


@contextmanager
def running(command: list, port: int):
    """A server from when it answers until it is ended."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            list(map(str, command)),
            env={**os.environ, "PATH": path},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/ping").close()
                    break
                except OSError:
                    if process.poll() is not None:
                        log.seek(0)
                        raise SystemExit(f"The server did not start: {log.read()}") from None
                    time.sleep(0.1)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def ask(port: int, bodies: list[bytes], clients: int, count: int) -> dict:
    """Answers a second, and how long each was waited for, in milliseconds."""
    waits, errors = [], 0

    def client(number: int) -> None:
        nonlocal errors
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for each in range(number, count, clients):
            begin = time.perf_counter()
            connection.request(
                "POST",
                "/invocations",
                bodies[each % len(bodies)],
                {"Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            good = len(json.loads(answer.read()).get("predictions", ())) == 1
            waits.append(time.perf_counter() - begin)
            errors += not (good and answer.status == 200)
        connection.close()

    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(client, range(clients)))
    seconds = time.perf_counter() - begin
    p50, p99 = np.quantile(waits, [0.5, 0.99]) * 1000
    return {
        "per_second": round(count / seconds, 2),
        "p50_ms": round(float(p50), 1),
        "p99_ms": round(float(p99), 1),
        "errors": errors,
    }


def least_cosine(ours: int, theirs: int, bodies: list[bytes]) -> float:
    """Between the vectors that the two servers give of the same pictures."""

    def vectors(port: int) -> np.ndarray:
        found = []
        for body in bodies:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
            )
            found += json.loads(urllib.request.urlopen(request).read())["predictions"]
        return np.array(found)

    return float(np.min(np.sum(vectors(ours) * vectors(theirs), axis=1)))


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]


if __name__ == "__main__":
    main()
