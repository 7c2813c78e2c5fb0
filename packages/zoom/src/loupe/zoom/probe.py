"""A look now and then, while a model is being trained, at how it judges a few fixed images."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loupe.core.policy import Policy
from loupe.core.protocol import Protocol
from loupe.core.records import Sample
from loupe.zoom.loop import LoopInput, play


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """`count` of the samples, or all, at equal distances: neighbours in a file are versions of one pristine image."""
    count = min(count, len(samples))
    return [samples[place * len(samples) // count] for place in range(count)]


def episode_probe(
    inputs: Sequence[LoopInput], protocol: Protocol, policy_of: Callable[[Any], Policy]
) -> Callable[[Any], list[Mapping[str, Any]]]:
    """Model → the episodes of `inputs`, a JSON row each, played by the policy that `policy_of` makes of the model."""
    return lambda model: [played.episode.to_json() for played in play(policy_of(model), inputs, protocol)]
