"""Texts of all lengths behind each other, and what goes through them without padding.

Short texts are mostly padding where they are filled up to the longest of a batch. Behind each other
they are one long list of tokens to everything but attention, which is computed for all texts of one
length at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from open_clip.transformer import ResidualAttentionBlock, TextTransformer
from torch.nn import functional


@dataclass(frozen=True)
class Packed:
    """Texts behind each other, the shortest first.

    Attributes
    ----------
    tokens, places : int64 Tensor [T]
        Tokens of all texts, and where in its text each stands.
    last : int64 Tensor [n]
        Which of the T are the last of their text.
    groups : list of (int, int)
        How many texts of which length follow each other.
    """

    tokens: torch.Tensor
    places: torch.Tensor
    last: torch.Tensor
    groups: list[tuple[int, int]]

    @classmethod
    def of(cls, tokens: np.ndarray) -> Packed:
        """Pack int array [n, 77], zeros behind each text, rows in the order of their lengths."""
        lengths = (tokens != 0).sum(axis=1)
        rows = np.repeat(np.arange(len(tokens)), lengths)
        places = np.concatenate([np.arange(length) for length in lengths])
        lengths_there, counts = np.unique(lengths, return_counts=True)
        return cls(
            torch.from_numpy(tokens[rows, places].astype(np.int64)),
            torch.from_numpy(places),
            torch.from_numpy(np.cumsum(lengths) - 1),
            list(zip(counts.tolist(), lengths_there.tolist(), strict=True)),
        )

    def by_length(self, values: torch.Tensor) -> Iterator[torch.Tensor]:
        """The parts [count, length, D] of values [T, D], group by group."""
        sizes = [count * length for count, length in self.groups]
        for part, (count, length) in zip(values.split(sizes), self.groups, strict=True):
            yield part.view(count, length, -1)

    def by_text(self, values: torch.Tensor) -> Iterator[torch.Tensor]:
        """The parts [count, 1, D] of values [n, D], group by group."""
        for part in values.split([count for count, _ in self.groups]):
            yield part[:, None]


def bag(vectors: torch.Tensor, packed: Packed) -> torch.Tensor:
    """The normalised mean of the normalised vectors of each text's tokens.

    Parameters
    ----------
    vectors : float32 Tensor [T, width]
    packed : Packed

    Returns
    -------
    float32 Tensor [n, width]
    """
    width = vectors.shape[-1:]
    normalised = functional.layer_norm(vectors, width)
    means = torch.cat([part.mean(dim=1) for part in packed.by_length(normalised)])
    return functional.layer_norm(means, width)


def transform(tower: TextTransformer, vectors: torch.Tensor, packed: Packed) -> torch.Tensor:
    """What a tower makes of texts: of each the output at its last token, before the projection.

    The same as the tower itself gives, but for rounding: causal attention, GELU, no dropout. The
    last layer is computed for the last tokens alone.

    Parameters
    ----------
    tower : TextTransformer
        Of open_clip. Its table of tokens is not used.
    vectors : float32 Tensor [T, width]
        Of the tokens.
    packed : Packed

    Returns
    -------
    float32 Tensor [n, width]
    """
    x = vectors + functional.embedding(packed.places, tower.positional_embedding)
    *blocks, final = tower.transformer.resblocks
    for block in blocks:
        x = _with_mlp(block, x + _attention(block, block.ln_1(x), packed, tower.attn_mask))
    attended = _attention_of_last(final, final.ln_1(x), packed)
    return tower.ln_final(_with_mlp(final, x[packed.last] + attended))


def _with_mlp(block: ResidualAttentionBlock, x: torch.Tensor) -> torch.Tensor:
    return x + block.mlp(block.ln_2(x))


def _attention(
    block: ResidualAttentionBlock, x: torch.Tensor, packed: Packed, mask: torch.Tensor
) -> torch.Tensor:
    """Of every token to those before it and itself: [T, width]."""
    attention, found = block.attn, []
    projected = functional.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    for part in packed.by_length(projected):
        length = part.shape[1]
        query, key, value = (_heads(each, attention.num_heads) for each in part.chunk(3, dim=-1))
        found.append(_joined(_attended(query, key, value, mask[:length, :length])))
    return attention.out_proj(torch.cat(found))


def _attention_of_last(
    block: ResidualAttentionBlock, x: torch.Tensor, packed: Packed
) -> torch.Tensor:
    """Of the last token of each text to all of it: [n, width]."""
    attention, found = block.attn, []
    width = attention.embed_dim
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    queries = functional.linear(x[packed.last], weight[:width], bias[:width])
    others = functional.linear(x, weight[width:], bias[width:])
    for one, part in zip(packed.by_text(queries), packed.by_length(others), strict=True):
        query, key, value = (
            _heads(each, attention.num_heads) for each in (one, *part.chunk(2, dim=-1))
        )
        found.append(_joined(_attended(query, key, value)))
    return attention.out_proj(torch.cat(found))


def _heads(values: torch.Tensor, heads: int) -> torch.Tensor:
    """[count, length, width] to [count, heads, length, width / heads]."""
    return values.unflatten(-1, (heads, -1)).transpose(1, 2)


def _joined(values: torch.Tensor) -> torch.Tensor:
    """[count, heads, length, size] to [count * length, heads * size]."""
    return values.transpose(1, 2).flatten(-2).flatten(0, 1)


def _attended(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    # For texts of ten tokens plain products are faster than torch's fused attention.
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if mask is not None:
        scores = scores + mask
    return scores.softmax(dim=-1) @ value
