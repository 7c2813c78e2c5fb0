"""vLLM as a `Policy`, through TRL's own client or engine, for models that are too slow to sample here.

Two things of TRL 1.16 are minded. Its colocated engine is handed prompts whose image places are spread out already and
spreads the first of each again (vllm#57796, trl#6294): there each run of image tokens is folded into one. A server
takes the prompts of all processes in one call, and episodes differ in turns: every process therefore joins every call
until nobody has anything more to ask. Log-probabilities come from the trainer, for vLLM's are not the same to the digit
that a ratio needs; the difference between the two is not corrected for.
"""

import time
from collections.abc import Sequence
from typing import Any

from accelerate.utils import gather_object

from loupe.core.dialects.tags import END_ANSWER
from loupe.core.errors import ConfigError, ModelError
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.sessions import images_of
from loupe.core.policy import Conversation, Reply

INSTALL = 'pip install "vllm>=0.22,<=0.31"'
"""The versions that TRL 1.16 works with."""


class VllmPolicy:
    """Replies sampled by TRL's `VLLMGeneration`, whose weights the caller keeps up to date."""

    def __init__(self, generation: Any, encoder: ChatEncoder, *, colocated: bool, shared: bool) -> None:
        """`shared` says that all processes take part in each call, as they do with a server."""
        self.generation = generation
        self.encoder = encoder
        self.colocated = colocated
        self.shared = shared

    def respond(self, conversations: Sequence[Conversation], *, seed: int) -> list[Reply]:
        """One reply per conversation. `seed` is not used: vLLM draws from its own."""
        self._anybody(asking=True)
        return self._ask(conversations)

    def join_the_others(self) -> None:
        """Take part in the calls of processes whose episodes have more turns than the ones here."""
        while self._anybody(asking=False):
            self._ask([])

    def _anybody(self, *, asking: bool) -> bool:
        return any(gather_object([asking])) if self.shared else asking

    def _ask(self, conversations: Sequence[Conversation]) -> list[Reply]:
        started = time.perf_counter()
        asked = self._as_many(list(conversations))
        prompts = [self.encoder.encode(conversation).input_ids for conversation in asked]
        if self.colocated:
            prompts = [fold_images(ids, self.encoder.image_token_id) for ids in prompts]
        images = [list(images_of(conversation)) for conversation in asked]
        _, written, _, _ = self.generation.generate(prompts=prompts, images=images, num_generations=1)
        seconds = (time.perf_counter() - started) / max(1, len(prompts))
        if len(written) != len(prompts):
            raise ModelError(f"vLLM gave {len(written)} replies to {len(prompts)} prompts; wanted one each")
        return [self._reply(list(ids), seconds) for ids in written[: len(conversations)]]

    def _as_many(self, mine: list[Conversation]) -> list[Conversation]:
        """As many conversations as any process asks: TRL deals replies out by the number of prompts of the process that
        it deals to. What is added is somebody's, asked once more, and its reply is dropped."""
        if not self.shared:
            return mine
        counts = gather_object([len(mine)])
        example = next(iter(gather_object(mine[:1])))
        return mine + [example] * (max(counts) - len(mine))

    def _reply(self, ids: list[int], seconds: float) -> Reply:
        text = self.encoder.tokenizer.decode(ids, skip_special_tokens=True)
        ended = ids[-1:] == [self.encoder.end_id] or text.rstrip().endswith(END_ANSWER)
        return Reply(text, tuple(ids), truncated=not ended, seconds=seconds)


def fold_images(ids: Sequence[int], image_token_id: int) -> list[int]:
    """The ids with each run of image tokens folded into one, which the engine spreads out by itself."""
    return [
        token for place, token in enumerate(ids) if not (token == image_token_id and place and ids[place - 1] == token)
    ]


def check_vllm(*, quantise: str, installed: bool) -> None:
    """Raises ConfigError where vLLM cannot or should not sample."""
    if quantise != "none":
        raise ConfigError(
            f"trainer.use_vllm with model.quantise={quantise}: TRL merges the adapter into the 4-bit weights and takes "
            "it out again at every step, and each time the base drifts; set model.quantise=none, or sample locally"
        )
    if not installed:
        raise ConfigError(f"trainer.use_vllm is set and vLLM is not installed; {INSTALL}, or leave use_vllm out")


def vllm_arguments(*, suppressed: Sequence[int], max_new_tokens: int) -> dict[str, Any]:
    """Arguments of TRL's trainer by which vLLM samples as `LocalPolicy` does: to the closing tag, no control token."""
    return {
        "max_completion_length": max_new_tokens,
        "generation_kwargs": {
            "stop": [END_ANSWER],
            "include_stop_str_in_output": True,
            "logit_bias": dict.fromkeys(suppressed, -100.0),
        },
        "vllm_importance_sampling_correction": False,
    }
