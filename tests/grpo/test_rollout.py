"""An episode becomes one sequence: what the agent was shown, what it wrote, and a mask that tells them apart."""

from collections.abc import Sequence

import numpy as np
import pytest
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


def episodes(*scripts: Sequence[Line]) -> list[Played]:
    inputs = []
    for number in range(len(scripts)):
        pixels = np.random.default_rng(number).integers(0, 256, (224, 224, 3), dtype=np.uint8)
        inputs.append(LoopInput(str(number), str(number), Image.fromarray(pixels)))
    return play(ScriptedPolicy({str(number): list(lines) for number, lines in enumerate(scripts)}), inputs, PROTOCOL)


def words(encoder: ChatEncoder, ids: Sequence[int], mask: Sequence[int] | None = None, *, own: int = 1) -> str:
    kept = ids if mask is None else [token for token, mine in zip(ids, mask, strict=True) if mine == own]
    return encoder.tokenizer.decode(list(kept)).replace("<|image_pad|>", "")


def test_a_prompt_and_a_completion_are_the_whole_conversation(encoder: ChatEncoder) -> None:
    played = episodes([ASK, END], [END])
    batch = as_rollouts(played, encoder)
    for row, item in enumerate(played):
        assert batch.prompt_ids[row] + batch.completion_ids[row] == encoder.encode(item.conversation).input_ids
        assert len(batch.completion_ids[row]) == len(batch.completion_mask[row])


def test_two_turns_decode_to_exactly_what_was_written_and_shown(encoder: ChatEncoder) -> None:
    batch = as_rollouts(episodes([ASK, END]), encoder)
    (prompt,), (completion,), (mask,) = batch.prompt_ids, batch.completion_ids, batch.completion_mask
    shown = "<|im_start|>user\n<|vision_start|><|vision_end|>"
    assert words(encoder, prompt) == f"{shown}{PROTOCOL.question}<|im_end|>\n<|im_start|>assistant\n"
    assert words(encoder, completion, mask) == f"{ASK}<|im_end|>{END}<|im_end|>"
    between = f"\n{shown}{PROTOCOL.final_question}<|im_end|>\n<|im_start|>assistant\n"
    assert words(encoder, completion, mask, own=0) == between
    assert mask[0] == mask[-1] == 1


def test_a_single_turn_is_its_own_words_alone(encoder: ChatEncoder) -> None:
    batch = as_rollouts(episodes([END]), encoder)
    assert batch.completion_ids == [list(encoder.reply_ids(END))]
    assert batch.completion_mask == [[1] * len(batch.completion_ids[0])]


def test_a_completion_keeps_the_ids_that_were_sampled(encoder: ChatEncoder) -> None:
    letters = tuple(encoder.tokenizer.convert_tokens_to_ids(letter) for letter in "crop")
    batch = as_rollouts(episodes([Reply("crop", letters, truncated=True)]), encoder)
    assert batch.completion_ids == [list(letters)]
    assert batch.completion_mask == [[1, 1, 1, 1]]


def test_images_are_the_overview_and_then_the_crops(encoder: ChatEncoder) -> None:
    played = episodes([ASK, END], [END])
    batch = as_rollouts(played, encoder)
    assert [len(images) for images in batch.images] == [2, 1]
    overview, crop = batch.images[0]
    assert np.array_equal(np.asarray(overview)[:112, :112], np.asarray(crop))


def test_texts_are_the_turns_word_for_word(encoder: ChatEncoder) -> None:
    batch = as_rollouts(episodes([ASK, END], ["What?"]), encoder)
    assert batch.texts == [
        [{"role": "assistant", "content": ASK}, {"role": "assistant", "content": END}],
        [{"role": "assistant", "content": "What?"}],
    ]
