"""The torchvision family, under seeded weights, and its own weights from a server of the test's."""

import hashlib
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support import noise_image
from torchvision import models

from veneer.encoders import torchvision, weights
from veneer.encoders.config import EncoderConfig
from veneer.encoders.encoder import open_encoder
from veneer.encoders.portable import copy_encoder
from veneer.encoders.weights import require_weights
from veneer.errors import VeneerError

SMALL = "shufflenet_v2_x0_5"
# Smaller, larger, equal, odd, one pixel wide, upright and lying.
SIZES = [(1, 20), (20, 1), (7, 5), (256, 256), (224, 300), (300, 224), (255, 401), (640, 27)]


def seeded(architecture, seed=0, **options):
    """A model whose batch norm is not that of a fresh one."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = models.get_model(architecture, **options).eval()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-0.1, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    return model


def before_the_classes(model, images):
    """What the last linear layer of a model sees."""
    seen = []
    last = [each for each in model.modules() if isinstance(each, torch.nn.Linear)][-1]
    handle = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        model(images)
    handle.remove()
    return seen[0]


@pytest.fixture(scope="module")
def model():
    return seeded(SMALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model):
    """Weights as safetensors and as .pth."""
    folder = tmp_path_factory.mktemp("weights")
    save_file(model.state_dict(), folder / "w.safetensors")
    torch.save(model.state_dict(), folder / "w.pth")
    return folder


def config_of(file, architecture=SMALL):
    return EncoderConfig(family="torchvision", architecture=architecture, pretrained=str(file))


def opened(config, **options):
    return open_encoder("small", {"small": config}, runtime="torch-fp32", **options)


@pytest.mark.parametrize("runtime", ["torch-fp32", "openvino-fp32"])
def test_the_embedding_is_what_the_classifier_sees(model, folder, runtime):
    config = config_of(folder / "w.safetensors")
    encoder = open_encoder("small", {"small": config}, runtime=runtime)
    transform = models.get_model_weights(SMALL).DEFAULT.transforms()
    images = [noise_image(i, (260, 300)) for i in range(9)]  # not as many as are traced
    pooled = before_the_classes(model, torch.stack([transform(each) for each in images]))
    expected = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    np.testing.assert_allclose(encoder.embed_images(images), expected, atol=1e-5)
    assert encoder.image_tower.runtime == runtime
    assert encoder.dimension == 1024
    assert encoder.text_tower is None
    assert encoder.precisions == ("fp32", "bf16", "fp16")


@pytest.mark.parametrize(
    "architecture",
    # Bilinear of 256, of 232; bicubic of 256; 288 of 288; its own mean and standard deviation.
    [SMALL, "resnet50", "efficientnet_b0", "efficientnet_b2", "efficientnet_v2_l"],
)
def test_torchvisions_own_pixels(architecture):
    transform = models.get_model_weights(architecture).DEFAULT.transforms()
    preprocessing = torchvision._preprocessing(transform)
    for seed, size in enumerate(SIZES):
        image = noise_image(seed, size)
        pixels = preprocessing.pixels(image)
        ours = preprocessing.normalise(torch.from_numpy(pixels.copy())[None])[0]
        assert torch.equal(ours, transform(image)), size


@pytest.mark.parametrize(
    ("architecture", "place", "dimension"),
    [
        ("resnet18", "fc", 512),
        ("mobilenet_v3_small", "classifier.3", 1024),
        ("efficientnet_b0", "classifier.1", 1280),
        ("convnext_tiny", "classifier.2", 768),
    ],
)
def test_the_last_layer_is_taken_off(architecture, place, dimension):
    config = EncoderConfig(family="torchvision", architecture=architecture)
    model, images = seeded(architecture), torch.rand(2, 3, 64, 64)
    expected = before_the_classes(model, images)
    assert torchvision._take_off_classifier("some", config, model) == (place, dimension)
    with torch.inference_mode():
        assert torch.equal(model(images), expected.reshape(2, dimension))


def test_the_last_layer_of_a_transformer_is_taken_off():
    config = EncoderConfig(family="torchvision", architecture="vit_b_16")
    model = models.VisionTransformer(32, 16, 1, 2, hidden_dim=16, mlp_dim=16).eval()
    images = torch.rand(2, 3, 32, 32)
    expected = before_the_classes(model, images)
    assert torchvision._take_off_classifier("some", config, model) == ("heads.head", 16)
    with torch.inference_mode():
        assert torch.equal(model(images), expected)


def test_architectures_that_are_not_understood(folder):
    squeezed = config_of(folder / "w.safetensors", "squeezenet1_1")
    with pytest.raises(VeneerError, match=r"squeezenet1_1.*not linear, but AdaptiveAvgPool2d"):
        opened(squeezed)
    sided = models.GoogLeNet(init_weights=False)
    config = config_of(folder / "w.safetensors", "googlenet")
    with pytest.raises(VeneerError, match=r"googlenet.*has side outputs"):
        torchvision._take_off_classifier("some", config, sided)


def test_the_fingerprint_is_that_of_the_weights(folder, model, tmp_path):
    fingerprint = opened(config_of(folder / "w.safetensors")).fingerprint
    assert fingerprint.startswith(f"torchvision {SMALL}; weights sha256 ")
    assert "224x224 px bilinear shortest of 256x256" in fingerprint
    state = load_file(folder / "w.safetensors")
    # Another number of classes, and none.
    save_file(state | {"fc.weight": torch.ones(3, 1024), "fc.bias": torch.ones(3)}, tmp_path / "3")
    save_file({k: v for k, v in state.items() if not k.startswith("fc.")}, tmp_path / "0")
    state["conv1.0.weight"] = state["conv1.0.weight"].clone()
    state["conv1.0.weight"][0, 0, 0, 0] += 1e-3
    save_file(state, tmp_path / "changed")
    found = {}
    for name in ("3", "0", "changed"):
        file = (tmp_path / name).rename(tmp_path / f"{name}.safetensors")
        found[name] = opened(config_of(file)).fingerprint
    assert found["3"] == found["0"] == fingerprint
    assert found["changed"] != fingerprint


def test_a_description_is_kept(folder, tmp_path, monkeypatch):
    file = shutil.copy(folder / "w.safetensors", tmp_path)
    first = opened(config_of(file), cache=tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(torchvision, "load", None)
        again = opened(config_of(file), cache=tmp_path / "cache")
    assert (again.fingerprint, again.preprocessing) == (first.fingerprint, first.preprocessing)


def test_a_file_is_the_same_elsewhere(folder, tmp_path):
    config = config_of(folder / "w.safetensors")
    copied = copy_encoder("small", {"small": config}, tmp_path)
    assert copied.architecture == SMALL
    images = [noise_image(3)]
    there, original = opened(copied), opened(config)
    assert there.fingerprint == original.fingerprint
    assert np.array_equal(there.embed_images(images), original.embed_images(images))


class Server:
    """Serves a folder as torchvision's own weights."""

    def __init__(self, folder):
        self.asked = asked = []

        class Quiet(SimpleHTTPRequestHandler):
            def log_message(self, *args):
                asked.append(self.command)

        self.folder = folder
        handler = partial(Quiet, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def offer(self, content, digits=None):
        """Address of a file whose name has the first digits of its SHA-256, or ``digits``."""
        name = f"shufflenet-{digits or hashlib.sha256(content).hexdigest()[:8]}.pth"
        (self.folder / name).write_bytes(content)
        return f"{self.address}/{name}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "served").mkdir()
    server = Server(tmp_path / "served")
    yield server
    server.close()


@pytest.fixture
def own_weights(monkeypatch):
    """Sets the address of torchvision's own weights."""
    known = models.get_model_weights(SMALL).DEFAULT.value
    return lambda url: monkeypatch.setattr(known, "url", url)


OWN = EncoderConfig(family="torchvision", architecture=SMALL)


def test_torchvisions_own_weights_are_fetched_once(server, own_weights, folder, tmp_path, capsys):
    own_weights(server.offer((folder / "w.pth").read_bytes()))
    require_weights("small", OWN)
    assert server.asked == ["HEAD"]
    encoder = opened(OWN, cache=tmp_path / "cache")
    assert server.asked == ["HEAD", "HEAD", "GET"]
    assert encoder.fingerprint == opened(config_of(folder / "w.safetensors")).fingerprint
    require_weights("small", OWN)
    opened(OWN).embed_images([noise_image(0)])
    opened(OWN, cache=tmp_path / "cache")
    assert server.asked == ["HEAD", "HEAD", "GET"]
    assert capsys.readouterr().out == ""


def test_torchvisions_own_weights_are_the_same_elsewhere(
    server, own_weights, folder, tmp_path, monkeypatch
):
    own_weights(server.offer((folder / "w.pth").read_bytes()))
    original = opened(OWN)
    (tmp_path / "copy").mkdir()
    copied = copy_encoder("small", {"small": OWN}, tmp_path / "copy")
    assert [file.name for file in (tmp_path / "copy").iterdir()] == ["weights.safetensors"]
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "elsewhere"))
    own_weights("http://127.0.0.1:1/gone.pth")
    there = opened(copied)
    assert there.fingerprint == original.fingerprint
    assert there.precisions == original.precisions
    images = [noise_image(3)]
    assert np.array_equal(there.embed_images(images), original.embed_images(images))


def test_weights_that_cannot_be_had(server, own_weights, monkeypatch):
    own_weights(f"{server.address}/missing-01234567.pth")
    with pytest.raises(VeneerError, match=r"missing-01234567\.pth cannot be had: .*404") as told:
        require_weights("small", OWN)
    assert "encoder=mini needs no download" in str(told.value)
    monkeypatch.setattr(weights, "HUB_TIMEOUT", 1.0)
    own_weights("http://127.0.0.1:1/gone.pth")
    with pytest.raises(VeneerError, match=r"gone\.pth cannot be had: "):
        require_weights("small", OWN)


class Code:
    """Runs something when it is unpickled."""

    def __reduce__(self):
        return (print, ("run",))


def test_what_is_fetched_is_checked(server, own_weights, tmp_path, capsys):
    own_weights(server.offer(b"cut off", digits="01234567"))
    with pytest.raises(VeneerError, match=r'invalid hash value \(expected "01234567"'):
        opened(OWN)
    torch.save({"conv1.0.weight": Code()}, tmp_path / "code.pth")
    own_weights(server.offer((tmp_path / "code.pth").read_bytes()))
    with pytest.raises(VeneerError, match="Weights only load failed"):
        opened(OWN)
    assert capsys.readouterr().out == ""


def test_own_weights_of_other_names_are_told(server, own_weights, tmp_path):
    torch.save({"old.name": torch.zeros(1)}, tmp_path / "old.pth")
    own_weights(server.offer((tmp_path / "old.pth").read_bytes()))
    with pytest.raises(VeneerError, match=r"do not go into .* Save them once, with"):
        opened(OWN)


def test_weights_of_another_architecture_are_told(folder):
    with pytest.raises(VeneerError, match=r"size mismatch .* belong to another architecture"):
        opened(config_of(folder / "w.safetensors", "shufflenet_v2_x1_0"))


def test_entries_that_say_too_little(folder):
    for architecture in ("shufflenet_x1", "maskrcnn_resnet50_fpn", "quantized_resnet18"):
        with pytest.raises(VeneerError, match=f"no architecture '{architecture}' that classifies"):
            opened(EncoderConfig(family="torchvision", architecture=architecture))
    with pytest.raises(VeneerError, match="Did you mean 'shufflenet_v2_x1_0'"):
        opened(EncoderConfig(family="torchvision", architecture="shufflenet_v2_x10"))
    with pytest.raises(VeneerError, match="needs `architecture`"):
        opened(EncoderConfig(family="torchvision"))
    with pytest.raises(VeneerError, match=r"w\.pth is not a safetensors file"):
        opened(config_of(folder / "w.pth"))
    with pytest.raises(VeneerError, match=r"there is no file .*x\.safetensors"):
        opened(config_of(folder / "x.safetensors"))
    with pytest.raises(VeneerError, match="as `pretrained`, which is 'openai'"):
        opened(config_of("openai"))
