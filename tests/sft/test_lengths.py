"""What is too long is left out whole, counted by source and reason, and the longest is named."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from loupe.core.errors import ConfigError, ImageError, MissingFileError
from loupe.core.files import read_json
from loupe.core.images import open_image
from loupe.core.model.encode import ChatEncoder
from loupe.core.records import Learn
from loupe.sft.config import SftConfig
from loupe.sft.examples import Example
from loupe.sft.lengths import UNASKED, UNREADABLE, TokenCounter, fitting, size_of
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
