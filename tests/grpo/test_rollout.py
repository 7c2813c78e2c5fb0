"""An episode becomes one sequence: what the agent was shown, what it wrote, and a mask that tells them apart."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from loupe.core.model.encode import ChatEncoder
from loupe.core.model.processors import build_pocket_processor
from loupe.core.policy import Reply
from loupe.core.protocol import load_protocol
from loupe.grpo.rollout import as_rollouts
from loupe.zoom.loop import LoopInput, Played, play
from loupe.zoom.scripted import Line, ScriptedPolicy

ASK = '<think>I crop.</think><answer>{"bbox_2d": [0.0, 0.0, 0.5, 0.5], "rating": 3.0, "tool": "crop"}</answer>'
END = '<think>It is blur.</think><answer>{"rating": 2.0, "tool": "final"}</answer>'
PROTOCOL = load_protocol("zoom-brief")


@pytest.fixture(scope="module")
def encoder() -> ChatEncoder:
    return ChatEncoder(build_pocket_processor())


def picture(number: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (224, 224, 3), dtype=np.uint8))


def episodes(*scripts: Sequence[Line]) -> list[Played]:
    inputs = [LoopInput(str(number), str(number), picture(number)) for number in range(len(scripts))]
    return play(ScriptedPolicy({str(number): list(lines) for number, lines in enumerate(scripts)}), inputs, PROTOCOL)


def words(encoder: ChatEncoder, ids: Sequence[int], wrote: Sequence[bool] | None = None, *, own: bool = True) -> str:
    kept = ids if wrote is None else [token for token, mine in zip(ids, wrote, strict=True) if mine == own]
    return encoder.tokenizer.decode(list(kept)).replace("<|image_pad|>", "")


def test_a_prompt_and_a_completion_are_the_whole_conversation(encoder: ChatEncoder) -> None:
    played = episodes([ASK, END], [END])
    for item, rollout in zip(played, as_rollouts(played, encoder), strict=True):
        whole, parts = encoder.encode(item.conversations[0]), (rollout.prompt.encoded, rollout.completion)
        assert parts[0].input_ids + parts[1].input_ids == whole.input_ids
        assert parts[0].wrote + parts[1].wrote == whole.wrote
        assert not any(parts[0].wrote)
        pixels = [part.pixel_values for part in parts if part.pixel_values is not None]
        assert whole.pixel_values is not None and torch.equal(torch.cat(pixels), whole.pixel_values)


def test_two_turns_decode_to_exactly_what_was_written_and_shown(encoder: ChatEncoder) -> None:
    (rollout,) = as_rollouts(episodes([ASK, END]), encoder)
    completion = rollout.completion
    shown = "<|im_start|>user\n<|vision_start|><|vision_end|>"
    prompt = f"{shown}{PROTOCOL.question}<|im_end|>\n<|im_start|>assistant\n"
    assert words(encoder, rollout.prompt.encoded.input_ids) == prompt
    assert words(encoder, completion.input_ids, completion.wrote) == f"{ASK}<|im_end|>{END}<|im_end|>"
    between = f"\n{shown}{PROTOCOL.final_question}<|im_end|>\n<|im_start|>assistant\n"
    assert words(encoder, completion.input_ids, completion.wrote, own=False) == between
    assert completion.wrote[0] and completion.wrote[-1]
    assert rollout.tokens == sum(completion.wrote)


def test_a_single_turn_is_its_own_words_alone(encoder: ChatEncoder) -> None:
    (rollout,) = as_rollouts(episodes([END]), encoder)
    assert rollout.completion.input_ids == list(encoder.reply_ids(END))
    assert all(rollout.completion.wrote)
    assert rollout.completion.pixel_values is None


def test_a_completion_keeps_the_ids_that_were_sampled(encoder: ChatEncoder) -> None:
    letters = tuple(encoder.tokenizer.convert_tokens_to_ids(letter) for letter in "crop")
    (rollout,) = as_rollouts(episodes([Reply("crop", letters, truncated=True)]), encoder)
    assert rollout.completion.input_ids == list(letters)
    assert rollout.completion.wrote == [True] * 4


def test_images_are_the_overview_in_the_prompt_and_the_crops_in_the_completion(encoder: ChatEncoder) -> None:
    with_crop, without = as_rollouts(episodes([ASK, END], [END]), encoder)

    def patches(image: Image.Image) -> torch.Tensor:
        return encoder.processor.image_processor(images=[image], return_tensors="pt")["pixel_values"]

    prompts = [item.prompt.encoded.pixel_values for item in (with_crop, without)]
    crop = with_crop.completion.pixel_values
    assert prompts[0] is not None and torch.equal(prompts[0], patches(picture(0)))
    assert prompts[1] is not None and torch.equal(prompts[1], patches(picture(1)))
    assert crop is not None and torch.equal(crop, patches(picture(0).crop((0, 0, 112, 112))))
    assert without.completion.pixel_values is None


def test_numbers_of_the_draw_stand_where_the_agent_wrote_and_are_zero_elsewhere(encoder: ChatEncoder) -> None:
    ask, end = encoder.reply_ids(ASK), encoder.reply_ids(END)
    drawn = [
        Reply(text, ids, log_probs=(number,) * len(ids)) for text, ids, number in ((ASK, ask, -1.0), (END, end, -2.0))
    ]
    (rollout,) = as_rollouts(episodes(drawn), encoder)
    between = len(rollout.completion.input_ids) - len(ask) - len(end)
    assert rollout.log_probs == [-1.0] * len(ask) + [0.0] * between + [-2.0] * len(end)


def test_numbers_that_are_not_one_a_token_are_none(encoder: ChatEncoder) -> None:
    ids = encoder.reply_ids(END)
    (few,) = as_rollouts(episodes([Reply(END, ids, log_probs=(-1.0,) * (len(ids) - 1))]), encoder)
    (none,) = as_rollouts(episodes([END]), encoder)
    assert few.log_probs is none.log_probs is None


def test_neighbours_over_one_image_share_their_prompt_and_no_others_do(encoder: ChatEncoder) -> None:
    one, other, longer = picture(0), picture(0), replace(PROTOCOL, question="Look. Judge this image.")
    inputs = [
        LoopInput("a", "x", one),
        LoopInput("b", "x", one),
        LoopInput("c", "x", other),
        LoopInput("d", "x", one),
        LoopInput("e", "x", one, protocol=longer),
        LoopInput("f", "x", one, protocol=longer, others=(other,)),
    ]
    made = as_rollouts(play(ScriptedPolicy(lambda _: END), inputs, PROTOCOL), encoder, first=10)
    assert [item.number for item in made] == list(range(10, 16))
    assert made[0].prompt is made[1].prompt
    assert len({id(item.prompt) for item in made}) == 5
