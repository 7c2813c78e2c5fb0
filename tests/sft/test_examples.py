"""An example is the conversation that the loop would have had, and loss lies on the words to be learnt alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from loupe.core.answer import parse
from loupe.core.errors import DataError, MissingFileError
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.processors import build_pocket_processor
from loupe.core.protocol import load_protocol
from loupe.core.records import WHOLE, Learn, Rationale, RationaleTurn
from loupe.data.store import load_rationales, load_samples
from loupe.sft.collator import ExampleCollator
from loupe.sft.examples import Example
from loupe.sft.labels import IGNORED
from loupe.sft.sources import RationaleSource, load_examples
from loupe.zoom.inputs import loop_inputs
from loupe.zoom.look import Look
from loupe.zoom.loop import play
from loupe.zoom.scripted import ScriptedPolicy

PROTOCOLS = ("zoom-brief", "zoom")


@pytest.fixture(scope="module")
def encoder() -> ChatEncoder:
    return ChatEncoder(build_pocket_processor())


def examples_in(folder: Path, protocol: str = "zoom-brief", *, limit: int = 0) -> list[Example]:
    return load_examples(RationaleSource(data=str(folder), protocol=protocol), "rationales", limit=limit)


@pytest.fixture(scope="module")
def examples(synthetic_folder: Path) -> list[Example]:
    return examples_in(synthetic_folder)


def kinds(examples: list[Example], *, of: Callable[[Rationale], bool]) -> list[int]:
    """Numbers of the rationales of a kind; every kind must be there, else the test would say nothing."""
    found = [number for number, example in enumerate(examples) if of(example.rationale)]
    assert found
    return found


def by_hand(texts: list[str], questions: list[str]) -> str:
    """The words that the pocket agent's chat layout puts around a conversation, pads left out."""
    turns = zip(questions, texts, strict=True)
    return "".join(
        f"<|im_start|>user\n<|vision_start|><|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n{text}<|im_end|>\n"
        for question, text in turns
    ).removesuffix("\n")


FINAL = '<think>So it is.</think><answer>{"rating": 3.0, "tool": "final"}</answer>'


def test_an_example_ends_with_a_turn_that_is_learnt(synthetic_folder: Path) -> None:
    written = load_rationales(synthetic_folder, "train")
    assert any(item.turns[-1].learn is Learn.NOTHING for item in written)
    rows = [example.rationale for example in examples_in(synthetic_folder)]
    for taken, whole in zip(rows, written, strict=True):
        assert taken.turns[-1].learn is Learn.ALL
        assert taken.turns == whole.turns[: len(taken.turns)]
        assert all(turn.learn is Learn.NOTHING for turn in whole.turns[len(taken.turns) :])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_prompts_in_training_and_in_rollouts_are_the_same_id_for_id(
    synthetic_folder: Path, encoder: ChatEncoder, name: str
) -> None:
    protocol = load_protocol(name)
    examples = examples_in(synthetic_folder, name)
    inputs = loop_inputs(synthetic_folder, load_samples(synthetic_folder, "train"))
    compared = 0
    for example in examples:
        sample, rationale = example.sample, example.rationale
        texts = [turn.text for turn in rationale.turns]
        # A confirmation that carries no loss is no part of the example; the episode that asked for it goes on.
        confirmed = parse(texts[-1]).wants_crop
        policy = ScriptedPolicy({sample.id: [*texts, FINAL] if confirmed else texts})
        (source,) = (item for item in inputs if item.sample_id == sample.id)
        look = Look.DECIDED if rationale.zoom_allowed else Look.NEVER
        (played,) = play(policy, [source], protocol, look=look)
        if name == "zoom-brief":
            # With a third round to come, the longer protocol asks another question after the crop.
            assert len(played.episode.turns) == len(rationale.turns) + confirmed
        whole = encoder.encode(example.conversation())
        for (asked,) in policy.seen[: len(rationale.turns)]:
            prompt = encoder.encode(asked)
            length = len(prompt.input_ids)
            assert prompt.input_ids == whole.input_ids[:length]
            assert whole.wrote[length]
            assert prompt.pixel_values is not None
            assert whole.pixel_values is not None
            assert torch.equal(prompt.pixel_values, whole.pixel_values[: len(prompt.pixel_values)])
            compared += 1
    assert compared == sum(len(example.rationale.turns) for example in examples)
    assert compared > len(examples)


def test_a_second_look_shows_the_crop_that_was_asked_for(examples: list[Example]) -> None:
    for number in kinds(examples, of=lambda item: len(item.turns) == 2):
        overview, crop = (turn.images[0] for turn in examples[number].conversation().user_turns)
        left, top, right, bottom = examples[number].rationale.turns[1].view
        assert crop.size == (round((right - left) * 224), round((bottom - top) * 224))
        corner = (round(left * 224), round(top * 224))
        assert crop.getpixel((0, 0)) == overview.getpixel(corner)


def test_the_question_says_whether_a_crop_may_be_asked_for(examples: list[Example]) -> None:
    protocol = load_protocol("zoom-brief")
    for example in examples:
        rationale = example.rationale
        first, *later = [turn.text for turn in example.conversation().user_turns]
        assert first == (protocol.question if rationale.zoom_allowed else protocol.no_zoom_question)
        assert later == [protocol.final_question] * (len(rationale.turns) - 1)
    assert kinds(examples, of=lambda item: not item.zoom_allowed)


def test_a_look_that_is_not_the_last_is_asked_for_differently(synthetic_folder: Path) -> None:
    examples = examples_in(synthetic_folder, "zoom")
    number = kinds(examples, of=lambda item: len(item.turns) == 2)[0]
    assert examples[number].conversation().user_turns[1].text == examples[number].protocol.crop_question


def test_labels_are_the_words_to_be_learnt_token_by_token(examples: list[Example], encoder: ChatEncoder) -> None:
    chosen = list(range(len(examples)))
    batch = ExampleCollator(examples, encoder)([{"index": index} for index in chosen])
    assert batch["labels"].shape == batch["input_ids"].shape
    for row, index in enumerate(chosen):
        rationale = examples[index].rationale
        labels, ids = batch["labels"][row], batch["input_ids"][row]
        carries = labels != IGNORED
        assert torch.equal(labels[carries], ids[carries])
        learnt = "".join(f"{turn.text}<|im_end|>" for turn in rationale.turns if turn.learn is Learn.ALL)
        assert encoder.tokenizer.decode(labels[carries].tolist()) == learnt
        attended = ids[batch["attention_mask"][row].bool()].tolist()
        texts, questions = zip(
            *(
                (turn.text, asked.text)
                for turn, asked in zip(rationale.turns, examples[index].conversation().user_turns, strict=True)
            ),
            strict=True,
        )
        words = encoder.tokenizer.decode(attended).replace("<|image_pad|>", "")
        assert words == by_hand(list(texts), list(questions))


def test_what_is_not_to_be_learnt_carries_no_loss(examples: list[Example], encoder: ChatEncoder) -> None:
    collate = ExampleCollator(examples, encoder)
    for index in kinds(examples, of=lambda item: any(turn.learn is Learn.NOTHING for turn in item.turns)):
        labels = collate([{"index": index}])["labels"][0]
        (first, second) = examples[index].rationale.turns
        assert (first.learn, second.learn) == (Learn.NOTHING, Learn.ALL)
        ids = encoder.encode(examples[index].conversation()).input_ids
        end = ids.index(encoder.end_id, ids.index(encoder.end_id) + 1)
        assert encoder.tokenizer.decode(ids[: end + 1]).endswith(f"{first.text}<|im_end|>")
        assert (labels[: end + 1] == IGNORED).all()
        assert int((labels != IGNORED).sum()) == len(encoder.reply_ids(second.text))


def test_no_pad_and_no_image_token_carries_loss(examples: list[Example], encoder: ChatEncoder) -> None:
    batch = ExampleCollator(examples, encoder)([{"index": index} for index in range(len(examples))])
    assert (batch["labels"][batch["attention_mask"] == 0] == IGNORED).all()
    assert (batch["labels"][batch["mm_token_type_ids"] == 1] == IGNORED).all()
    assert (batch["attention_mask"] == 0).any()


def test_a_batch_does_not_depend_on_its_neighbours(examples: list[Example], encoder: ChatEncoder) -> None:
    collate = ExampleCollator(examples, encoder)
    together = collate([{"index": 0}, {"index": 1}])
    alone = collate([{"index": 1}])
    length = alone["input_ids"].shape[1]
    for name in ("input_ids", "attention_mask", "labels"):
        assert torch.equal(together[name][1, -length:], alone[name][0])


def test_a_limit_draws_rationales_and_the_same_ones_every_time(synthetic_folder: Path, examples: list[Example]) -> None:
    some = examples_in(synthetic_folder, limit=6)
    assert some == examples_in(synthetic_folder, limit=6)
    places = [examples.index(row) for row in some]
    assert len(places) == 6
    assert places == sorted(set(places))
    assert places != list(range(6))


@pytest.fixture
def copy_of(synthetic_folder: Path, tmp_path: Path) -> Callable[[list[Rationale]], Path]:
    """A data folder of which the rationales are others."""

    def make(rationales: list[Rationale]) -> Path:
        folder = tmp_path / "copy"
        shutil.copytree(synthetic_folder, folder)
        lines = "".join(json.dumps(rationale.to_json()) + "\n" for rationale in rationales)
        (folder / "rationales" / "train.jsonl").write_text(lines)
        return folder

    return make


def test_a_rationale_of_an_unknown_image_is_refused(copy_of: Callable[[list[Rationale]], Path]) -> None:
    folder = copy_of([Rationale("nobody", (RationaleTurn(WHOLE, "It is blur."),))])
    with pytest.raises(DataError, match=r"1 rationales name no image of train\.jsonl, first 'nobody'"):
        examples_in(folder)


def test_more_looks_than_the_protocol_allows_are_refused(
    copy_of: Callable[[list[Rationale]], Path], examples: list[Example]
) -> None:
    turn = RationaleTurn(WHOLE, "It is blur.")
    folder = copy_of([Rationale(examples[0].sample.id, (turn,) * 3)])
    with pytest.raises(DataError, match="a rationale takes 3 looks, zoom-brief allows 2"):
        examples_in(folder)


def test_a_folder_without_rationales_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="make the folder with `loupe data synth`"):
        examples_in(tmp_path)


def test_an_image_outside_of_the_folder_is_not_opened(
    copy_of: Callable[[list[Rationale]], Path], examples: list[Example]
) -> None:
    sample, rationale = examples[0].sample, examples[0].rationale
    folder = copy_of([rationale])
    row = {**sample.to_json(), "image": "../outside.png"}
    (folder / "train.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match="leads out of"):
        examples_in(folder)[0].conversation()
