"""What the agent said itself stays, the truth is taught behind it, and nothing but the truth carries loss."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from loupe.core.answer import answer_of, parse, render
from loupe.core.errors import DataError, LoupeError
from loupe.core.files import read_jsonl
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.processors import build_pocket_processor
from loupe.core.policy import Conversation
from loupe.core.protocol import load_protocol
from loupe.core.records import WHOLE, Learn, Rationale, RationaleTurn, Sample
from loupe.data.degrade import REGIONS
from loupe.data.evidence import overlap
from loupe.data.store import load_samples
from loupe.sft.collator import ExampleCollator
from loupe.sft.config import SftConfig
from loupe.sft.labels import IGNORED
from loupe.sft.learned import learned_of
from loupe.sft.own_words import own_rationales, own_words, spoken_examples, without_ratings
from loupe.sft.sources import RationaleSource, load_examples
from loupe.sft.train import run_sft
from loupe.zoom.scripted import ScriptedPolicy

Make = Callable[..., SftConfig]
PROTOCOL = load_protocol("zoom-brief")


def guess(conversation: Conversation) -> str:
    """An agent that takes everything for noise; it crops the top left where it may."""
    ask = not conversation.replies and conversation.user_turns[0].text == PROTOCOL.question
    box = REGIONS[0] if ask else (0.0, 0.0, 1.0, 1.0)
    tool = "crop" if ask else "final"
    fields = {"distortion_class": "noise", "severity": "slight", "bbox_2d": box, "rating": 2.2, "tool": tool}
    return render(answer_of("I see noise.", **fields))


@pytest.fixture(scope="module")
def samples(synthetic_folder: Path) -> list[Sample]:
    return load_samples(synthetic_folder, "train")


@pytest.fixture(scope="module")
def made(synthetic_folder: Path, samples: list[Sample]) -> list[tuple[Sample, Rationale]]:
    """Rationales after the guessing agent, for enough seeds that every kind comes up."""
    pairs = []
    for seed in range(12):
        rows = own_rationales(ScriptedPolicy(guess), synthetic_folder, samples, PROTOCOL, seed=seed)
        pairs += [(sample, row) for sample, row in zip(samples, rows, strict=True) if row is not None]
    assert len(pairs) == 12 * len(samples)
    return pairs


def test_what_was_said_stays_but_for_the_last_rating_which_is_the_true_one(
    made: list[tuple[Sample, Rationale]],
) -> None:
    for sample, rationale in made:
        *before, last = rationale.turns
        for turn in before:
            assert turn.learn is Learn.NOTHING
            assert parse(turn.text).rating == 2.2
        if last.learn is Learn.RATING:
            answer = parse(last.text)
            assert answer.rating == round(sample.rating, 1)
            assert (answer.think, answer.distortion_class, answer.severity) == ("I see noise.", "noise", "slight")
        else:
            assert last.learn is Learn.WORDS


def test_an_ideal_last_look_follows_half_of_the_crops_that_show_the_damage(
    made: list[tuple[Sample, Rationale]],
) -> None:
    zoomed = [(sample, item) for sample, item in made if len(item.turns) == 2]
    shown = [(sample, item) for sample, item in zoomed if overlap(sample.degradation, REGIONS[0]) >= 0.2]
    ideal = [(sample, item) for sample, item in zoomed if item.turns[1].learn is Learn.WORDS]
    assert 0.3 * len(shown) < len(ideal) < 0.7 * len(shown)
    assert len(shown) < len(zoomed)
    for sample, rationale in ideal:
        assert (sample, rationale) in shown
        assert rationale.turns[1].view == REGIONS[0]
        answer = parse(rationale.turns[1].text)
        assert answer.distortion_class == sample.degradation.distortion_class
        # It compares with what the agent had said before, not with the truth.
        assert ("better" in answer.think) == (sample.rating - 2.2 > 0.25)
        assert ("worse" in answer.think) == (sample.rating - 2.2 < -0.25)


def test_a_quarter_is_played_without_zooming(made: list[tuple[Sample, Rationale]]) -> None:
    forbidden = [rationale for _, rationale in made if not rationale.zoom_allowed]
    assert 0.15 * len(made) < len(forbidden) < 0.35 * len(made)
    assert all(len(rationale.turns) == 1 for rationale in forbidden)


def test_an_episode_without_a_rating_teaches_nothing(synthetic_folder: Path, samples: list[Sample]) -> None:
    rows = own_rationales(ScriptedPolicy(lambda _: "No idea."), synthetic_folder, samples, PROTOCOL, seed=0)
    assert list(rows) == [None] * len(samples)


def test_an_image_whose_damage_nobody_knows_is_refused_before_anything_is_played(
    tmp_path: Path, synthetic_folder: Path, small_run: Make
) -> None:
    shutil.copytree(synthetic_folder, tmp_path / "data")
    path = tmp_path / "data" / "train.jsonl"
    rows = [{**row, "degradation": None} for row in read_jsonl(path)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    policy = ScriptedPolicy(guess)
    config = small_run(tmp_path / "run", data=str(tmp_path / "data"), own_words=3)
    with pytest.raises(DataError, match="nobody knows its degradation"):
        own_words(config, lambda: policy, PROTOCOL)
    assert policy.calls == 0


def test_only_the_rating_carries_loss_behind_own_words_and_all_else_in_written_ones(
    synthetic_folder: Path, made: list[tuple[Sample, Rationale]]
) -> None:
    encoder = ChatEncoder(build_pocket_processor())
    source = RationaleSource(data=str(synthetic_folder), protocol="zoom-brief")
    written = without_ratings(load_examples(source, "written", limit=8), PROTOCOL)
    examples = [*written, *spoken_examples(made[:20], synthetic_folder, PROTOCOL)]
    assert len(examples) == 28
    collate = ExampleCollator(examples, encoder)
    seen = set()
    for index, rationale in enumerate(example.rationale for example in examples):
        labels = collate([{"index": index}])["labels"][0]
        learnt = encoder.tokenizer.decode(labels[labels != IGNORED].tolist())
        wanted = ""
        for turn in rationale.turns:
            rating = f"{parse(turn.text).rating}"
            before, after = turn.text.rsplit(rating, 1)
            seen.add(turn.learn)
            wanted += {
                Learn.RATING: rating,
                Learn.WORDS: f"{before}{after}<|im_end|>",
                Learn.NOTHING: "",
            }[turn.learn]
        assert learnt == wanted
    assert seen == {Learn.RATING, Learn.WORDS, Learn.NOTHING}


class Split:
    """A tokenizer with a token a character, as far as the collator looks."""

    def __call__(self, text: str, **_: object) -> SimpleNamespace:
        places = range(len(text))
        return SimpleNamespace(input_ids=list(places), offset_mapping=[(place, place + 1) for place in places])


@pytest.mark.parametrize("text", ['<answer>{"rating": 3.75, "tool": "final"}</answer>', '{"rating":4}'])
def test_a_rating_of_several_tokens_is_learnt_whole(text: str) -> None:
    encoder = SimpleNamespace(tokenizer=Split(), reply_ids=lambda text: (*range(len(text)), -1))
    marks = {kind: learned_of(RationaleTurn(WHOLE, text, kind), encoder) for kind in (Learn.RATING, Learn.WORDS)}
    number = "3.75" if "3.75" in text else "4"
    assert "".join(letter for letter, mark in zip(text, marks[Learn.RATING], strict=False) if mark) == number
    assert marks[Learn.WORDS] == [not mark for mark in marks[Learn.RATING]]


def test_images_that_were_played_are_not_played_again(tmp_path: Path, small_run: Make) -> None:
    config = small_run(tmp_path / "run", own_words=6)
    Path(config.out).mkdir()
    counted: list[tuple[int, int]] = []
    first = own_words(config, lambda: ScriptedPolicy(guess), PROTOCOL, progress=lambda *step: counted.append(step))
    assert counted == [(6, 6)]
    assert len({sample.id for sample, _ in first}) == 6
    (path,) = Path(config.out).glob("own_words-*.jsonl")
    whole = path.read_text()
    path.write_text("".join(f"{line}\n" for line in whole.splitlines()[:4]))
    policy = ScriptedPolicy(guess)
    assert own_words(config, lambda: policy, PROTOCOL) == first
    assert {conversation.key for call in policy.seen for conversation in call} == {row[0].id for row in first[4:]}
    assert path.read_text() == whole
    assert own_words(config, lambda: pytest.fail("all are there"), PROTOCOL) == first


def test_another_number_of_processes_goes_on_with_the_same_images(tmp_path: Path, small_run: Make) -> None:
    config = small_run(tmp_path / "run", own_words=6)
    Path(config.out).mkdir()
    first = own_words(config, lambda: ScriptedPolicy(guess), PROTOCOL)
    (path,) = Path(config.out).glob("own_words-*.jsonl")
    lines = path.read_text().splitlines()
    path.write_text("".join(f"{line}\n" for line in lines[1::2]))
    path.with_name("own_words-7.jsonl").write_text("".join(f"{line}\n" for line in lines[::2]))
    assert own_words(config, lambda: pytest.fail("all are there"), PROTOCOL) == first


@pytest.mark.parametrize(("images", "reason"), [(-1, "wanted 0 or more"), (4, r"no episode of .* gave a rating")])
def test_own_words_that_cannot_be_had_are_refused(tmp_path: Path, small_run: Make, images: int, reason: str) -> None:
    # The blank model of a small run says nothing that could be read.
    with pytest.raises(LoupeError, match=reason):
        run_sft(small_run(tmp_path / "run", own_words=images, own_temperature=1.0))


def test_a_run_learns_from_own_words(tmp_path: Path, small_run: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loupe.sft.train.LocalPolicy", lambda *_, **__: ScriptedPolicy(guess))
    played: list[tuple[int, int]] = []
    folder = run_sft(small_run(tmp_path / "run", own_words=6), playing=lambda *step: played.append(step))
    assert played == [(6, 6)]
    assert (folder / "model.safetensors").is_file()
