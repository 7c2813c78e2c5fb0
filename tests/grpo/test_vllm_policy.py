"""vLLM behind the loop: what it is asked, which of TRL's faults are minded, what is refused. Its texts are scripted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loupe.core.errors import ConfigError, ModelError
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.loading import ModelConfig, load_model
from loupe.core.policy import Conversation, UserTurn
from loupe.core.protocol import load_protocol
from loupe.grpo.rollout import as_rollouts
from loupe.grpo.vllm_policy import VllmPolicy, check_vllm, fold_images, vllm_arguments
from loupe.zoom.loop import LoopInput, play

ASK = '<think>So.</think><answer>{"rating": 3.0, "bbox_2d": [0.0, 0.0, 0.5, 0.5], "tool": "crop"}</answer>'
END = '<think>So.</think><answer>{"rating": 2.0, "tool": "final"}</answer>'


class Scripted:
    """Stands for TRL's VLLMGeneration: writes down what it is asked and says its texts in turn."""

    def __init__(self, tokenizer: Any, *texts: str) -> None:
        self.asked: list[dict[str, Any]] = []
        self.tokenizer, self.texts = tokenizer, list(texts)

    def generate(self, *, prompts: list[list[int]], images: list[Any], num_generations: int) -> tuple[Any, ...]:
        self.asked.append({"prompts": prompts, "images": images, "num_generations": num_generations})
        said = [self.tokenizer(self.texts.pop(0), add_special_tokens=False).input_ids for _ in prompts]
        return prompts, said, None, None


@pytest.fixture(scope="module")
def encoder(blank_folder: Path) -> ChatEncoder:
    return ChatEncoder(load_model(ModelConfig(path=str(blank_folder)))[1])


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8))


def test_a_run_of_image_tokens_is_folded_into_one_and_two_runs_into_two() -> None:
    assert fold_images([5, 9, 9, 9, 6, 9, 9, 7], 9) == [5, 9, 6, 9, 7]
    assert fold_images([9, 9], 9) == [9]
    assert fold_images([1, 2], 9) == [1, 2]


@pytest.mark.parametrize("colocated", [True, False])
def test_an_episode_asks_twice_and_shows_the_crop_the_second_time(encoder: ChatEncoder, colocated: bool) -> None:
    generation = Scripted(encoder.tokenizer, ASK, END)
    policy = VllmPolicy(generation, encoder, colocated=colocated, shared=False)
    (played,) = play(policy, [LoopInput("a", "a", picture())], load_protocol("zoom-brief"))
    assert [turn.text for turn in played.episode.turns] == [ASK, END]
    first, second = generation.asked
    assert [len(call["images"][0]) for call in (first, second)] == [1, 2]
    pads = [call["prompts"][0].count(encoder.image_token_id) for call in (first, second)]
    assert pads == ([1, 2] if colocated else [16, 20])
    assert not any(turn.truncated for turn in played.episode.turns)
    # Without log-probabilities of its own, which the trainer then computes.
    assert as_rollouts([played], encoder)[0].log_probs is None


def test_a_reply_without_an_end_is_truncated(encoder: ChatEncoder) -> None:
    policy = VllmPolicy(Scripted(encoder.tokenizer, "<think>So"), encoder, colocated=False, shared=False)
    (played,) = play(policy, [LoopInput("a", "a", picture())], load_protocol("zoom-brief"))
    assert played.episode.turns[0].truncated


class Others:
    """Stands for another process: what it asks in each call, in the order in which the policy gathers."""

    def __init__(self, *rounds: list[Conversation]) -> None:
        self.rounds = list(rounds)
        self.now: list[Conversation] = []

    def gather(self, mine: list[Any]) -> list[Any]:
        if mine and isinstance(mine[0], bool):
            self.now = self.rounds.pop(0) if self.rounds else []
            return [*mine, bool(self.now)]
        return [*mine, len(self.now)] if mine and isinstance(mine[0], int) else [*mine, *self.now[:1]]


def asked(key: str, words: str = "How good?") -> Conversation:
    return Conversation(key, "", [UserTurn((picture(),), words)])


def test_a_process_joins_the_calls_of_the_others_with_as_many_prompts_until_nobody_asks(
    encoder: ChatEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loupe.grpo.vllm_policy.gather_object", Others([asked("x"), asked("y")], [asked("x")]).gather)
    generation = Scripted(encoder.tokenizer, END, END, END)
    VllmPolicy(generation, encoder, colocated=False, shared=True).join_the_others()
    assert [len(call["prompts"]) for call in generation.asked] == [2, 1]


def test_who_asks_less_than_another_gets_the_replies_to_his_own_prompts_alone(
    encoder: ChatEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = Others([asked(str(number), "Another question.") for number in range(3)])
    monkeypatch.setattr("loupe.grpo.vllm_policy.gather_object", others.gather)
    generation = Scripted(encoder.tokenizer, END, ASK, ASK)
    (reply,) = VllmPolicy(generation, encoder, colocated=False, shared=True).respond([asked("mine")], seed=0)
    (call,) = generation.asked
    assert len(call["prompts"]) == len(call["images"]) == 3
    assert reply.text == END


def test_a_reply_too_few_is_an_error(encoder: ChatEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = Scripted(encoder.tokenizer, END)
    monkeypatch.setattr(generation, "generate", lambda **_: ([], [], None, None))
    with pytest.raises(ModelError, match="0 replies to 1 prompts"):
        VllmPolicy(generation, encoder, colocated=False, shared=False).respond([asked("a")], seed=0)


def test_four_bit_weights_and_a_missing_vllm_are_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match="the base drifts"):
        check_vllm(quantise="nf4", installed=True)
    with pytest.raises(ConfigError, match="pip install"):
        check_vllm(quantise="none", installed=False)
    check_vllm(quantise="none", installed=True)


def test_no_control_token_can_be_sampled_there_either() -> None:
    made = vllm_arguments(suppressed=[7], max_new_tokens=20)
    assert made["generation_kwargs"]["logit_bias"] == {7: -100.0}
    assert made["max_completion_length"] == 20
