"""An encoder as open_clip's own model folder: a description and one file of weights."""

from __future__ import annotations

import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import safetensors.torch
import torch

from veneer.encoders.clip_tokens import clip_tokenizer
from veneer.pretraining import folding
from veneer.pretraining.image_head import SCALE
from veneer.pretraining.options import PretrainingOptions
from veneer.pretraining.text_tower import CONTEXT, Lesson, TextTower
from veneer.pretraining.trunk import IMAGE_SIZE, LARGER, as_input, bare_trunk
from veneer.pretraining.widening import Widened

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


def tensors(
    trunk: dict[str, torch.Tensor],
    wide: Widened,
    tower: TextTower,
    basis: np.ndarray,
    pictures: np.ndarray,
) -> dict[str, torch.Tensor]:
    """All that the file of weights holds, under open_clip's names.

    Parameters
    ----------
    trunk : dict of str to tensor
        timm's state dict, in any order.
    wide : Widened
    tower : TextTower
    basis : float32 array [512, shared]
    pictures : uint8 array [n, 256, 256, 3]
        Of any sort, on which the folded trunk is to give what it gave, on average.
    """
    # What comes from a file is in another order than timm's, by which folding goes.
    ordered = bare_trunk(trunk).state_dict()
    folded = folding.correct_means(ordered, folding.fold_trunk(ordered), pictures)
    image = {f"trunk.{name}": each for name, each in folded.items()}
    image |= {f"head.mlp.{name}": each for name, each in folding.fold_head(wide.head).items()}
    found = {f"visual.{name}": each for name, each in image.items()}
    found |= folding.fold_text(tower.weights, tower.scale, basis @ wide.turn)
    # A text and a picture share no more than a part of their length.
    found["logit_scale"] = torch.tensor(math.log(SCALE / wide.share))
    return {name: folding.as_stored(each) for name, each in found.items()}


def files(tensors: dict[str, torch.Tensor], options: PretrainingOptions) -> dict[str, bytes]:
    """The folder's files but its card."""
    description = {
        "model_cfg": {
            "embed_dim": options.width,
            "vision_cfg": {
                "timm_model_name": LARGER,
                "timm_model_pretrained": False,
                "timm_pool": "avg",
                "timm_proj": "mlp",
                "image_size": IMAGE_SIZE,
            },
            "text_cfg": {
                "context_length": CONTEXT,
                "vocab_size": len(tensors["token_embedding.weight"]),
                "width": options.text.width,
                "heads": options.text.heads,
                "layers": options.text.layers,
                "ls_init_value": 1.0,  # the file has the true ones
            },
        },
        "preprocess_cfg": {
            "mean": [0.5] * 3,
            "std": [0.5] * 3,
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }
    return {
        CONFIG: (json.dumps(description, indent=1) + "\n").encode(),
        WEIGHTS: safetensors.torch.save(tensors, metadata={"format": "pt"}),
    }


@torch.inference_mode()
def check(
    made: dict[str, bytes],
    trunk: dict[str, torch.Tensor],
    wide: Widened,
    basis: np.ndarray,
    measured: Lesson,
    pictures: np.ndarray,
) -> dict[str, float]:
    """How near the folder, opened by open_clip itself, is to the parts that it was folded from.

    Parameters
    ----------
    made : dict of str to bytes
        Of :func:`files`.
    trunk, wide, basis
        As in :func:`tensors`.
    measured : Lesson
        Texts that were not learnt.
    pictures : uint8 array [n, 256, 256, 3]

    Returns
    -------
    dict
        ``text_cosine``, of the file's vectors of texts to their targets; ``image_cosine``, of its
        vectors of pictures to those before folding; ``megabytes``, of the weights.
    """
    import open_clip

    with TemporaryDirectory(prefix="veneer-") as given:
        for name, content in made.items():
            (Path(given) / name).write_bytes(content)
        model = open_clip.create_model(f"local-dir:{given}").eval()
    tokens = torch.from_numpy(clip_tokenizer(CONTEXT)(list(measured.texts)).astype(np.int64))
    texts = torch.cat([model.encode_text(part, normalize=True) for part in tokens.split(256)])
    targets = torch.from_numpy(measured.targets @ basis @ wide.turn)
    images = model.encode_image(as_input(pictures), normalize=True)
    plain = bare_trunk(trunk)
    features = plain.forward_head(plain.forward_features(as_input(pictures)), pre_logits=True)
    before = wide.head(features)
    return {
        "text_cosine": _cosine(texts, targets),
        "image_cosine": _cosine(images, before),
        "megabytes": len(made[WEIGHTS]) / 1e6,
    }


def _cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return torch.nn.functional.cosine_similarity(one, other).mean().item()
