"""A mix is a sum of sources, each with its own file, folder, protocol and weight."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from loupe.core.config import load_config
from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.files import read_json, read_jsonl
from loupe.sft.config import SftConfig
from loupe.sft.mix import repeated
from loupe.sft.sources import RationaleSource, load_examples
from loupe.sft.train import run_sft

Make = Callable[..., SftConfig]


def test_without_sources_the_stage_is_its_own_single_one() -> None:
    config = SftConfig(data="data/a", protocol="zoom", limit=7)
    assert config.mix == {"rationales": RationaleSource(data="data/a", protocol="zoom", limit=7)}


def test_a_source_takes_from_the_stage_what_it_does_not_say(tmp_path: Path) -> None:
    path = tmp_path / "mix.yaml"
    path.write_text("data: data/a\nsources:\n  own: {weight: 2}\n  far: {data: data/b, protocol: zoom, limit: 3}\n")
    assert load_config(SftConfig, path).mix == {
        "own": RationaleSource(data="data/a", protocol="zoom-brief", weight=2.0),
        "far": RationaleSource(data="data/b", protocol="zoom", limit=3),
    }


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["sources.a.weight=0"], "wanted a number above 0"),
        (["sources.a.limit=-1"], "wanted 0 or more"),
        (["sources.a.wieght=2"], "weight"),
        (["sources.a.limit=1", "limit=3"], r"set sources\.NAME\.limit"),
        (["patience=2"], "set eval_every"),
        (["max_tokens=-1"], "max_tokens: got -1"),
        (["probe_every=0"], "wanted at least 1 step"),
    ],
)
def test_what_a_mix_cannot_be_is_refused(words: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load_config(SftConfig, None, words)


def test_a_weight_is_how_often_an_epoch_shows_an_example() -> None:
    places = list(range(10, 20))
    assert repeated(places, 1.0) == places
    assert Counter(Counter(repeated(places, 2.0)).values()) == {2: 10}
    assert Counter(Counter(repeated(places, 2.5)).values()) == {2: 5, 3: 5}
    half = repeated(places, 0.5)
    assert len(half) == len(set(half)) == 5
    assert half == sorted(half) == repeated(places, 0.5)


def test_rationales_may_lie_anywhere_and_name_images_of_the_folder(synthetic_folder: Path, looked_twice: Path) -> None:
    source = RationaleSource(str(looked_twice), data=str(synthetic_folder), protocol="zoom-iqa")
    examples = load_examples(source, "teacher")
    assert {example.source for example in examples} == {"teacher"}
    assert {example.sample.split for example in examples} == {"train"}
    # A file of one's own has no held-out half unless one is named.
    assert load_examples(source, "teacher", split="val") == []


def test_a_held_out_file_must_name_held_out_images(synthetic_folder: Path, looked_twice: Path) -> None:
    source = RationaleSource(held_out=str(looked_twice), data=str(synthetic_folder), protocol="zoom-iqa")
    with pytest.raises(DataError, match=r"rationales name no image of val\.jsonl"):
        load_examples(source, "teacher", split="val")


def test_a_file_that_is_not_there_or_holds_something_else_is_named(synthetic_folder: Path, tmp_path: Path) -> None:
    source = RationaleSource(str(tmp_path / "no.jsonl"), data=str(synthetic_folder), protocol="zoom")
    with pytest.raises(MissingFileError, match=r"no .*no\.jsonl; make it with"):
        load_examples(source, "a")
    (tmp_path / "no.jsonl").write_text('{"sample": "x"}\n')
    with pytest.raises(DataError, match=r"no\.jsonl, line 1: a row does not fit"):
        load_examples(source, "a")


GOOD = {"view": [0, 0, 1, 1], "text": "so"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"sample_id": 5, "turns": [GOOD]}, "sample_id: got 5"),
        ({"sample_id": "a"}, "turns: got None"),
        ({"sample_id": "a", "turns": []}, r"turns: got \[\]"),
        ({"sample_id": "a", "turns": "x"}, "turns: got 'x'"),
        ({"sample_id": "a", "turns": ["x"]}, r"turns\[0\]: got 'x'"),
        ({"sample_id": "a", "turns": [GOOD], "zoom_allowed": "no"}, "zoom_allowed: got 'no'"),
        ({"sample_id": "a", "turns": [GOOD], "extra": 1}, "extra"),
        ({"sample_id": "a", "turns": [GOOD, {**GOOD, "text": 5}]}, r"turns\[1\]\.text: got 5"),
        ({"sample_id": "a", "turns": [{**GOOD, "text": None}]}, r"turns\[0\]\.text: got None"),
        ({"sample_id": "a", "turns": [{**GOOD, "learn": "everything"}]}, "everything"),
        ({"sample_id": "a", "turns": [{**GOOD, "learn": ["all"]}]}, "all"),
        ({"sample_id": "a", "turns": [{**GOOD, "more": 1}]}, "more"),
        *(
            ({"sample_id": "a", "turns": [{**GOOD, "view": view}]}, r"turns\[0\]\.view: got ")
            for view in (
                None,
                5,
                [0, 0, 1],
                ["a", 0, 1, 1],
                [True, 0, 1, 1],
                [float("nan"), 0, 1, 1],
                [0.9, 0.9, 0.1, 0.1],
                [0.5, 0.5, 0.5, 0.5],
                [0, 0, 2, 2],
                [-0.1, 0, 1, 1],
                [20, 20, 120, 120],
            )
        ),
    ],
)
def test_a_row_that_is_no_rationale_is_named_by_file_and_line(
    synthetic_folder: Path, tmp_path: Path, row: dict[str, object], reason: str
) -> None:
    path = tmp_path / "mine.jsonl"
    good = read_jsonl(synthetic_folder / "rationales" / "train.jsonl")[0]
    path.write_text(json.dumps(good) + "\n\n" + json.dumps(row) + "\n")
    source = RationaleSource(str(path), data=str(synthetic_folder), protocol="zoom-brief")
    with pytest.raises(DataError, match=rf"mine\.jsonl, line 3: .*{reason}") as caught:
        load_examples(source, "a")
    assert "\n" not in str(caught.value)


def test_rationales_that_were_written_in_another_protocol_are_refused(synthetic_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "built"
    shutil.copytree(synthetic_folder, data)
    (data / "manifest.json").write_text(json.dumps({"config": {"protocol": "zoom"}}))
    ours, theirs = (RationaleSource(data=str(data), protocol=name) for name in ("zoom", "zoom-brief"))
    assert load_examples(ours, "a")
    for source in (
        theirs,
        RationaleSource(str(data / "rationales" / "train.jsonl"), data=str(synthetic_folder), protocol="zoom-brief"),
    ):
        with pytest.raises(DataError, match="written in the protocol zoom; got protocol=zoom-brief, set protocol=zoom"):
            load_examples(source, "a")
    # A variant with words of one's own has the name of what it is based on.
    (tmp_path / "mine.yaml").write_text("base: zoom\nsystem: Look well.\n")
    assert load_examples(RationaleSource(data=str(data), protocol=str(tmp_path / "mine.yaml")), "a")
    # The file of another folder was not written by whoever made this one.
    shutil.copy(data / "rationales" / "train.jsonl", tmp_path / "own.jsonl")
    assert load_examples(RationaleSource(str(tmp_path / "own.jsonl"), data=str(data), protocol="zoom-brief"), "a")


def test_an_empty_source_of_a_mix_is_refused_by_name(tmp_path: Path, small_run: Make) -> None:
    (tmp_path / "none.jsonl").write_text("")
    sources = {"full": RationaleSource(limit=4), "hollow": RationaleSource(str(tmp_path / "none.jsonl"))}
    with pytest.raises(ConfigError, match=r"none\.jsonl has no rationales; fill it, or leave out sources\.hollow"):
        run_sft(small_run(tmp_path / "run", sources=sources))
    assert not (tmp_path / "run").exists()


def test_a_run_learns_from_two_protocols_and_two_folders(
    tmp_path: Path, small_run: Make, synthetic_folder: Path, looked_twice: Path
) -> None:
    shutil.copytree(synthetic_folder, tmp_path / "other")
    sources = {
        "brief": RationaleSource(limit=4, weight=1.5),
        "far": RationaleSource(str(looked_twice), data=str(tmp_path / "other"), protocol="zoom-iqa", limit=3),
    }
    out = tmp_path / "run"
    assert load_config(SftConfig, None, ["sources.a.limit=4"]).sources["a"].limit == 4
    run_sft(small_run(out, sources=sources, trainer={"max_steps": -1, "num_train_epochs": 1}))
    kept = read_json(out / "length.json")["train"]["kept"]
    assert kept["brief"]["examples"] == 4
    far = kept["far"]["examples"]
    assert far > 3
    steps = [row["step"] for row in read_jsonl(out / "metrics.jsonl") if "loss" in row]
    # Four a batch, of six times one of four and once the others.
    assert steps[-1] == -(-(6 + far) // 4)
    named = read_json(out / "environment.json")["data_sha256"]
    assert set(named) == {
        str(synthetic_folder / "manifest.json"),
        str(tmp_path / "other" / "manifest.json"),
        str(looked_twice),
    }


def test_a_folder_without_held_out_rationales_may_take_those_of_another(
    tmp_path: Path, small_run: Make, synthetic_folder: Path
) -> None:
    data = tmp_path / "packed"
    shutil.copytree(synthetic_folder, data)
    (data / "rationales" / "val.jsonl").unlink()
    with pytest.raises(MissingFileError, match=r"val\.jsonl; .* another in sources\.NAME\.held_out, or set eval_every"):
        run_sft(small_run(tmp_path / "run", data=str(data), eval_every=2))
    sources = {"mine": RationaleSource(held_out=str(synthetic_folder / "rationales" / "val.jsonl"))}
    run_sft(small_run(tmp_path / "run", data=str(data), eval_every=2, sources=sources))
    assert read_json(tmp_path / "run" / "length.json")["held_out"]["kept"]["mine"]["examples"] == 4


def test_weights_that_leave_an_epoch_empty_are_refused(tmp_path: Path, small_run: Make) -> None:
    sources = {"a": RationaleSource(limit=4, weight=0.01)}
    with pytest.raises(ConfigError, match="leave no example of 4 in an epoch"):
        run_sft(small_run(tmp_path / "run", sources=sources))
    assert not (tmp_path / "run" / "length.json").exists()


def test_without_held_out_rationales_evaluation_is_refused(tmp_path: Path, small_run: Make, looked_twice: Path) -> None:
    sources = {"far": RationaleSource(str(looked_twice), protocol="zoom-iqa")}
    with pytest.raises(ConfigError, match="no source has held-out rationales"):
        run_sft(small_run(tmp_path / "run", sources=sources, eval_every=2))
    assert not (tmp_path / "run").exists()


def test_the_mix_is_written_as_it_was_resolved(tmp_path: Path, small_run: Make) -> None:
    config = small_run(tmp_path / "run", sources={"a": RationaleSource(limit=4)}, trainer={"max_steps": 1})
    run_sft(config)
    assert load_config(SftConfig, tmp_path / "run" / "config.yaml") == config
    assert json.dumps(read_json(tmp_path / "run" / "watched" / "index.json")).count("val-") >= 1
