"""Where an encoder's weights are: found, or told why not before any work is begun."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import threading
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

from veneer.encoders.config import (
    PACKAGED,
    EncoderConfig,
    is_path,
    names_repository,
    packaged_folder,
)
from veneer.encoders.families import FAMILIES, FOLDER_WEIGHTS
from veneer.errors import VeneerError

HUB_TIMEOUT = 8.0  # seconds; open_clip's and the hub client's own retries take far longer
_WAY_OUT = (
    "Use another encoder (--params encoder=mini needs no download), or fetch the weights where "
    "there is a network and give their path as `pretrained` in conf/local/parameters/encoders.yml."
)


def model_folder(config: EncoderConfig) -> Path | None:
    """The model folder that ``pretrained`` names, if it names one."""
    if FAMILIES[config.family].folder is None or not config.pretrained:
        return None
    if config.family == "open_clip" and config.pretrained == PACKAGED:
        return Path(packaged_folder())
    return Path(config.pretrained) if Path(config.pretrained).is_dir() else None


def fetched_folder(config: EncoderConfig) -> Path | None:
    """The model folder of an encoder, fetched where it is on the hub; None where it has none."""
    if not names_repository(config.family, config.pretrained):
        return model_folder(config)
    from huggingface_hub import snapshot_download

    # Both files at once: they are of one revision.
    files = list(FAMILIES[config.family].folder)
    return Path(snapshot_download(config.pretrained, allow_patterns=files))


def require_weights(name: str, config: EncoderConfig) -> None:
    """Make sure that the weights can be had, without loading or downloading them.

    Parameters
    ----------
    name : str
        Of the encoder, for the message.

    Raises
    ------
    VeneerError
        When a package, a file or a needed part of the entry is missing, when a bare open_clip file
        comes without ``quick_gelu``, or when the weights are neither in the cache nor at an
        address that answers within ``HUB_TIMEOUT`` seconds.
    """
    _require_libraries(name, config)
    folder = model_folder(config)
    if folder is not None:
        for file in FAMILIES[config.family].folder:
            if not (folder / file).is_file():
                raise VeneerError(
                    f"Opening the encoder {name}: the folder {folder} holds no {file}. {_WAY_OUT}"
                )
        return
    _require_entry(name, config)
    if is_path(config.pretrained) and not names_repository(config.family, config.pretrained):
        _require_file(name, config)
    elif config.family == "torchvision":
        _require_torchvision(name, config)
    else:
        folder = config.pretrained if config.family == "vae" else None
        _require_hub(name, hub_files(name, config), folder)


def _require_libraries(name: str, config: EncoderConfig) -> None:
    family = FAMILIES[config.family]
    # Of an extra only: a plain installation has the others.
    missing = [each for each in family.libraries if family.extra and find_spec(each) is None]
    if missing:
        raise VeneerError(
            f"Opening the encoder {name}: {', '.join(missing)}, which encoders of the family "
            f"{config.family} need, is not installed. Install it with pip install "
            f'"veneer[{family.extra}]", or, in a clone, with uv pip install -e ".[{family.extra}]".'
        )


def _require_entry(name: str, config: EncoderConfig) -> None:
    """Check that an entry without a model folder says what its family has to know."""
    family, given = config.family, config.pretrained
    needs = None
    if family == "open_clip" and not (config.architecture and given):
        needs = "`architecture` and `pretrained` (a tag, a model folder or a safetensors file)"
    elif family == "torchvision" and not config.architecture:
        needs = "`architecture`, one of torchvision.models.list_models()"
    elif family in ("timm", "torchvision") and given and not is_path(given):
        needs = (
            f"the path of a safetensors file as `pretrained`, which is {given!r}, or none for the "
            f"weights that {family} names itself"
        )
    elif family == "vae" and not is_path(given):
        needs = (
            "`pretrained`: a model folder of diffusers, or a repository of the hub such as "
            "stabilityai/sd-vae-ft-mse"
        )
    if needs:
        raise VeneerError(f"Opening the encoder {name}: its entry in encoders.yml needs {needs}.")


def _require_file(name: str, config: EncoderConfig) -> None:
    if config.family == "vae":
        raise VeneerError(
            f"Opening the encoder {name}: there is no folder {config.pretrained}. Give one that "
            f"holds {' and '.join(FAMILIES['vae'].folder)}, as diffusers' save_pretrained writes "
            "it, or a repository of the hub, such as stabilityai/sd-vae-ft-mse."
        )
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
    if config.family == "vae":
        return [(config.pretrained, FAMILIES["vae"].folder[1])]
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


def _require_hub(name: str, candidates: list[tuple[str, str]], folder: str | None = None) -> None:
    """Make sure of files of the hub; ``folder`` is what else the entry may have meant."""
    from huggingface_hub import constants, hf_hub_url

    if not _cached(candidates):
        off = "the hub is switched off by HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else None
        _require_address(name, hf_hub_url(*candidates[0]), off, folder)


def _require_torchvision(name: str, config: EncoderConfig) -> None:
    from veneer.encoders.torchvision import cached_file, default_weights

    url = default_weights(name, config).url
    if not cached_file(url).is_file():
        _require_address(name, url)


def _require_address(
    name: str, url: str, off: str | None = None, folder: str | None = None
) -> None:
    """Make sure that an address answers; ``off`` is why it need not be asked."""
    found = off or _unreachable(url)
    if found:
        no_folder = f"there is no folder {folder}, " if folder else ""
        raise VeneerError(
            f"Opening the encoder {name}: {no_folder}its weights are not in the cache, and {url} "
            f"cannot be had: {found}. {_WAY_OUT}"
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
