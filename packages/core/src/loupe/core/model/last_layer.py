"""Leave out of the last layer what nobody reads: its feed-forward part on tokens that serve others as context alone.

Of a prompt that is read, later tokens need keys and values, and those of the last layer are made before its
feed-forward part; the hidden state behind it is wanted only where something is predicted. In a shallow model that is a
good share of a prompt's cost. Ours.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.nn import functional as F

from loupe.core.model.packed import base_of


@contextmanager
def silent_before(model: Any, column: int) -> Iterator[None]:
    """Meanwhile the model's hidden states before `column` mean nothing; every other number and gradient is as it was.

    It does nothing for a model whose layers run again in the backward pass (gradient checkpointing), when this is
    over, and for one whose feed-forward part is not plain.
    """
    base = base_of(model)
    mlp = base.get_decoder().layers[-1].mlp
    again = base.training and base.is_activation_checkpointing
    if column == 0 or again or not hasattr(mlp, "down_proj"):
        yield
        return
    hooks = [
        mlp.register_forward_pre_hook(lambda _module, inputs: (inputs[0][:, column:],)),
        mlp.register_forward_hook(lambda _module, _inputs, output: F.pad(output, (0, 0, column, 0))),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def is_last(attention: Any) -> bool:
    """Whether an attention module is that of the last layer."""
    return attention.layer_idx + 1 == attention.config.num_hidden_layers
