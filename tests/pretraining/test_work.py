"""What is done so far."""

import json

import pytest
import torch

from veneer.pretraining.work import Work, digest_of, digest_of_tensors

TENSORS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.tensor([1, -2], dtype=torch.int8)}
MADE_FROM = {"options": {"count": 3}, "seed": 0}


def never():
    raise AssertionError("it was kept, and is made again")


def test_what_was_kept_comes_back_and_is_not_made_again(tmp_path):
    work = Work(tmp_path / "work")
    assert work.find("part/one", MADE_FROM) is None
    made = work.kept("part/one", MADE_FROM, lambda: TENSORS)
    found = Work(tmp_path / "work").kept("part/one", dict(reversed(MADE_FROM.items())), never)
    for tensors in (made, found):
        assert set(tensors) == set(TENSORS)
        for name, tensor in TENSORS.items():
            assert torch.equal(tensors[name], tensor)
            assert tensors[name].dtype == tensor.dtype


def test_of_other_things_it_is_made_anew_in_the_place_of_the_old(tmp_path):
    work = Work(tmp_path)
    work.keep("one", MADE_FROM, TENSORS)
    other = MADE_FROM | {"seed": 1}
    assert work.find("one", other) is None
    assert torch.equal(work.kept("one", other, lambda: {"c": torch.ones(1)})["c"], torch.ones(1))
    assert work.find("one", MADE_FROM) is None
    assert [path.name for path in tmp_path.iterdir()] == ["one.safetensors"]


@pytest.mark.parametrize("left", [0, 5, 60, -3])
def test_a_damaged_file_is_made_again(tmp_path, left):
    work = Work(tmp_path)
    work.keep("one", MADE_FROM, TENSORS)
    file = tmp_path / "one.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:left])
    assert work.find("one", MADE_FROM) is None
    work.kept("one", MADE_FROM, lambda: TENSORS)
    assert file.read_bytes() == whole


def test_what_is_strided_or_learns_is_kept_as_it_is_read(tmp_path):
    strided = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3)).T
    kept = Work(tmp_path).kept("one", None, lambda: {"it": strided})["it"]
    assert torch.equal(kept, strided)
    assert not kept.requires_grad


def test_a_training_has_its_place_there(tmp_path):
    from veneer.finetuning.checkpoints import State

    Work(tmp_path).checkpoints("tower").save("digest", State(3, TENSORS, []))
    assert Work(tmp_path).checkpoints("tower").load("digest").epoch == 3
    assert Work(tmp_path).checkpoints("other").load("digest") is None


def test_a_digest_is_that_of_what_json_says():
    assert digest_of({"a": 1, "b": (2, 3)}) == digest_of({"b": [2, 3], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
    assert digest_of(json.loads(json.dumps({3: 4}))) == digest_of({3: 4})


def test_a_digest_of_tensors_is_that_of_their_names_and_values():
    digest = digest_of_tensors(TENSORS)
    assert digest_of_tensors(dict(reversed(TENSORS.items()))) == digest
    assert digest_of_tensors({"b": TENSORS["b"].T.contiguous().T, "a": TENSORS["a"]}) == digest
    assert digest_of_tensors(TENSORS | {"a": TENSORS["a"] + 1}) != digest
    assert digest_of_tensors({"b": TENSORS["b"], "c": TENSORS["a"]}) != digest
