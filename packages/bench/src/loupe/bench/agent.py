"""From the name of a model to policies that answer with it: the one place of this package that wakes torch."""

from collections.abc import Sequence
from dataclasses import replace

from loupe.core.policy import Policy
from loupe.core.protocol import Protocol
from loupe.core.sampling import Sampling


def load_policies(
    model: str, protocol: Protocol, *, temperatures: Sequence[float | None], batch_size: int
) -> list[Policy]:
    """One policy a temperature (0 is greedy, None the protocol's own), all with the same weights, loaded once. What
    else there is to drawing is the protocol's.

    `model` is a shipped name, a folder of a model or an adapter, or a hub id. Raises ModelError.
    """
    # Here and not above: parsing, scoring and reporting never load a model and start in a fraction of a second.
    from loupe.core.model.loading import ModelConfig, load_model
    from loupe.core.model.local_policy import LocalPolicy

    weights, processor = load_model(ModelConfig(path=model))
    return [
        LocalPolicy(
            weights,
            processor,
            max_new_tokens=protocol.max_new_tokens,
            sampling=_drawing(protocol, temperature),
            batch_size=batch_size,
        )
        for temperature in temperatures
    ]


def _drawing(protocol: Protocol, temperature: float | None) -> Sampling:
    return protocol.sampling if temperature is None else replace(protocol.sampling, temperature=temperature)
