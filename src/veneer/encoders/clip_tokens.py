"""CLIP's tokens, without the seconds it takes to import torch and open_clip.

The byte-pair encoding of Radford et al. 2021 (https://github.com/openai/CLIP), on the vocabulary
that comes with open_clip, whose ``SimpleTokenizer`` gives the same tokens.
"""

from __future__ import annotations

import gzip
import html
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np

from veneer.encoders.towers import Tokenizer

VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"
SIZE = 49_408
START, END = SIZE - 2, SIZE - 1
_END_OF_WORD = "</w>"
_WORDS = r"<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def clip_tokenizer(context: int) -> Tokenizer:
    """A tokenizer that fills or cuts each text to ``context`` tokens.

    >>> clip_tokenizer(8)(["striped fabric"]).tolist()
    [[49406, 24885, 9651, 49407, 0, 0, 0, 0]]
    """

    def tokenize(texts: list[str]) -> np.ndarray:
        found = np.zeros((len(texts), context), np.int64)
        for row, text in zip(found, texts, strict=True):
            tokens = [START, *_tokens(text)][: context - 1]
            row[: len(tokens) + 1] = [*tokens, END]
        return found

    return tokenize


def _tokens(text: str) -> list[int]:
    import ftfy
    import regex

    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    text = " ".join(text.split()).lower()
    words = regex.findall(_WORDS, text, regex.IGNORECASE)
    return [token for word in words for token in _tokens_of_word(word)]


@lru_cache(maxsize=10_000)
def _tokens_of_word(word: str) -> tuple[int, ...]:
    numbers, ranks = _vocabulary()
    if word in ("<start_of_text>", "<end_of_text>"):
        return (numbers[word],)
    letters = _letters()
    pieces = [letters[byte] for byte in word.encode()]
    pieces[-1] += _END_OF_WORD
    while len(pieces) > 1:
        best = min(pairwise(pieces), key=lambda pair: ranks.get(pair, SIZE))
        if best not in ranks:
            break
        pieces = _merged(pieces, best)
    return tuple(numbers[piece] for piece in pieces)


def _merged(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    """The pieces with each occurrence of the pair in one, from the left."""
    found: list[str] = []
    place = 0
    while place < len(pieces):
        if tuple(pieces[place : place + 2]) == pair:
            found.append("".join(pair))
            place += 2
        else:
            found.append(pieces[place])
            place += 1
    return found


@lru_cache(maxsize=1)
def _letters() -> dict[int, str]:
    """A printable character for each byte: itself where it is one, else one above 255."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    printable += range(ord("®"), ord("ÿ") + 1)
    others = [byte for byte in range(256) if byte not in printable]
    # The order is that of the vocabulary.
    return {byte: chr(byte) for byte in printable} | {
        byte: chr(256 + place) for place, byte in enumerate(others)
    }


@lru_cache(maxsize=1)
def _vocabulary() -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Numbers of the tokens, and ranks of the pairs that are merged."""
    # Found without importing open_clip.
    folder = Path(find_spec("open_clip").submodule_search_locations[0])
    lines = gzip.decompress((folder / VOCABULARY).read_bytes()).decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : SIZE - 2 - 512 + 1]]
    letters = list(_letters().values())
    tokens = [*letters, *(each + _END_OF_WORD for each in letters), *map("".join, merges)]
    tokens += ["<start_of_text>", "<end_of_text>"]
    return (
        {token: number for number, token in enumerate(tokens)},
        {pair: rank for rank, pair in enumerate(merges)},
    )
