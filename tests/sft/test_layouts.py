"""Every layout on three families of processors: prompts are those of rollouts, loss lies on the agent's words alone."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from loupe.core.model.encode import ChatEncoder
from loupe.core.protocol import load_protocol
from loupe.core.records import Learn, RationaleTurn
from loupe.data.store import load_samples
from loupe.sft.examples import Example, examples_of
from loupe.sft.labels import IGNORED
from loupe.sft.learned import marks_of
from loupe.sft.sources import RationaleSource, load_examples
from loupe.zoom.inputs import loop_inputs
from loupe.zoom.look import Look
from loupe.zoom.loop import play
from loupe.zoom.scripted import ScriptedPolicy

FIELDS = (("rating", r"[\d.]+"), ("distortion_class", r'"\w+"|null'), ("bbox_2d", r"\[[^\]]*\]|null"))
FAMILIES = ("pocket", "qwen2_5", "qwen3")
LAYOUTS = ("append", "segments")


@pytest.fixture(scope="module", params=FAMILIES)
def encoder(request: pytest.FixtureRequest, processors: dict[str, Any]) -> ChatEncoder:
    return ChatEncoder(processors[request.param])


@pytest.fixture(scope="module", params=LAYOUTS)
def examples(request: pytest.FixtureRequest, synthetic_folder: Path, looked_twice: Path) -> list[Example]:
    """All rationales of one layout, with the texts of two dialects."""
    if request.param == "append":
        source = RationaleSource(data=str(synthetic_folder), protocol="zoom-brief")
    else:
        source = RationaleSource(str(looked_twice), data=str(synthetic_folder), protocol="zoom-iqa")
    return load_examples(source, "rationales")


def test_a_prompt_is_the_one_of_the_rollout_with_the_same_words_id_for_id(
    synthetic_folder: Path, encoder: ChatEncoder, examples: list[Example]
) -> None:
    inputs = {item.sample_id: item for item in loop_inputs(synthetic_folder, load_samples(synthetic_folder, "train"))}
    compared = 0
    for example in examples:
        texts = [turn.text for turn in example.rationale.turns]
        policy = ScriptedPolicy({example.sample.id: [*texts, texts[-1]]})
        look = Look.DECIDED if example.rationale.zoom_allowed else Look.NEVER
        play(policy, [inputs[example.sample.id]], example.protocol, look=look)
        whole = encoder.encode(example.conversation())
        first = 0 if example.protocol.layout == "append" else example.segment
        asked = [conversation for (conversation,) in policy.seen][first : first + len(example.written)]
        assert len(asked) == len(example.written)
        for conversation in asked:
            prompt = encoder.encode(conversation)
            length = len(prompt.input_ids)
            assert prompt.input_ids == whole.input_ids[:length]
            assert whole.wrote[length]
            assert prompt.pixel_values is not None
            assert whole.pixel_values is not None
            assert torch.equal(prompt.pixel_values, whole.pixel_values[: len(prompt.pixel_values)])
            compared += 1
    assert compared > len({example.sample.id for example in examples})


def test_a_hard_item_is_two_examples_with_segments_and_one_with_append(
    looked_twice: Path, synthetic_folder: Path
) -> None:
    segments = load_examples(RationaleSource(str(looked_twice), data=str(synthetic_folder), protocol="zoom-iqa"), "a")
    looks: dict[str, list[int]] = {}
    for example in segments:
        looks.setdefault(example.sample.id, []).append(example.segment)
    # A look without loss is no example of its own.
    assert [looks[sample.id] for sample in load_samples(synthetic_folder, "train")][:6] == [
        [0], [0, 1], [0], [0, 1], [0], [1],
    ]  # fmt: skip
    folder, rationale = synthetic_folder, segments[1].rationale
    append = replace(segments[1].protocol, layout="append")
    (whole,) = examples_of(rationale, segments[1].samples, folder=folder, protocol=append, source="a")
    assert len(whole.conversation().replies) == 2


def test_the_second_example_recalls_the_first_reply_and_shows_the_image_and_the_crop(
    looked_twice: Path, synthetic_folder: Path, processors: dict[str, Any]
) -> None:
    examples = load_examples(RationaleSource(str(looked_twice), data=str(synthetic_folder), protocol="zoom-iqa"), "a")
    second = next(example for example in examples if example.segment)
    conversation = second.conversation()
    assert conversation.recalled == 1
    assert [reply.text for reply in conversation.replies] == [turn.text for turn in second.rationale.turns]
    before, asked = conversation.user_turns
    assert before.images == ()
    assert before.text in second.protocol.questions
    image, crop = asked.images
    assert image.size == (224, 224)
    # The crop of the released evaluator fills a side of the image.
    assert 224 in crop.size


@pytest.mark.parametrize("learn", list(Learn))
def test_unmasked_ids_are_the_words_to_be_learnt_and_nothing_else(
    encoder: ChatEncoder, examples: list[Example], learn: Learn
) -> None:
    seen: set[Learn] = set()
    for example in (_all_as(example, learn) for example in examples):
        encoded = encoder.encode(example.conversation())
        labels = marks_of(example, encoded, encoder).labels
        carries = labels != IGNORED
        ids = torch.tensor(encoded.input_ids)
        assert torch.equal(labels[carries], ids[carries])
        assert not (labels == encoder.image_token_id).any()
        assert encoder.tokenizer.decode(labels[carries].tolist()) == "".join(
            _to_learn(turn) for _, turn in example.written
        )
        seen |= {turn.learn for _, turn in example.written}
    assert learn in seen


def test_rounds_and_fields_are_marked_on_the_tokens_of_their_text(
    encoder: ChatEncoder, examples: list[Example]
) -> None:
    read: dict[str, int] = {}
    for example in examples:
        encoded = encoder.encode(example.conversation())
        marks, ids = marks_of(example, encoded, encoder), torch.tensor(encoded.input_ids)
        assert torch.equal(marks.rounds > 0, torch.tensor(encoded.wrote))
        for look, turn in example.written:
            said = marks.rounds == look + 1
            assert encoder.tokenizer.decode(ids[said].tolist()) == f"{turn.text}<|im_end|>"
            for place, (key, value) in enumerate(FIELDS, 1):
                found = re.findall(rf'"{key}": ({value})', turn.text)
                marked = encoder.tokenizer.decode(ids[said & (marks.fields == place)].tolist())
                assert marked.strip(" ,:") == (found[-1] if found else "")
                read[key] = read.get(key, 0) + len(found)
    names = [key for key, _ in FIELDS]
    assert all(read[key] for key in (names if examples[0].protocol.layout == "append" else ("rating", "bbox_2d")))


def _all_as(example: Example, learn: Learn) -> Example:
    turns = tuple(replace(turn, learn=learn) for turn in example.rationale.turns)
    return replace(example, rationale=replace(example.rationale, turns=turns))


def _to_learn(turn: RationaleTurn) -> str:
    head, _, tail = turn.text.rpartition('"rating": ')
    number = tail.split(",")[0].split("}")[0]
    return {
        Learn.ALL: f"{turn.text}<|im_end|>",
        Learn.WORDS: f'{head}"rating": {tail[len(number) :]}<|im_end|>',
        Learn.RATING: number,
        Learn.NOTHING: "",
    }[turn.learn]


def test_a_rationale_that_shows_another_region_than_was_asked_for_shows_that_one(synthetic_folder: Path) -> None:
    source = RationaleSource(data=str(synthetic_folder), protocol="zoom-brief")
    example = next(item for item in load_examples(source, "a") if len(item.rationale.turns) == 2)
    first, second = example.rationale.turns
    elsewhere = replace(
        second, view=(0.0, 0.5, 0.5, 1.0) if first.text.find("[0.0, 0.5, 0.5, 1.0]") < 0 else (0.5, 0, 1, 0.5)
    )
    moved = replace(example, rationale=replace(example.rationale, turns=(first, elsewhere)))
    image, crop = (turn.images[0] for turn in moved.conversation().user_turns)
    corner = (round(elsewhere.view[0] * 224), round(elsewhere.view[1] * 224))
    assert crop.size == (112, 112)
    assert crop.getpixel((0, 0)) == image.getpixel(corner)
    assert (
        moved.conversation().user_turns[1].images[0].tobytes()
        != example.conversation().user_turns[1].images[0].tobytes()
    )


def test_a_comparison_is_learnt_over_both_of_its_images(
    synthetic_folder: Path, tmp_path: Path, encoder: ChatEncoder
) -> None:
    first, second = load_samples(synthetic_folder, "train")[:2]
    text = "<think>\\nThe second is blurred.\\n</think>\\n<answer>\\nImage A\\n</answer>"
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        f'{{"sample_id": "{first.id}|{second.id}", "turns": [{{"view": [0, 0, 1, 1], "text": "{text}"}}]}}\n'
    )
    source = RationaleSource(str(path), data=str(synthetic_folder), protocol="compare")
    (example,) = load_examples(source, "pairs")
    assert example.samples == (first, second)
    (turn,) = example.conversation().user_turns
    shown = loop_inputs(synthetic_folder, [first, second])
    assert [image.tobytes() for image in turn.images] == [item.image.tobytes() for item in shown]
    encoded = encoder.encode(example.conversation())
    labels = marks_of(example, encoded, encoder).labels
    said = encoder.tokenizer.decode(labels[labels != IGNORED].tolist())
    assert said == f"{example.rationale.turns[0].text}<|im_end|>"
    assert load_protocol("compare").asks == ["choice"]
