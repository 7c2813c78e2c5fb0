"""What is too long is left out whole, counted by source and reason, and the longest is named."""

import gc
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin
from transformers import Qwen2VLImageProcessorPil

from loupe.core.errors import ConfigError, ImageError, MissingFileError
from loupe.core.files import read_json
from loupe.core.images import open_image, size_of
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.processors import build_pocket_processor
from loupe.core.records import Learn
from loupe.sft.config import SftConfig
from loupe.sft.examples import Example
from loupe.sft.lengths import CONTROL, UNASKED, UNLABELLED, UNREADABLE, TokenCounter, fitting
from loupe.sft.sources import RationaleSource, load_examples
from loupe.sft.train import run_sft


@pytest.fixture(scope="module")
def encoder(processors: dict[str, Any]) -> ChatEncoder:
    return ChatEncoder(processors["qwen2_5"])


@pytest.fixture(scope="module")
def examples(synthetic_folder: Path, looked_twice: Path) -> list[Example]:
    data = str(synthetic_folder)
    brief = load_examples(RationaleSource(data=data, protocol="zoom-brief"), "brief")
    return brief + load_examples(RationaleSource(str(looked_twice), data=data, protocol="zoom-iqa"), "long")


def test_counted_lengths_are_those_of_the_encoded_examples(encoder: ChatEncoder, examples: list[Example]) -> None:
    counter = TokenCounter(encoder)
    lengths = [counter.tokens(example) for example in examples]
    assert lengths == [len(encoder.encode(example.conversation()).input_ids) for example in examples]
    assert len(set(lengths)) > 10


def test_a_longer_example_is_left_out_whole_and_the_bound_itself_is_kept(
    encoder: ChatEncoder, examples: list[Example]
) -> None:
    whole = fitting(examples, encoder, max_tokens=0)
    assert (whole.kept, whole.lost) == (tuple(examples), ())
    bound = sorted(whole.tokens)[len(whole.tokens) // 2]
    seen: list[tuple[int, int]] = []
    half = fitting(examples, encoder, max_tokens=bound, progress=lambda *step: seen.append(step))
    assert seen[-1] == (len(examples), len(examples))
    assert half.kept == tuple(item for item, length in zip(examples, whole.tokens, strict=True) if length <= bound)
    assert max(half.tokens) == bound
    report = half.report()
    longest = max(range(len(examples)), key=lambda place: whole.tokens[place])
    assert report["left_out_longest"] == {
        "source": examples[longest].source,
        "example": examples[longest].name,
        "reason": f"longer than {bound:,} tokens",
        "tokens": whole.tokens[longest],
    }
    counted = {name: sum(reasons.values()) for name, reasons in report["left_out"].items()}
    kept = {name: item["examples"] for name, item in report["kept"].items()}
    for name in ("brief", "long"):
        assert counted.get(name, 0) + kept.get(name, 0) == sum(item.source == name for item in examples)
    assert sum(counted.values()) == len(examples) - len(half.kept)
    first, *rest = half.lines()
    assert first.startswith(f"{len(half.kept)} examples of {min(half.tokens)} to {bound:,} tokens; the longest is ")
    assert any(examples[longest].name in line and f"{whole.tokens[longest]:,} tokens" in line for line in rest)


def test_nothing_left_to_learn_from_is_refused(encoder: ChatEncoder, examples: list[Example]) -> None:
    with pytest.raises(ConfigError, match=r"nothing is left .* longer than 5 tokens; .* set a larger max_tokens"):
        fitting(examples[:4], encoder, max_tokens=5)


def test_what_no_episode_could_be_is_left_out_too(encoder: ChatEncoder, examples: list[Example]) -> None:
    twice = next(example for example in examples if len(example.rationale.turns) == 2)
    first, second = twice.rationale.turns

    def with_turns(*turns: Any) -> Example:
        return replace(twice, rationale=replace(twice.rationale, turns=turns))

    unasked = with_turns(replace(first, text=first.text.replace('"crop"', '"final"')), second)
    unreadable = with_turns(replace(first, text=first.text.replace("</answer>", ""), learn=Learn.ALL))
    made = fitting([twice, unasked, unreadable], encoder, max_tokens=0)
    assert made.kept == (twice,)
    assert [item.reason for item in made.lost] == [UNASKED, UNREADABLE]


@pytest.mark.parametrize("token", ["<|image_pad|>", "<|im_end|>"])
@pytest.mark.parametrize("look", [0, 1])
def test_a_reply_that_spells_a_control_token_is_left_out(
    encoder: ChatEncoder, examples: list[Example], token: str, look: int
) -> None:
    # The first reply is learnt in one example, and recalled in the other.
    twice = [example for example in examples if len(example.rationale.turns) == 2 and example.source == "long"][:4]
    turns = list(twice[0].rationale.turns)
    turns[look] = replace(turns[look], text=turns[look].text.replace("Issues:", f"Issues: {token}"))
    spelt = [replace(item, rationale=replace(item.rationale, turns=tuple(turns))) for item in twice]
    made = fitting([*twice, *spelt], encoder, max_tokens=0)
    assert made.kept == tuple(twice)
    assert {item.reason for item in made.lost} == {CONTROL}


def test_a_reply_without_the_sections_of_its_protocol_is_left_out(
    encoder: ChatEncoder, examples: list[Example]
) -> None:
    looks = [item for item in examples if len(item.rationale.turns) == 2 and item.source == "long"]
    second = next(item for item in looks if item.segment == 1)
    first = next(item for item in looks if item.segment == 0)

    def without(example: Example, label: str) -> Example:
        turns = list(example.rationale.turns)
        text = turns[example.segment].text
        assert label in text
        turns[example.segment] = replace(turns[example.segment], text=text.replace(label, "", 1))
        return replace(example, rationale=replace(example.rationale, turns=tuple(turns)))

    odd = [without(first, "Decision: "), without(second, "Verdict: ")]
    made = fitting([first, second, *odd], encoder, max_tokens=0)
    assert made.kept == (first, second)
    assert [item.reason for item in made.lost] == [UNLABELLED, UNLABELLED]


def test_brief_rationales_do_not_pass_for_those_with_sections(synthetic_folder: Path, encoder: ChatEncoder) -> None:
    brief = load_examples(RationaleSource(data=str(synthetic_folder), protocol="zoom-iqa"), "brief")
    with pytest.raises(ConfigError, match=f"nothing is left .* {UNLABELLED}"):
        fitting(brief, encoder, max_tokens=0)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_the_size_of_a_file_is_that_of_the_picture(tmp_path: Path, orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"picture.{kind}"
    Image.new("RGB", (40, 24)).save(path, exif=exif)
    assert size_of(path) == open_image(path).size == ((24, 40) if orientation == 6 else (40, 24))


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"a\.png"):
        size_of(tmp_path / "a.png")
    with pytest.raises(MissingFileError, match=r"b\.png"):
        size_of(tmp_path / "b.png")


@pytest.mark.parametrize("size", [(96, 96), (96, 64)])
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "bmp"])
def test_a_picture_of_which_the_end_is_missing_is_refused_as_when_it_is_opened(
    tmp_path: Path, kind: str, size: tuple[int, int]
) -> None:
    path = tmp_path / f"picture.{kind}"
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    Image.fromarray(noise).save(path)
    assert size_of(path) == size
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    for read in (open_image, size_of):
        with pytest.raises(ImageError, match=r"cannot be decoded|no image that can be read"):
            read(path)


def test_a_jpeg_with_something_behind_its_end_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpeg"
    Image.new("RGB", (40, 24)).save(path)
    for tail in (b"\0" * 9, b"\xff\xda more"):
        path.write_bytes(path.read_bytes() + tail)
        assert size_of(path) == open_image(path).size == (40, 24)


@pytest.mark.parametrize(
    ("side", "reason"), [(15_000, "at most 64,000,000 pixels"), (9_000, "at most 64,000,000"), (4, "8 px")]
)
def test_what_is_not_opened_for_its_size_is_refused_before_training(tmp_path: Path, side: int, reason: str) -> None:
    path = tmp_path / "picture.png"
    rows = BytesIO()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    PngImagePlugin.putchunk(rows, b"IHDR", header)
    PngImagePlugin.putchunk(rows, b"IDAT", zlib.compress(bytes(1000)))
    PngImagePlugin.putchunk(rows, b"IEND")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + rows.getvalue())
    for read in (open_image, size_of):
        with pytest.raises(ImageError, match=reason):
            read(path)


def test_counting_keeps_no_picture_of_any_size(tmp_path: Path, encoder: ChatEncoder, examples: list[Example]) -> None:
    twice = next(example for example in examples if len(example.rationale.turns) == 2)
    sizes = [(1200, 1000 + number) for number in range(6)]
    many: list[Example] = []
    for number, size in enumerate(sizes):
        Image.new("RGB", size).save(tmp_path / f"{number}.jpeg")
        sample = replace(twice.sample, image=f"{number}.jpeg")
        many.append(replace(twice, folder=tmp_path, samples=(sample,)))
    counter = TokenCounter(encoder)
    held = set(map(id, pictures_held()))
    lengths = [counter.tokens(example) for example in many]
    new = [image for image in pictures_held() if id(image) not in held]
    assert max((image.width for image in new), default=0) < 1000
    assert lengths == [len(encoder.encode(example.conversation()).input_ids) for example in many]


def test_a_processor_that_cannot_tell_from_the_size_is_asked_with_a_blank(examples: list[Example]) -> None:
    class Mute(Qwen2VLImageProcessorPil):
        get_number_of_image_patches = None  # pyright: ignore[reportAssignmentType]

    pocket = build_pocket_processor()
    mute = build_pocket_processor()
    mute.image_processor = Mute(
        **{key: getattr(pocket.image_processor, key) for key in ("patch_size", "merge_size", "size")}
    )
    some = examples[:6]
    told, asked = (TokenCounter(ChatEncoder(one)) for one in (pocket, mute))
    assert [told.tokens(example) for example in some] == [asked.tokens(example) for example in some]


def pictures_held() -> list[Image.Image]:
    gc.collect()
    # By type: to ask a lazy object for its class may import things.
    return [thing for thing in gc.get_objects() if issubclass(type(thing), Image.Image)]


def test_a_run_leaves_the_report_in_its_folder_and_says_it(
    tmp_path: Path, small_run: Callable[..., SftConfig], synthetic_folder: Path, looked_twice: Path
) -> None:
    said: list[str] = []
    sources = {
        "brief": RationaleSource(),
        "long": RationaleSource(str(looked_twice), protocol="zoom-iqa", limit=2),
    }
    run_sft(small_run(tmp_path / "run", sources=sources, max_tokens=400), say=said.append)
    report = read_json(tmp_path / "run" / "length.json")
    assert json.dumps(report).count("held_out") == 0
    assert report["train"]["left_out"] == {"long": {"longer than 400 tokens": 3}}
    assert report["train"]["kept"]["brief"]["examples"] == 20
    assert said[0].startswith("20 examples of ")
    assert said[1].startswith("left out 3 of long: longer than 400 tokens; the longest is ")


def test_a_run_with_nothing_left_leaves_its_folder_free(tmp_path: Path, small_run: Callable[..., SftConfig]) -> None:
    with pytest.raises(ConfigError, match="nothing is left"):
        run_sft(small_run(tmp_path / "run", max_tokens=5))
    assert not (tmp_path / "run").exists()
