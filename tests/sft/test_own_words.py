"""What the agent said itself stays, the truth is taught behind it, and nothing but the truth carries loss."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loupe.core.answer import answer_of, parse, render
from loupe.core.errors import DataError
from loupe.core.files import read_jsonl
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.processors import build_pocket_processor
from loupe.core.policy import Conversation
from loupe.core.protocol import load_protocol
from loupe.core.records import Learn, Rationale, Sample
from loupe.data.degrade import REGIONS
from loupe.data.evidence import overlap
from loupe.data.store import load_samples
from loupe.sft.answer_fields import IGNORED
from loupe.sft.config import SftConfig
from loupe.sft.examples import ExampleCollator, load_examples
from loupe.sft.own_words import FILE, load_own_words, own_rationales, play_own_words
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


def test_the_words_are_the_agents_and_the_rating_is_the_true_one(made: list[tuple[Sample, Rationale]]) -> None:
    for sample, rationale in made:
        for turn in rationale.turns:
            answer = parse(turn.text)
            assert answer.rating == round(sample.rating, 1)
            if turn.learn is Learn.RATING:
                assert (answer.think, answer.distortion_class, answer.severity) == ("I see noise.", "noise", "slight")
            else:
                assert turn.learn is Learn.WORDS


def test_an_ideal_second_look_follows_half_of_the_crops_that_show_the_damage(
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
        assert parse(rationale.turns[1].text).distortion_class == sample.degradation.distortion_class


def test_a_quarter_is_played_without_zooming(made: list[tuple[Sample, Rationale]]) -> None:
    forbidden = [rationale for _, rationale in made if not rationale.zoom_allowed]
    assert 0.15 * len(made) < len(forbidden) < 0.35 * len(made)
    assert all(len(rationale.turns) == 1 for rationale in forbidden)


def test_an_episode_without_a_rating_teaches_nothing(synthetic_folder: Path, samples: list[Sample]) -> None:
    rows = own_rationales(ScriptedPolicy(lambda _: "No idea."), synthetic_folder, samples, PROTOCOL, seed=0)
    assert list(rows) == [None] * len(samples)


def test_an_image_whose_damage_nobody_knows_is_refused(synthetic_folder: Path, samples: list[Sample]) -> None:
    row = {**samples[0].to_json(), "degradation": None}
    with pytest.raises(DataError, match="nobody knows its degradation"):
        list(own_rationales(ScriptedPolicy(guess), synthetic_folder, [Sample.from_json(row)], PROTOCOL, seed=0))


def test_only_the_rating_carries_loss_behind_own_words_and_all_else_in_written_ones(
    synthetic_folder: Path, made: list[tuple[Sample, Rationale]]
) -> None:
    encoder = ChatEncoder(build_pocket_processor())
    own = [rationale for _, rationale in made[:20]]
    examples = load_examples(synthetic_folder, PROTOCOL, limit=8, own=own)
    assert len(examples) == 28
    collate = ExampleCollator(examples, encoder)
    seen = set()
    for index, (_, rationale) in enumerate(examples.rows):
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


def test_own_words_are_written_once_and_a_broken_off_run_goes_on_behind_them(
    tmp_path: Path, small_run: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    # A blank model never gives a rating: rows are there, for the images are done, and none is of use.
    config = small_run(tmp_path / "run", own_words=6, own_temperature=1.0)
    counted: list[tuple[int, int]] = []
    play_own_words(config, progress=lambda done, total: counted.append((done, total)))
    assert counted == [(6, 6)]
    path = tmp_path / "run" / FILE
    whole = path.read_text()
    assert len(read_jsonl(path)) == 6
    with pytest.raises(DataError, match=r"no episode of .* gave a rating"):
        load_own_words(config)
    path.write_text("".join(f"{line}\n" for line in whole.splitlines()[:4]))
    config.resume = True
    play_own_words(config)
    assert path.read_text() == whole
    path.write_text(json.dumps({"stale": 1}) + "\n")
    config.resume = False
    play_own_words(config)
    assert path.read_text() == whole


def test_without_own_words_nothing_is_played(tmp_path: Path, small_run: Make) -> None:
    config = small_run(tmp_path / "run")
    play_own_words(config)
    assert load_own_words(config) == []
    assert not (tmp_path / "run").exists()
