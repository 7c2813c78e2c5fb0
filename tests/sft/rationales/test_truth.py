from dataclasses import replace
from pathlib import Path

import pytest

from loupe.core.errors import ConfigError, DataError
from loupe.core.images import open_image
from loupe.core.policy import Conversation, UserTurn
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import Sample, StopReason
from loupe.core.sections import has_all
from loupe.data.degrade import CLEAN
from loupe.data.store import load_evidence, load_samples
from loupe.sft.rationales.truth import TruthPolicy
from loupe.sft.rationales.truth_words import where
from loupe.zoom.loop import LoopInput, Played, play


def played(folder: Path, protocol: Protocol, *, seed: int = 0) -> list[tuple[Sample, Played]]:
    samples = load_samples(folder, "train")
    policy = TruthPolicy(samples, load_evidence(folder, "train"), protocol)
    inputs = [LoopInput(f"{sample.id}#0", sample.id, open_image(folder / sample.image)) for sample in samples]
    return list(zip(samples, play(policy, inputs, protocol, seed=seed), strict=True))


def test_every_look_has_the_form_of_zoom_iqa(synthetic_folder: Path):
    protocol = load_protocol("zoom-iqa")
    for _, item in played(synthetic_folder, protocol):
        assert item.episode.stop_reason is StopReason.FINAL
        for number, turn in enumerate(item.episode.turns):
            assert turn.answer.well_formed
            assert has_all(turn.answer.think, protocol.later_sections if number else protocol.sections)


def test_hard_pictures_are_looked_at_twice_and_the_rating_is_the_label(synthetic_folder: Path):
    for sample, item in played(synthetic_folder, load_protocol("zoom-iqa")):
        assert item.episode.zoomed is bool(sample.hard)
        verdict = item.episode.verdict
        assert verdict is not None
        assert verdict.answer.rating == pytest.approx(sample.rating, abs=0.005)


@pytest.mark.parametrize("name", ["zoom", "zoom-brief"])
def test_it_speaks_the_dialect_of_loupe_in_the_words_of_the_synthetic_rationales(name: str, synthetic_folder: Path):
    for sample, item in played(synthetic_folder, load_protocol(name)):
        assert sample.degradation is not None
        assert item.episode.zoomed is bool(sample.hard)
        answer = item.episode.turns[-1].answer
        assert answer.usable
        assert answer.distortion_class == sample.degradation.distortion_class
        assert all(len(turn.answer.think) < 160 for turn in item.episode.turns)


def test_the_same_seed_says_the_same_and_another_one_other_words(synthetic_folder: Path):
    protocol = load_protocol("zoom-iqa")
    said = [
        [turn.text for _, item in played(synthetic_folder, protocol, seed=seed) for turn in item.episode.turns]
        for seed in (0, 0, 1)
    ]
    assert said[0] == said[1] != said[2]


def test_without_a_picture_what_it_says_does_not_depend_on_the_truth(synthetic_folder: Path):
    samples, evidence = load_samples(synthetic_folder, "train"), load_evidence(synthetic_folder, "train")
    others = [replace(sample, rating=6 - sample.rating, hard=not sample.hard, degradation=CLEAN) for sample in samples]
    blind = [Conversation(f"{samples[0].id}#{n}/blind", "", [UserTurn((), "Go on.")]) for n in range(30)]
    said = [
        [reply.text for reply in TruthPolicy(known, evidence, load_protocol("zoom-iqa")).respond(blind, seed=0)]
        for known in (samples, others)
    ]
    assert said[0] == said[1]
    assert len(set(said[0])) == 30


def test_pictures_that_nobody_labelled_and_protocols_that_it_does_not_speak_are_refused():
    with pytest.raises(DataError, match="nobody knows"):
        TruthPolicy([Sample("a", "a.png", "d", "train", 3.0, 3.0)], [], load_protocol("zoom-iqa"))
    with pytest.raises(ConfigError, match="dialects"):
        TruthPolicy([], [], load_protocol("score"))
    with pytest.raises(ConfigError, match="4 sections"):
        TruthPolicy([], [], Protocol(sections=["One", "Two"]))
    with pytest.raises(ConfigError, match="wants sections"):
        TruthPolicy([], [], Protocol(dialect="zoom-iqa"))


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (None, "all over"),
        ((0.0, 0.0, 1.0, 1.0), "all over"),
        ((0.0, 0.0, 0.4, 0.4), "at the top left"),
        ((0.25, 0.25, 0.75, 0.75), "in the middle"),
        ((0.5, 0.0, 1.0, 1.0), "at the middle right"),
    ],
)
def test_regions_have_words(box: tuple[float, float, float, float] | None, words: str):
    assert where(box) == words
