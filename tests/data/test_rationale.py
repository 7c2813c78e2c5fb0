import json
import math
import re
from collections.abc import Sequence

import numpy as np
import pytest

from loupe.core.answer import Answer, parse
from loupe.core.errors import DataError
from loupe.core.model.tokenizer import build_tokenizer
from loupe.core.records import SEVERITIES, WHOLE, Box, Degradation, Learn, Rationale, Sample
from loupe.data.degrade import CLEAN, REGIONS, draw_degradation
from loupe.data.evidence import Evidence, overlap
from loupe.data.rationale import RationaleShares, finding, write_rationale

IDEAL = RationaleShares(no_zoom=0, doubtful_hard=0, doubtful_easy=0, wrong_crop=0)
NO_ZOOM = RationaleShares(no_zoom=1, doubtful_hard=0, doubtful_easy=0, wrong_crop=0)
DOUBTFUL = RationaleShares(no_zoom=0, doubtful_hard=1, doubtful_easy=1, wrong_crop=0)
WRONG_CROP = RationaleShares(no_zoom=0, doubtful_hard=0, doubtful_easy=0, wrong_crop=1)
WORDS = {
    "noise": {"noise"},
    "blur": {"blur"},
    "compression": {"compression"},
    "darken": {"darkening"},
    "brighten": {"brightening"},
    "pixelate": {"pixelation"},
}
CENTRE = (0.25, 0.25, 0.75, 0.75)


def case(number: int) -> tuple[Sample, Evidence]:
    """A labelled image that was never drawn: a truth and ratings at random."""
    rng = np.random.default_rng([77, number])
    truth = draw_degradation(rng, clean_share=0.08, local_share=0.65)
    ratings = np.round(rng.uniform(1, 5, 11), 2).tolist()
    evidence = Evidence(f"x-{number}", ratings[0], ratings[1], tuple(ratings[2:]))
    return labelled(truth, evidence), evidence


def labelled(truth: Degradation | None, evidence: Evidence) -> Sample:
    rating, hard = evidence.rating, evidence.hard
    return Sample(evidence.id, "x.png", "d", "train", rating, rating, degradation=truth, hard=hard)


CASES = [case(number) for number in range(2000)]
MIXED = [write_rationale(*pair, seed=[5, number]) for number, pair in enumerate(CASES)]


def written(shares: RationaleShares) -> list[tuple[Sample, Evidence, Rationale]]:
    return [(*pair, write_rationale(*pair, seed=number, shares=shares)) for number, pair in enumerate(CASES[:600])]


def truth_of(sample: Sample) -> Degradation:
    assert sample.degradation is not None
    return sample.degradation


def words(answer: Answer) -> set[str]:
    return set(re.findall(r"[a-z]+", answer.think.lower()))


def place_words(box: Box | None) -> set[str]:
    """What the place of a region is called, from the middle of its box alone."""
    if box is None or box == WHOLE:
        return {"everywhere"} if box else set()
    across, down = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    sides = {"left": across < 0.5, "right": across > 0.5, "top": down < 0.5, "bottom": down > 0.5}
    return {word for word, holds in sides.items() if holds} or {"centre"}


def assert_says(answer: Answer, truth: Degradation, *, place: bool) -> None:
    """The sentence and the fields name this truth and nothing that contradicts it."""
    said = words(answer)
    nouns = WORDS.get(str(truth.distortion_class), set())
    assert bool(said & nouns) == bool(nouns)
    assert not said & (set().union(*WORDS.values()) - nouns)
    severity = SEVERITIES[truth.severity - 1] if truth.severity else None
    assert said & set(SEVERITIES) == ({severity} if severity else set())
    where = {"left", "right", "top", "bottom", "centre", "everywhere"}
    assert said & where == (place_words(truth.bbox_2d) if place else set())
    assert (answer.distortion_class, answer.severity) == (truth.distortion_class, severity)


def test_every_text_parses_back_as_a_usable_and_well_formed_answer_with_every_key():
    for rationale in MIXED:
        for turn in rationale.turns:
            answer = parse(turn.text)
            assert answer.usable, turn.text
            assert answer.well_formed
            assert set(answer.said) == {"distortion_class", "severity", "bbox_2d", "rating", "tool"}


def test_the_last_turn_is_the_verdict_and_always_true():
    for (sample, _), rationale in zip(CASES, MIXED, strict=True):
        last = parse(rationale.turns[-1].text)
        truth = truth_of(sample)
        assert last.tool == "final"
        assert last.rating == pytest.approx(sample.rating, abs=0.05 + 1e-9)
        assert (last.distortion_class, last.bbox_2d) == (truth.distortion_class, truth.bbox_2d)


def test_an_episode_starts_with_the_whole_image_and_has_at_most_two_looks():
    for rationale in MIXED:
        assert rationale.turns[0].view == WHOLE
        assert len(rationale.turns) == 1 + (parse(rationale.turns[0].text).tool == "crop")


def test_the_second_look_shows_the_region_that_the_first_asked_for():
    for rationale in MIXED:
        if len(rationale.turns) == 2:
            first = parse(rationale.turns[0].text)
            assert first.wants_crop
            assert first.bbox_2d == rationale.turns[1].view


def test_an_ideal_first_look_says_what_how_strong_and_where():
    for sample, _, rationale in written(IDEAL):
        assert_says(parse(rationale.turns[0].text), truth_of(sample), place=True)
        assert rationale.zoom_allowed


def test_an_ideal_second_look_carries_no_loss_because_the_first_has_said_it_all():
    for _, _, rationale in written(IDEAL):
        assert [turn.learn for turn in rationale.turns] == [Learn.ALL, Learn.NOTHING][: len(rationale.turns)]


def test_easy_images_are_finished_and_hard_ones_are_cropped_where_the_damage_is():
    for sample, evidence, rationale in written(IDEAL):
        if not sample.hard:
            assert len(rationale.turns) == 1
            continue
        truth = truth_of(sample)
        worst = REGIONS[evidence.region_ratings.index(min(evidence.region_ratings))]
        assert rationale.turns[1].view == (truth.bbox_2d if truth.is_local else worst)


def test_the_second_look_names_the_damage_and_compares_with_the_overview():
    for sample, evidence, rationale in written(IDEAL):
        if len(rationale.turns) == 1:
            continue
        second = parse(rationale.turns[1].text)
        assert_says(second, truth_of(sample), place=False)
        change = sample.rating - evidence.overview_rating
        assert ("worse" in words(second)) == (change < -0.25)
        assert ("better" in words(second)) == (change > 0.25)


def test_without_zoom_no_crop_is_asked_for():
    for sample, _, rationale in written(NO_ZOOM):
        assert not rationale.zoom_allowed
        assert len(rationale.turns) == 1
        answer = parse(rationale.turns[0].text)
        assert answer.tool == "final"
        assert_says(answer, truth_of(sample), place=True)


def test_a_doubtful_first_look_carries_no_loss_and_is_corrected():
    wrong, views, clean = 0, [], 0
    for sample, _, rationale in written(DOUBTFUL):
        truth = truth_of(sample)
        first, second = rationale.turns
        assert (first.learn, second.learn) == (Learn.NOTHING, Learn.ALL)
        if truth.distortion_class is None:
            clean += 1
        else:
            views.append(overlap(truth, second.view))
        assert_says(parse(second.text), truth, place=False)
        before, after = parse(first.text), parse(second.text)
        wrong += (before.distortion_class, before.severity) != (after.distortion_class, after.severity)
        assert before.rating is not None
        if abs(sample.rating - before.rating) > 0.35:
            assert ("worse" in words(after)) == (sample.rating < before.rating)
            assert ("better" in words(after)) == (sample.rating > before.rating)
    assert wrong > 500
    assert clean > 10
    assert min(views) == 0.25
    assert 0.5 < np.mean([view == 1 for view in views]) < 0.9


def test_a_wrong_crop_misses_the_damage_and_the_first_view_stands():
    seen = 0
    for sample, _, rationale in written(WRONG_CROP):
        truth = truth_of(sample)
        if not truth.is_local or truth.bbox_2d == CENTRE:
            continue
        first, second = rationale.turns
        assert (first.learn, second.learn) == (Learn.NOTHING, Learn.ALL)
        assert overlap(truth, second.view) == 0
        assert_says(parse(first.text), truth, place=True)
        assert {"keep", "my", "first", "view"} <= words(parse(second.text))
        seen += 1
    assert seen > 250


def near(count: int, total: int, share: float) -> bool:
    """Within four standard deviations of a binomial."""
    return abs(count - total * share) <= 4 * math.sqrt(total * share * (1 - share))


@pytest.mark.parametrize(("hard", "doubtful"), [(True, 0.2), (False, 0.5)])
def test_the_kinds_come_about_as_often_as_configured(hard: bool, doubtful: float):
    pairs = [(sample, item) for (sample, _), item in zip(CASES, MIXED, strict=True) if sample.hard is hard]
    looks = [(truth_of(sample), item) for sample, item in pairs if item.zoom_allowed]
    assert near(len(pairs) - len(looks), len(pairs), 0.25)
    damaged = [(truth, item) for truth, item in looks if truth.distortion_class is not None]
    missable = [(truth, item) for truth, item in damaged if truth.is_local and truth.bbox_2d != CENTRE]
    masked = [(truth, item) for truth, item in missable if item.turns[0].learn is Learn.NOTHING]
    missed = [item for truth, item in masked if overlap(truth, item.turns[1].view) == 0]
    assert near(len(missed), len(missable), 0.1)
    assert near(len(masked) - len(missed), len(missable), doubtful)
    others = [item for truth, item in damaged if not truth.is_local or truth.bbox_2d == CENTRE]
    assert near(sum(item.turns[0].learn is Learn.NOTHING for item in others), len(others), 0.1 + doubtful)


def test_a_seed_gives_its_words_and_wording_varies():
    sample, evidence = CASES[0]
    again = [write_rationale(sample, evidence, seed=[5, 0]) for _ in range(2)]
    assert again == [MIXED[0]] * 2
    assert len({write_rationale(sample, evidence, seed=seed) for seed in range(40)}) > 5


@pytest.mark.parametrize("crop", [False, True])
def test_what_is_found_follows_the_same_openings_whatever_it_is_and_comes_before_its_strength(crop: bool):
    rng = np.random.default_rng(6)
    openings = []
    for distortion_class in (None, *WORDS):
        truth = Degradation(distortion_class, 2, REGIONS[4]) if distortion_class else CLEAN
        sentences = {finding(truth, rng, crop=crop) for _ in range(60)}
        found = next(iter(WORDS.get(str(distortion_class), {"no damage"})))
        openings.append({sentence[: sentence.index(f" {found}")] for sentence in sentences})
        assert all("moderate" not in opening for opening in openings[-1])
    assert all(opening == openings[0] for opening in openings)
    assert len(openings[0]) == 3


def test_a_turn_takes_few_tokens_of_the_pocket_agent():
    tokenizer = build_tokenizer()
    texts = sorted({turn.text for rationale in MIXED for turn in rationale.turns})
    lengths = [len(ids) for ids in tokenizer(texts)["input_ids"]]
    assert max(lengths) <= 60


def test_every_word_is_a_token_of_its_own():
    tokenizer = build_tokenizer()
    said = set[str]()
    for rationale in MIXED:
        for turn in rationale.turns:
            said |= set(re.findall(r" [a-z]+", parse(turn.text).think))
    split = {word for word in said if len(tokenizer.encode(word)) > 1}
    assert not split


@pytest.mark.parametrize("rating", [1.0, 5.0, 0.2, 6.0])
def test_ratings_at_and_beyond_the_ends_are_written_within_them(rating: float):
    evidence = Evidence("x", rating, rating, (rating,) * 9)
    rationale = write_rationale(labelled(CLEAN, evidence), evidence, seed=0, shares=IDEAL)
    assert parse(rationale.turns[-1].text).rating == min(max(rating, 1.0), 5.0)


@pytest.mark.parametrize(
    ("truth", "complaint"),
    [(None, "nobody knows"), (Degradation("noise", 3, (0.1, 0.1, 0.3, 0.3)), "no words for the region")],
)
def test_what_cannot_be_put_into_true_words_is_refused(truth: Degradation | None, complaint: str):
    evidence = Evidence("x", 3.0, 3.0, (3.0,) * 9)
    with pytest.raises(DataError, match=complaint):
        write_rationale(labelled(truth, evidence), evidence, seed=0)


@pytest.mark.parametrize("rationales", [MIXED[:50]])
def test_rationales_survive_json(rationales: Sequence[Rationale]):
    for rationale in rationales:
        assert Rationale.from_json(json.loads(json.dumps(rationale.to_json()))) == rationale
