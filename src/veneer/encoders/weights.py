"""Where an encoder's weights are: found, or told why not before any work is begun."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import threading
import urllib.error
import urllib.request
from pathlib import Path

from veneer.encoders.config import (
    MODEL_FOLDER_CONFIG,
    PACKAGED,
    EncoderConfig,
    is_path,
    packaged_folder,
)
from veneer.errors import VeneerError

HUB_TIMEOUT = 8.0  # seconds; open_clip's and the hub client's own retries take far longer
FOLDER_WEIGHTS = "open_clip_model.safetensors"
_WAY_OUT = (
    "Use another encoder (--params encoder=mini needs no download), or fetch the weights where "
    "there is a network and give their path as `pretrained` in conf/local/parameters/encoders.yml."
)


def model_folder(config: EncoderConfig) -> Path | None:
    """The open_clip model folder that ``pretrained`` names, if it names one."""
    if config.pretrained == PACKAGED:
        return Path(packaged_folder())
    if config.pretrained and Path(config.pretrained).is_dir():
        return Path(config.pretrained)
    return None


def require_weights(name: str, config: EncoderConfig) -> None:
    """Make sure that the weights can be had, without loading or downloading them.

    Parameters
    ----------
    name : str
        Of the encoder, for the message.

    Raises
    ------
    VeneerError
        When a file is missing, when a bare open_clip file comes without ``quick_gelu``, or when
        the weights are neither in the hub's cache nor on a hub that answers within
        ``HUB_TIMEOUT`` seconds.
    """
    folder = model_folder(config)
    if folder is not None:
        for file in (MODEL_FOLDER_CONFIG, FOLDER_WEIGHTS):
            if not (folder / file).is_file():
                raise VeneerError(
                    f"Opening the encoder {name}: the folder {folder} holds no {file}. {_WAY_OUT}"
                )
        return
    if config.family == "open_clip" and not (config.architecture and config.pretrained):
        raise VeneerError(
            f"Opening the encoder {name}: its entry in encoders.yml needs `architecture` and "
            "`pretrained` (a tag, a model folder or a safetensors file)."
        )
    if is_path(config.pretrained):
        _require_file(name, config)
    elif not _cached(hub_files(name, config)):
        _require_hub(name, hub_files(name, config))


def _require_file(name: str, config: EncoderConfig) -> None:
    if not Path(config.pretrained).is_file():
        raise VeneerError(
            f"Opening the encoder {name}: there is no file {config.pretrained}. {_WAY_OUT}"
        )
    if not config.pretrained.endswith(".safetensors"):
        raise VeneerError(
            f"Opening the encoder {name}: {config.pretrained} is not a safetensors file. Convert "
            "it once, for instance with safetensors.torch.save_file(torch.load(FILE, "
            "weights_only=True), ...)."
        )
    if config.family == "open_clip" and config.quick_gelu is None:
        raise VeneerError(
            f"Opening the encoder {name}: the weight file {config.pretrained} does not tell its "
            "activation. Add `quick_gelu: true` (OpenAI's own weights) or `quick_gelu: false` to "
            "its entry in encoders.yml; the wrong one gives wrong vectors."
        )


def hub_files(name: str, config: EncoderConfig) -> list[tuple[str, str]]:
    """Repository and file names under which the hub may hold the weights, best first."""
    if config.family == "timm":
        import timm

        known = timm.get_pretrained_cfg(config.architecture) if config.architecture else None
        if known is None or not known.hf_hub_id:
            raise VeneerError(
                f"Opening the encoder {name}: timm knows no pretrained weights for "
                f"{config.architecture!r}; see timm.list_pretrained()."
            )
        return [(known.hf_hub_id, "model.safetensors"), (known.hf_hub_id, "pytorch_model.bin")]
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    known = get_pretrained_cfg(config.architecture, config.pretrained)
    if not known:
        tags = ", ".join(list_pretrained_tags_by_model(config.architecture)) or "none"
        raise VeneerError(
            f"Opening the encoder {name}: open_clip has no weights {config.pretrained!r} for "
            f"{config.architecture!r}; its tags for that architecture are: {tags}."
        )
    repository, _, file = known["hf_hub"].rpartition("/")
    names = [file] if file else [FOLDER_WEIGHTS, "open_clip_pytorch_model.bin"]
    return [(repository, each) for each in names]


def _cached(candidates: list[tuple[str, str]]) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(*each), str) for each in candidates)


def _require_hub(name: str, candidates: list[tuple[str, str]]) -> None:
    from huggingface_hub import constants, hf_hub_url

    url = hf_hub_url(*candidates[0])
    if constants.HF_HUB_OFFLINE:
        found = "the hub is switched off by HF_HUB_OFFLINE"
    else:
        found = _unreachable(url)
    if found:
        raise VeneerError(
            f"Opening the encoder {name}: its weights are not in the cache, and {url} cannot be "
            f"had: {found}. {_WAY_OUT}"
        )


def _unreachable(url: str) -> str | None:
    """Why ``url`` does not answer, or None if it does.

    The request runs in a thread of its own, because looking up a host name can hang for much
    longer than any timeout that a client takes.
    """
    answer: list[str | None] = [f"no answer within {HUB_TIMEOUT:.0f} s"]

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=HUB_TIMEOUT).close()
            answer[0] = None
        except urllib.error.HTTPError as error:
            answer[0] = f"the server answered {error.code} {error.reason}"
        except (OSError, ValueError) as error:
            answer[0] = str(getattr(error, "reason", error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_TIMEOUT)
    return answer[0]


def file_sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def allowed_precisions(path: str | os.PathLike) -> tuple[str, ...]:
    """Number formats in which the weights of a safetensors file may be run.

    Weights stored as integers whose scales were folded into later layers let activations grow
    beyond what fp16 can hold, so these allow fp32 and bf16 only.
    """
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        tensors = json.loads(file.read(length))
    integers = any(t.get("dtype") == "I8" for n, t in tensors.items() if n != "__metadata__")
    return ("fp32", "bf16") if integers else ("fp32", "bf16", "fp16")
