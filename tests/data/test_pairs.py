"""Pairs to compare: labelled by opinion, inside one data set, in both orders."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.errors import ConfigError, DataError
from loupe.core.files import read_jsonl, write_jsonl
from loupe.core.records import CHOICES, Sample
from loupe.data.pairs import Pair, PairsConfig, draw_pairs, write_pairs

RATINGS = (1.0, 1.2, 2.0, 3.0, 3.1, 4.5)
SAMPLES = [
    Sample(f"{name}{place}", "x.png", name, "train", rating, rating)
    for name in ("a", "b")
    for place, rating in enumerate(RATINGS)
]
BY_ID = {sample.id: sample for sample in SAMPLES}


def draw(**settings: float) -> list[Pair]:
    return draw_pairs(SAMPLES, PairsConfig(**settings))  # type: ignore[arg-type]


def test_every_pair_is_followed_by_itself_in_the_other_order() -> None:
    drawn = draw(count=10)
    assert len(drawn) == 20
    assert [pair.swapped() for pair in drawn[::2]] == drawn[1::2]
    assert len({frozenset((pair.image_a, pair.image_b)) for pair in drawn}) == 10


@given(st.integers(0, 1000))
def test_a_label_says_what_the_opinions_say_and_pairs_stay_in_one_data_set(seed: int) -> None:
    for pair in draw(count=8, seed=seed):
        first, second = BY_ID[pair.image_a], BY_ID[pair.image_b]
        gap = first.rating - second.rating
        assert pair.choice == ("Similar" if abs(gap) < 0.35 else "Image A" if gap > 0 else "Image B")
        assert first.dataset == second.dataset == pair.dataset


def test_as_many_are_alike_as_was_asked_for_and_no_place_is_the_better_one() -> None:
    counts = {choice: sum(pair.choice == choice for pair in draw(count=20, alike_share=0.2)) for choice in CHOICES}
    assert counts == {"Image A": 16, "Image B": 16, "Similar": 8}


def test_the_same_seed_draws_the_same_pairs() -> None:
    assert draw(count=10, seed=3) == draw(count=10, seed=3) != draw(count=10, seed=4)


@pytest.mark.parametrize(("samples", "most"), [([], 0), (SAMPLES[:1], 0), (SAMPLES, 30)])
def test_more_pairs_than_there_are_are_refused_at_once(samples: list[Sample], most: int) -> None:
    with pytest.raises(DataError, match=f"make {most} pairs inside their data sets, 1000000 are wanted"):
        draw_pairs(samples, PairsConfig(count=1_000_000))


def test_too_few_pairs_of_a_kind_are_an_error_that_says_how_many_are_missing() -> None:
    with pytest.raises(DataError, match=r"hold too few pairs: 11 that are alike .* ask for fewer"):
        draw_pairs(SAMPLES, PairsConfig(count=30, alike_share=0.5))


def test_a_file_of_pairs_lies_beside_its_samples(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "test.jsonl", (sample.to_json() for sample in SAMPLES))
    path = write_pairs(PairsConfig(data=str(tmp_path), split="test", count=5))
    assert path == tmp_path / "pairs-test.jsonl"
    assert len([Pair(**row) for row in read_jsonl(path)]) == 10


def test_images_are_paired_with_those_of_their_own_reference_where_that_is_wanted() -> None:
    made = [replace(item, reference=f"references/{place % 2}.png") for place, item in enumerate(SAMPLES[:6])]
    names = {item.id: item.reference for item in made}
    drawn = draw_pairs([*made, *SAMPLES[6:]], PairsConfig(count=6, same_reference=True, alike_share=0.0))
    assert len(drawn) == 12
    assert all(names[pair.image_a] == names[pair.image_b] for pair in drawn)
    # Two pictures with three images each make two times three pairs, and the other images have no reference.
    with pytest.raises(DataError, match="make 6 pairs among those of one reference"):
        draw_pairs([*made, *SAMPLES[6:]], PairsConfig(count=7, same_reference=True))


def test_images_that_nobody_rated_are_not_paired() -> None:
    unrated = [replace(item, id=f"{item.id}-unrated", rating=math.nan) for item in SAMPLES]
    assert {pair.image_a.endswith("-unrated") for pair in draw_pairs([*SAMPLES, *unrated], PairsConfig(count=20))} == {
        False
    }
    with pytest.raises(DataError, match="0 images make 0 pairs"):
        draw_pairs(unrated, PairsConfig(count=1))


def test_a_pair_keeps_its_reference_when_it_is_swapped_and_older_files_have_none() -> None:
    assert Pair("a", "b", "Image A", "d", "r").swapped() == Pair("b", "a", "Image B", "d", "r")
    assert Pair(image_a="a", image_b="b", choice="Similar", dataset="d").reference is None


@pytest.mark.parametrize("wrong", [{"count": 0}, {"margin": 0.0}, {"alike_share": 1.5}])
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="wanted count"):
        PairsConfig(**wrong)  # type: ignore[arg-type]
