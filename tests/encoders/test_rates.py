"""Rates are measured in turns, on what comes from files."""

import numpy as np
import pyarrow as pa
from support import encode, noise_image, seeded_resnet18

from veneer.encoders import rates
from veneer.encoders.encoder import open_encoder
from veneer.encoders.rates import machine, measure_rates
from veneer.schema import IMAGE_STRUCT


def images(count):
    rows = [{"bytes": encode(noise_image(n)), "path": f"{n}.png"} for n in range(count)]
    shas = [f"sha {n}" for n in range(count)]
    return pa.table({"sha": shas, "image": pa.array(rows, IMAGE_STRUCT)}).to_batches(2)


def test_an_encoder_is_rated_on_all_images_in_every_round(tmp_path):
    config = {"tiny": seeded_resnet18(tmp_path)}
    encoder = open_encoder("tiny", config, runtime="torch-fp32")
    told = []
    found = measure_rates({"tiny": encoder}, images(5), 2, told.append)
    assert list(found) == ["tiny"] and len(found["tiny"]) == 2 and min(found["tiny"]) > 0
    assert told == [1, 1, 1]


def test_turns_alternate_and_the_first_does_not_count(monkeypatch):
    turns, clock = [], iter(np.arange(100.0))

    def embed(batches, encoder, *, fill):
        turns.append((encoder, sum(batch.num_rows for batch in batches), fill))
        return iter(())

    monkeypatch.setattr(rates, "embed_batches", embed)
    monkeypatch.setattr(rates.time, "perf_counter", lambda: next(clock))
    found = measure_rates({"a": "A", "b": "B"}, images(4), 2)
    assert turns == [("A", 4, False), ("B", 4, False)] * 3
    assert len(found["a"]) == len(found["b"]) == 2


def test_the_machine_has_a_name():
    assert machine().endswith(" cores") and machine() == machine()
