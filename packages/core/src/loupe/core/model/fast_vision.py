"""The same vision tower in fewer, larger operations.

Off the flash-attention path transformers attends to each image by itself in a Python loop, and embeds patches by a
3-D convolution whose kernel covers its whole input. With images of equal size both are one batched operation. The
mathematics is unchanged (a test holds outputs and gradients against the stock code); unequal sizes take the stock path.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionPatchEmbed,
    Qwen2_5_VLVisionAttention,
    apply_rotary_pos_emb_vision,
)


class BatchedVisionAttention(Qwen2_5_VLVisionAttention):
    """Vision attention that treats windows of equal length as one batch."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        cu_seqlens: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """hidden_states (patches, width) of all windows in a row → the same shape."""
        lengths = torch.diff(cu_seqlens)
        if position_embeddings is None or not bool((lengths == lengths[0]).all()):
            return super().forward(hidden_states, cu_seqlens, position_embeddings=position_embeddings, **kwargs)
        count = hidden_states.shape[0]
        query, key, value = self.qkv(hidden_states).reshape(count, 3, self.num_heads, -1).unbind(1)
        query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        windows = [
            x.reshape(len(lengths), -1, self.num_heads, self.head_dim).transpose(1, 2) for x in (query, key, value)
        ]
        mixed = F.scaled_dot_product_attention(windows[0], windows[1], windows[2], scale=self.scaling)
        return self.proj(mixed.transpose(1, 2).reshape(count, -1))


class LinearPatchEmbed(Qwen2_5_VisionPatchEmbed):
    """Patch embedding as the matrix product that it is."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """hidden_states (patches, channels · frames · side · side) → (patches, width)."""
        weight = self.proj.weight
        return F.linear(hidden_states.to(weight.dtype), weight.flatten(1))


def speed_up_vision(model: nn.Module) -> None:
    """Give a model's Qwen2.5-VL vision tower the batched forward passes, in place; weights and their names stay."""
    if getattr(getattr(model, "config", None), "_attn_implementation", "sdpa") != "sdpa":
        return
    for module in model.modules():
        if type(module) is Qwen2_5_VLVisionAttention:
            module.__class__ = BatchedVisionAttention
        elif type(module) is Qwen2_5_VisionPatchEmbed:
            module.__class__ = LinearPatchEmbed
