"""Where training goes on."""

import torch

from veneer.finetuning.checkpoints import Checkpoints, State

STATE = State(3, {"best.w": torch.arange(6.0).reshape(2, 3), "step": torch.tensor(4.0)}, [{"a": 1}])


def test_what_was_kept_comes_back(tmp_path):
    Checkpoints(tmp_path / "c.safetensors").save("digest", STATE)
    found = Checkpoints(tmp_path / "c.safetensors").load("digest")
    assert (found.epoch, found.log) == (3, [{"a": 1}])
    assert torch.equal(found.tensors["best.w"], STATE.tensors["best.w"])
    assert found.tensors["step"].shape == ()


def test_of_another_training_damaged_or_gone(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c.safetensors")
    assert checkpoints.load("digest") is None
    checkpoints.save("digest", STATE)
    assert checkpoints.load("other") is None
    data = (tmp_path / "c.safetensors").read_bytes()
    (tmp_path / "c.safetensors").write_bytes(data[:-3])
    assert checkpoints.load("digest") is None
    checkpoints.clear()
    checkpoints.clear()
    assert not list(tmp_path.iterdir())
