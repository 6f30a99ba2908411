"""An opened encoder, whichever family it is of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from veneer.encoders.config import EncoderConfig, encoder_name, resolve_encoder
from veneer.encoders.memory import keep_freed_memory
from veneer.encoders.weights import require_weights

if TYPE_CHECKING:
    import torch
    from PIL import Image


@dataclass(frozen=True)
class Encoder:
    """Image and, where there is a text tower, text to unit vectors.

    Attributes
    ----------
    name : str
    fingerprint : str
        Architecture, activation, weights (SHA-256) and preprocessing. Vectors of two encoders
        can be compared only if these are equal.
    dimension : int
    precisions : tuple of str
        Number formats the weights allow, of ``fp32``, ``bf16``, ``fp16``.
    preprocess : callable, PIL RGB image -> float32 tensor [3, H, W]
    image_tower : callable, float32 tensor [n, 3, H, W] -> tensor [n, dimension]
    text_tower : callable, list of n str -> tensor [n, dimension]; None without a text tower
    device : str
    """

    name: str
    fingerprint: str
    dimension: int
    precisions: tuple[str, ...]
    preprocess: Callable[[Image.Image], torch.Tensor]
    image_tower: Callable[[torch.Tensor], torch.Tensor]
    text_tower: Callable[[list[str]], torch.Tensor] | None
    device: str

    @property
    def batch_size(self) -> int:
        """Images that go through the encoder together, as suits the device.

        On a CPU few: the activations of 8 images stay in its cache, those of 32 run at little
        more than half the speed.
        """
        return 8 if self.device == "cpu" else 256

    def pixels(self, image: Image.Image) -> torch.Tensor:
        """Preprocess a PIL RGB image: float32 tensor [3, H, W]."""
        return self.preprocess(middle_of_sliver(image))

    def embed_pixels(self, pixels: Sequence[torch.Tensor]) -> np.ndarray:
        """Embed preprocessed images.

        Parameters
        ----------
        pixels : n tensors [3, H, W] as :meth:`pixels` gives them

        Returns
        -------
        float32 array [n, dimension], rows of length 1
        """
        import torch

        # The convolutions of a CPU run about half as fast again in this layout.
        batch = torch.stack(list(pixels)).to(self.device, memory_format=torch.channels_last)
        with torch.inference_mode():
            return _unit_rows(self.image_tower(batch))

    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Embed PIL RGB images: float32 array [n, dimension], rows of length 1."""
        return self.embed_pixels([self.pixels(image) for image in images])

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts: float32 array [n, dimension], rows of length 1.

        Raises
        ------
        TypeError
            When the encoder has no text tower.
        """
        if self.text_tower is None:
            raise TypeError(f"the encoder {self.name} has no text tower")
        import torch

        with torch.inference_mode():
            return _unit_rows(self.text_tower(list(texts)))


def middle_of_sliver(image: Image.Image) -> Image.Image:
    """Cut an image that is more than 32 times as long as wide down to its middle.

    The usual preprocessing first scales the shorter side to the model's and then cuts the middle
    out. Of a line of a million pixels it would make an image of gigabytes in between.
    """
    width, height = image.size
    longest = 32 * min(width, height)
    if max(width, height) <= longest:
        return image
    left, top = max(0, width - longest) // 2, max(0, height - longest) // 2
    return image.crop((left, top, left + min(width, longest), top + min(height, longest)))


def _unit_rows(vectors: torch.Tensor) -> np.ndarray:
    import torch

    return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()


def open_encoder(encoder: str, encoders: dict[str, EncoderConfig]) -> Encoder:
    """Load an encoder by name or path onto the GPU, if there is one, else onto the CPU.

    Parameters
    ----------
    encoder : str
        A key of ``encoders``, or the path of an open_clip model folder.

    Raises
    ------
    VeneerError
        When it is unknown or its weights cannot be had.

    Examples
    --------
    >>> encoders = {"mini": EncoderConfig(family="open_clip", pretrained="packaged")}
    >>> open_encoder("mini", encoders).embed_texts(["a striped texture"]).shape
    (1, 640)
    """
    name, config = encoder_name(encoder), resolve_encoder(encoder, encoders)
    require_weights(name, config)
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        keep_freed_memory()
    if config.family == "timm":
        from veneer.encoders.timm import load_timm as load
    else:
        from veneer.encoders.open_clip import load_open_clip as load
    return load(name, config, device)
