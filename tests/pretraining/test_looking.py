"""Looking at pictures in several processes, and going on later."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from pretrained import draw_clip_art, needs_photographs

from veneer.errors import VeneerError
from veneer.pretraining import looking
from veneer.pretraining.looking import batches, look
from veneer.pretraining.pictures import draw, find_clip_art
from veneer.pretraining.trunk import bare_trunk, features
from veneer.pretraining.work import Work

pytestmark = needs_photographs
SEED = (3, 2)


@pytest.fixture(scope="module")
def state():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return bare_trunk().state_dict()


@pytest.fixture(scope="module", autouse=True)
def small_chunks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looking, "CHUNK", 24)
        yield


@pytest.fixture
def here(monkeypatch):
    """Look in this process, which spares the imports of another."""
    with looking_here(monkeypatch):
        yield


@contextmanager
def looking_here(patch):
    threads = torch.get_num_threads()
    patch.setattr(looking, "_end_with_parent", lambda: None)
    patch.setattr(
        looking,
        "ProcessPoolExecutor",
        lambda workers, context, *begin: ThreadPoolExecutor(1, "look", *begin),
    )
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def seen(state, clip_art, tmp_path_factory):
    """Three chunks of pictures that this process saw."""
    work = Work(tmp_path_factory.mktemp("work"))
    with pytest.MonkeyPatch.context() as patch, looking_here(patch):
        return work, look(state, 72, SEED, clip_art, work)


def times(work):
    return {path.name: path.stat().st_mtime_ns for path in (work.folder / "features").iterdir()}


def test_what_is_seen_is_what_the_trunk_makes_of_what_is_drawn(seen, state, clip_art):
    _, found = seen
    assert found.features.shape == (72, 1280)
    assert found.features.dtype == torch.float32
    expected = list(draw(range(24, 48), SEED, clip_art))
    (there,) = features(bare_trunk(state), [np.stack([each.pixels for each in expected])])
    torch.testing.assert_close(found.features[24:48], there, atol=2e-3, rtol=2e-3)
    for one, other in zip(found.pictures[24:48], expected, strict=True):
        assert one.pixels is None
        for name in ("source", "attribute", "material", "colours", "name"):
            assert getattr(one, name) == getattr(other, name)


def test_other_processes_see_the_same_and_finish_what_is_left(seen, state, clip_art):
    work, found = seen
    before = times(work)
    for name in ("0000", "0002"):
        (work.folder / f"features/{name}.safetensors").unlink()
    again = look(state, 60, SEED, clip_art, work, processes=2)
    assert torch.equal(again.features, found.features)
    assert again.pictures == found.pictures
    after = times(work)
    assert after["0001.safetensors"] == before["0001.safetensors"]
    assert after["0000.safetensors"] > before["0000.safetensors"]


def test_all_that_is_seen_already_takes_no_process(seen, state, clip_art, monkeypatch):
    work, found = seen
    before = times(work)
    monkeypatch.setattr(looking, "_look_apart", None)
    assert torch.equal(look(state, 72, SEED, clip_art, work).features, found.features)
    part = look(state, 25, SEED, clip_art, work)
    assert torch.equal(part.features, found.features[:48])
    assert times(work) == before


@pytest.mark.parametrize("changed", ["seed", "trunk", "clip art", "format"])
def test_of_other_things_it_is_looked_at_anew(seen, state, clip_art, monkeypatch, changed):
    work, _ = seen
    asked = {"state": state, "seed": SEED, "clip_art": clip_art}
    if changed == "seed":
        asked["seed"] = (4, 2)
    elif changed == "trunk":
        asked["state"] = state | {"bn1.bias": state["bn1.bias"] + 1}
    elif changed == "clip art":
        asked["clip_art"] = clip_art[1:]
    else:
        monkeypatch.setattr(looking, "FORMAT", looking.FORMAT + 1)

    class LookedAt(Exception):
        pass

    def look_apart(chunks, *_):
        assert list(chunks) == [0, 1, 2]
        raise LookedAt

    monkeypatch.setattr(looking, "_look_apart", look_apart)
    monkeypatch.setattr(work, "keep", lambda *_: None)
    with pytest.raises(LookedAt):
        look(asked["state"], 72, asked["seed"], asked["clip_art"], work)


def test_what_cannot_be_read_is_told_at_once(here, state, tmp_path):
    folder = draw_clip_art(tmp_path / "art")
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:60])
    work = Work(tmp_path / "work")
    with pytest.raises(VeneerError, match="Reading the clip art"):
        look(state, 2000, SEED, find_clip_art(folder), work)
    assert [path.name for path in (work.folder / "features").iterdir()] == ["trunk.safetensors"]


def test_batches_are_as_the_trunk_takes_them(clip_art, monkeypatch):
    monkeypatch.setattr(looking, "BATCH", 3)
    noted = []
    found = list(batches(range(4), SEED, clip_art, noted.append))
    assert [each.shape for each in found] == [(3, 256, 256, 3), (1, 256, 256, 3)]
    np.testing.assert_array_equal(
        np.concatenate(found), np.stack([picture.pixels for picture in noted])
    )
