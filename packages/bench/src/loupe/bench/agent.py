"""From the name of a model to what answers with it: the one place of this package that wakes torch.

An agent answers in three ways that share its weights: by its main policy, which decodes greedily as a rule, by drawing,
and by its ratings alone, which is the fast mode. Nothing is loaded before one of them is asked, so agents can be handed
around for work of which nothing may be left.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from loupe.core.policy import Conversation, Policy, Reply
from loupe.core.protocol import Protocol
from loupe.core.rater import Rated, Rater
from loupe.core.sampling import Sampling

_Loaded = tuple[Any, Any, Any]
"""Weights, processor, and an encoder that all policies share, so that an image is cut into patches once."""
_kept: dict[str, _Loaded] | None = None
"""Models by name while `weights_kept` lasts; None outside of it."""


@dataclass(frozen=True, slots=True)
class Agents:
    """One agent and the ways in which it answers: its main policy, the one that draws, and its ratings alone where they
    can be read. `model` is its name, None where it is no model of its own."""

    greedy: Policy
    drawing: Policy
    rater: Rater | None = None
    model: str | None = None


def model_agents(
    model: str,
    protocol: Protocol,
    *,
    batch_size: int,
    temperature: float = 0.0,
    draw_temperature: float | None = None,
) -> Agents:
    """The agents of a model: a shipped name, a folder of a model or an adapter, or a hub id.

    `temperature` is that of the main policy, 0 for greedy; `draw_temperature` that of the drawing one, None for the
    protocol's own. What else there is to drawing is the protocol's. The model is loaded once, when one of them is first
    asked, which raises ModelError where it cannot be.
    """
    weights = _Weights(model)

    def policy(temperature: float | None) -> Policy:
        return _LatePolicy(lambda: weights.policy(protocol, temperature=temperature, batch_size=batch_size))

    return Agents(
        policy(temperature),
        policy(draw_temperature),
        rater=_LateRater(lambda: weights.rater(batch_size=batch_size)),
        model=model,
    )


def load_policies(
    model: str, protocol: Protocol, *, temperatures: Sequence[float | None], batch_size: int
) -> list[Policy]:
    """One policy a temperature (0 is greedy, None the protocol's own), all with the same weights, loaded once and now.

    `model` as in `model_agents`. Raises ModelError.
    """
    weights = _Weights(model)
    return [weights.policy(protocol, temperature=temperature, batch_size=batch_size) for temperature in temperatures]


@contextmanager
def weights_kept() -> Generator[None]:
    """Inside, a model that was loaded is kept and not loaded again, whoever asks for it by the same name."""
    # For everyone, because those who load the same model know nothing of each other.
    global _kept
    before, _kept = _kept, {} if _kept is None else _kept
    try:
        yield
    finally:
        _kept = before


class _Weights:
    """A model by its name, loaded when it is first needed."""

    def __init__(self, model: str) -> None:
        self._model = model

    @cached_property
    def loaded(self) -> _Loaded:
        # Here and not above: parsing, scoring and reporting never load a model and start in a fraction of a second.
        from loupe.core.model.encode import ChatEncoder
        from loupe.core.model.loading import ModelConfig, load_model

        if _kept is not None and self._model in _kept:
            return _kept[self._model]
        weights, processor = load_model(ModelConfig(path=self._model))
        made = (weights, processor, ChatEncoder(processor))
        if _kept is not None:
            _kept[self._model] = made
        return made

    def policy(self, protocol: Protocol, *, temperature: float | None, batch_size: int) -> Policy:
        from loupe.core.model.local_policy import LocalPolicy

        weights, processor, encoder = self.loaded
        return LocalPolicy(
            weights,
            processor,
            max_new_tokens=protocol.max_new_tokens,
            sampling=_drawing(protocol, temperature),
            batch_size=batch_size,
            encoder=encoder,
        )

    def rater(self, *, batch_size: int) -> Rater:
        from loupe.core.model.fast_rating import FastRating

        weights, processor, encoder = self.loaded
        return FastRating(weights, processor, batch_size=batch_size, encoder=encoder)


class _LatePolicy:
    """A policy that is made when it is first asked."""

    def __init__(self, make: Callable[[], Policy]) -> None:
        self._make, self._made = make, None

    def respond(self, conversations: Sequence[Conversation], *, seed: int) -> list[Reply]:
        """One reply per conversation, in order."""
        if self._made is None:
            self._made: Policy | None = self._make()
        return self._made.respond(conversations, seed=seed)


class _LateRater:
    """A rater that is made when it is first asked."""

    def __init__(self, make: Callable[[], Rater]) -> None:
        self._make, self._made = make, None

    def rate(self, conversations: Sequence[Conversation], *, opening: str) -> list[Rated]:
        """One rating per conversation, in order."""
        if self._made is None:
            self._made: Rater | None = self._make()
        return self._made.rate(conversations, opening=opening)


def _drawing(protocol: Protocol, temperature: float | None) -> Sampling:
    return protocol.sampling if temperature is None else replace(protocol.sampling, temperature=temperature)
