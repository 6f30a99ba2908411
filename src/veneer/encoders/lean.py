"""The same vectors for less work.

Both rewrites leave out arithmetic whose result is thrown away. They are exact but for rounding, and
:mod:`veneer.encoders.engine` compares what they give with the module as its authors wrote it.
"""

from __future__ import annotations

import copy

import torch
from open_clip.model import CLIP
from open_clip.modified_resnet import AttentionPool2d
from open_clip.transformer import text_global_pool
from torch import nn


class OneTokenPool(nn.Module):
    """open_clip's ``AttentionPool2d``, computed for the one token that it returns.

    The pool attends from every position of the feature map and keeps the answer of the first, the
    mean. For one query the keys need not be computed either: ``q . (K x) = (K' q) . x``, and the
    values can be summed before they are projected: ``sum a (V x) = V (sum a x)``. A bias of the
    keys adds the same to all scores, which softmax does not see. Of RN50 at 224 px this saves an
    eighth of all multiplications.
    """

    def __init__(self, pool: AttentionPool2d):
        super().__init__()
        self.pool = pool

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Pool float [n, channels, h, w] to [n, dimension]."""
        pool, heads = self.pool, self.pool.num_heads
        tokens = features.flatten(2).transpose(1, 2)
        tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)
        tokens = tokens + pool.positional_embedding
        n, _, channels = tokens.shape
        size = channels // heads
        query = pool.q_proj(tokens[:, 0]).reshape(n, heads, size) * size**-0.5
        keys = pool.k_proj.weight.reshape(heads, size, channels)
        wanted = torch.matmul(query.transpose(0, 1), keys).transpose(0, 1)  # [n, heads, channels]
        shares = (wanted @ tokens.transpose(1, 2)).softmax(dim=-1)
        summed = (shares @ tokens).transpose(0, 1)  # [heads, n, channels]
        values = pool.v_proj.weight.reshape(heads, size, channels).transpose(1, 2)
        answer = torch.matmul(summed, values).transpose(0, 1).reshape(n, channels)
        return pool.c_proj(answer + pool.v_proj.bias)


class ShortText(nn.Module):
    """The text tower of open_clip's ``CLIP`` on as many tokens as there are.

    No token sees those behind it, and the result is taken where the text ends; so the zeros that
    fill a text up to the context length do nothing but cost time.
    """

    def __init__(self, model: CLIP):
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Embed int64 [n, length], length up to the context length: float [n, dimension]."""
        model, length = self.model, tokens.shape[1]
        x = model.token_embedding(tokens) + model.positional_embedding[:length]
        x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
        end = getattr(model, "text_eos_id", None)
        x = text_global_pool(model.ln_final(x), tokens, model.text_pool_type, eos_token_id=end)
        if isinstance(model.text_projection, nn.Linear):
            return model.text_projection(x)
        return x if model.text_projection is None else x @ model.text_projection


def lean_image(visual: nn.Module) -> nn.Module:
    """An image tower of open_clip with the pools that can be made so computed for one token."""
    pool = getattr(visual, "attnpool", None)
    if not isinstance(pool, AttentionPool2d):
        return visual
    lean = copy.copy(visual)  # the weights are shared, the parent is left as it is
    lean._modules = dict(visual._modules) | {"attnpool": OneTokenPool(pool)}
    return lean


def lean_text(model: nn.Module, whole: nn.Module) -> nn.Module:
    """The text tower of an open_clip model without padding, or ``whole`` where that is not so."""
    mask = getattr(model, "attn_mask", None)
    ends = isinstance(model, CLIP) and model.text_pool_type in ("argmax", "eos")
    return ShortText(model) if ends and mask is not None else whole
