"""Chunks without repetition, the same for every process and every restart, and rare ratings ever more often."""

import json
import math
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loupe.core.errors import ConfigError, DataError
from loupe.grpo.sampler import ProgressiveSampler, ResamplingConfig, Rows, lag_of

COMMON, RARE = 4.5, 1.2
ONE = Rows([COMMON] * 27 + [RARE] * 3, ["x"] * 30)
MIXED = Rows(
    np.linspace(1, 5, 60).tolist(),
    ["koniq", "spaq", "kadid"] * 20,
    ["score", "score", "degradation"] * 20,
)
BOTH_PARTS = ResamplingConfig(final_power=1.0, spent_weight=0.05, recent=1)


def sampler(rows: Rows = ONE, config: ResamplingConfig | None = None, **changes: Any) -> ProgressiveSampler:
    plain = {"images_per_chunk": 5, "generations": 4, "passes": 3, "chunks": 6, "seed": 0}
    return ProgressiveSampler(rows, config or ResamplingConfig(), **{**plain, **changes})


def chunks_of(made: ProgressiveSampler) -> np.ndarray:
    """Indices as (chunks, passes, images, generations)."""
    return np.array(list(made)).reshape(made.chunks, made.passes, made.images_per_chunk, made.generations)


def rewards_of(made: ProgressiveSampler, chunk: int) -> np.ndarray:
    """Made-up rewards (images, generations) that hang on the images alone: odd rows teach nothing."""
    images = made.images(chunk)
    rewards = np.tile(np.arange(float(made.generations)), (len(images), 1))
    return np.where(images[:, None] % 2 == 1, 0.5, rewards)


def trained(made: ProgressiveSampler, *, until: int | None = None, ahead: int = 1) -> ProgressiveSampler:
    """Learn from chunk after chunk, as a trainer whose loader draws `ahead` chunks before the one that is played."""
    last = made.chunks if until is None else until
    for chunk in range(len(made.state_dict()["learnt"]), last):
        made.images(min(chunk + ahead, made.chunks - 1))
        made.learn(chunk, rewards_of(made, chunk))
    return made


def drawn(made: ProgressiveSampler) -> list[list[int]]:
    return [made.images(chunk).tolist() for chunk in range(made.chunks)]


def test_a_chunk_holds_distinct_images_each_once_for_each_generation() -> None:
    indices = chunks_of(sampler())
    assert (indices == indices[..., :1]).all()
    for chunk in indices[:, 0, :, 0]:
        assert len(set(chunk.tolist())) == 5


def test_every_pass_over_a_chunk_sees_the_same_images() -> None:
    indices = chunks_of(sampler())
    assert (indices == indices[:, :1]).all()
    assert len({tuple(chunk) for chunk in indices[:, 0, :, 0].tolist()}) == 6


def test_the_length_is_the_number_of_indices() -> None:
    assert len(sampler()) == len(list(sampler())) == 6 * 3 * 5 * 4


def test_two_processes_draw_the_same_and_another_seed_something_else() -> None:
    assert list(sampler()) == list(sampler())
    assert list(sampler()) != list(sampler(seed=1))
    assert drawn(trained(sampler(config=BOTH_PARTS))) == drawn(trained(sampler(config=BOTH_PARTS)))


def test_power_zero_and_no_spent_weight_is_uniform_throughout() -> None:
    flat = trained(sampler(config=ResamplingConfig(final_power=0)))
    for chunk in range(6):
        assert flat.weights(chunk) == pytest.approx(np.ones(30))
    assert flat.metrics()["resampling/effective_size"] == pytest.approx(1)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_the_first_chunk_is_uniform_and_the_share_of_rare_ratings_grows(power: float) -> None:
    made = sampler(config=ResamplingConfig(final_power=power))
    assert made.weights(0) == pytest.approx(np.ones(30))
    shares = [made.weights(chunk)[27:].sum() for chunk in range(6)]
    assert all(later > earlier for earlier, later in pairwise(shares))
    # At the end a rare image weighs (27 / 3) to the power times a common one.
    assert made.weights(5)[27] / made.weights(5)[0] == pytest.approx(9**power)


def test_at_power_one_every_bin_comes_equally_often() -> None:
    ratings = np.repeat([1.2, 2.2, 3.2, 4.2], [40, 80, 120, 360])
    made = sampler(
        Rows(ratings.tolist(), ["x"] * 600),
        ResamplingConfig(final_power=1, schedule="constant", bins=4),
        images_per_chunk=1,
        chunks=2000,
    )
    counts = np.bincount(np.digitize(ratings[np.concatenate(drawn(made))], [2, 3, 4]), minlength=4)
    # The 99.9 % point of chi-square with 3 degrees of freedom; a uniform draw gives above 1000.
    assert ((counts - 500) ** 2 / 500).sum() < 16.3


def test_one_chunk_alone_is_drawn_uniformly() -> None:
    assert sampler(chunks=1).weights(0) == pytest.approx(np.ones(30))


def test_a_chunk_as_large_as_the_data_takes_every_image() -> None:
    rows = Rows([1.0, 2.0, 3.0, 4.0, 5.0], ["x"] * 5)
    assert sorted(sampler(rows).images(3).tolist()) == [0, 1, 2, 3, 4]


def test_the_mix_comes_out_right_over_a_hundred_chunks() -> None:
    made = sampler(MIXED, mix={"score": 0.7, "degradation": 0.3}, images_per_chunk=3, chunks=100)
    tasks = np.array(MIXED.tasks)[np.array(drawn(made))]
    assert (tasks == "score").sum() == 210
    assert (tasks == "score").sum(axis=1).min() >= 2


def test_without_a_mix_tasks_are_balanced_however_many_rows_they_have() -> None:
    made = sampler(MIXED, images_per_chunk=4, chunks=50)
    assert (np.array(MIXED.tasks)[np.array(drawn(made))] == "score").sum(axis=1).tolist() == [2] * 50


def test_a_task_with_a_share_of_zero_is_never_drawn() -> None:
    made = sampler(MIXED, mix={"score": 1, "degradation": 0}, chunks=50)
    assert set(np.array(MIXED.tasks)[np.array(drawn(made))].ravel().tolist()) == {"score"}


def test_a_chunk_takes_two_images_or_none_of_a_data_set() -> None:
    made = sampler(MIXED, images_per_chunk=10, chunks=60, per_dataset=2, mix={"score": 0.7, "degradation": 0.3})
    touched = 0
    for chunk in drawn(made):
        names, counts = np.unique(np.array(MIXED.datasets)[chunk], return_counts=True)
        assert counts.min() >= 2
        touched += len(names)
    # With seven images of two data sets most chunks touch both.
    assert touched > 60 * 2.5


def test_a_chunk_knows_what_was_learnt_two_chunks_before_and_nothing_later() -> None:
    before, after = sampler(config=BOTH_PARTS), sampler(config=BOTH_PARTS)
    for made in (before, after):
        trained(made, until=2)
    dead = np.zeros((5, 4))
    before.learn(2, rewards_of(before, 2))
    after.learn(2, dead)
    assert before.images(3).tolist() == after.images(3).tolist()
    assert before.weights(3).tolist() == after.weights(3).tolist()
    assert before.weights(4).tolist() != after.weights(4).tolist()
    spent = after.weights(4) / sampler(config=ResamplingConfig(final_power=1)).weights(4)
    assert spent[after.images(2)] == pytest.approx(np.full(5, 0.05))


def test_spent_images_are_drawn_less_often() -> None:
    config = ResamplingConfig(final_power=0, spent_weight=0.02, recent=1)
    made = trained(sampler(config=config, chunks=60))
    odd = np.array(drawn(made)) % 2 == 1
    assert odd[:2].mean() == pytest.approx(0.5, abs=0.3)
    # By then all odd images were seen: 15 that weigh 0.02 against 15 that weigh 1.
    assert odd[30:].mean() < 0.1


def test_a_chunk_that_is_played_again_replaces_what_it_taught() -> None:
    once, again = trained(sampler(config=BOTH_PARTS), until=3), trained(sampler(config=BOTH_PARTS), until=3)
    again.learn(2, np.zeros((5, 4)))
    again.learn(2, rewards_of(again, 2))
    assert again.state_dict() == once.state_dict()


def test_a_chunk_cannot_be_drawn_before_it_is_known_what_it_hangs_on() -> None:
    made = sampler(config=BOTH_PARTS)
    made.images(1)
    with pytest.raises(ConfigError, match=re.escape("chunk 2 is drawn before chunk 0 was learnt from")):
        made.images(2)
    further = sampler(config=BOTH_PARTS, lag=4)
    further.images(3)
    with pytest.raises(ConfigError, match="chunk 4 is drawn before chunk 0"):
        further.images(4)


def loader(made: ProgressiveSampler, *, passes: int, accumulation: int, updates: int) -> Iterator[int]:
    """The trainer's order: it takes the batches of one update and one more, then plays; yields chunks to learn from."""
    fetched = played = 0
    for _ in range(updates):
        while fetched < min(played + accumulation + 1, updates * accumulation):
            made.images(fetched // passes)
            fetched += 1
        for _ in range(accumulation):
            if played % passes == 0:
                yield played // passes
            played += 1


@given(st.integers(1, 6), st.integers(1, 12), st.integers(1, 8))
@settings(deadline=None)
def test_the_lag_is_enough_for_every_pace_of_the_trainer(passes: int, accumulation: int, updates: int) -> None:
    chunks = -(-updates * accumulation // passes)
    lag = lag_of(passes=passes, accumulation=accumulation)
    made = sampler(config=BOTH_PARTS, passes=passes, chunks=chunks, lag=lag)
    for chunk in loader(made, passes=passes, accumulation=accumulation, updates=updates):
        made.learn(chunk, rewards_of(made, chunk))
    assert len(made.state_dict()["learnt"]) == chunks


@pytest.mark.parametrize("config", [ResamplingConfig(), BOTH_PARTS, ResamplingConfig(final_power=0, spent_weight=0.1)])
@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("cut", range(7))
def test_a_run_that_goes_on_draws_what_it_would_have_drawn(config: ResamplingConfig, ahead: int, cut: int) -> None:
    changes: dict[str, Any] = {"config": config, "images_per_chunk": 4, "mix": {"score": 0.6, "degradation": 0.4}}
    whole = trained(sampler(MIXED, **changes))
    killed = trained(sampler(MIXED, **changes), until=cut, ahead=ahead)
    assert len(killed.state_dict()["drawn"]) == (min(cut + ahead, 6) if cut else 0)
    state = json.loads(json.dumps(killed.state_dict(), allow_nan=False))
    resumed = sampler(MIXED, **changes)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    assert drawn(trained(resumed)) == drawn(whole)
    assert list(resumed) == list(whole)
    assert resumed.state_dict() == whole.state_dict()


def test_recorded_chunks_come_as_they_came() -> None:
    made = sampler()
    state = trained(made, until=2).state_dict()
    state["drawn"][1] = [9, 8, 7, 6, 5]
    again = sampler()
    again.load_state_dict(state)
    assert chunks_of(again)[1, 0, :, 0].tolist() == [9, 8, 7, 6, 5]


def test_a_run_may_go_on_for_longer() -> None:
    short = trained(sampler(config=BOTH_PARTS))
    longer = sampler(config=BOTH_PARTS, chunks=9)
    longer.load_state_dict(short.state_dict())
    assert drawn(trained(longer))[:6] == drawn(short)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 31}, "rows=31; wanted 30"),
        ({"seed": 1}, "seed=1; wanted 0"),
        ({"images_per_chunk": 4}, "images_per_chunk=4; wanted 5"),
        ({"version": 0}, "version=0; wanted 1"),
        ({"drawn": None}, "malformed"),
        ({"drawn": [[0, 1, 2]]}, "malformed"),
        ({"drawn": [[0, 1, 2, 3, 30]]}, "malformed"),
        ({"drawn": [[0, 1, 2, 3, 3]]}, "malformed"),
        ({"drawn": [[0, 1, 2, 3, 4.5]]}, "malformed"),
        ({"learnt": [{"mean": [0.0] * 5}]}, "malformed"),
        ({"learnt": [{"mean": [0.0] * 5, "spread": [0.0] * 4}]}, "malformed"),
        ({"learnt": [{"mean": ["a"] * 5, "spread": [0.0] * 5}]}, "malformed"),
        ({"drawn": []}, "learnt from 2 chunks and drew 0"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    state = trained(sampler(), until=2).state_dict() | change
    made = sampler()
    with pytest.raises(DataError, match=message):
        made.load_state_dict(state)
    assert made.state_dict()["drawn"] == []
    with pytest.raises(DataError, match="version=None"):
        made.load_state_dict({})


def test_rewards_of_another_form_or_out_of_order_are_refused() -> None:
    made = sampler()
    with pytest.raises(DataError, match=re.escape("got rewards of shape (4, 5); wanted (5, 4)")):
        made.learn(0, np.zeros((4, 5)))
    with pytest.raises(DataError, match="got rewards of chunk 1; wanted chunk 0 next"):
        made.learn(1, np.zeros((5, 4)))
    for chunk in range(6):
        made.learn(chunk, np.zeros((5, 4)))
    with pytest.raises(DataError, match="got rewards of chunk 6"):
        made.learn(6, np.zeros((5, 4)))


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (ONE, {"images_per_chunk": 31}, "31 places for the task 'zoom', which has 30 images; give more images"),
        (MIXED, {"images_per_chunk": 50}, "25 places for the task 'degradation', which has 20 images"),
        (MIXED, {"images_per_chunk": 2, "per_dataset": 2}, "1 places .* wanted 2 or more of each data set"),
        (MIXED, {"images_per_chunk": 3, "per_dataset": 2}, "wanted 2 or more of each data set"),
        (Rows([1.0, 2.0, 3.0], ["a", "a", "b"]), {"images_per_chunk": 2, "per_dataset": 2}, "'b' has 1 images"),
        (Rows([3.0] * 6, ["a", "b", "c"] * 2), {"per_dataset": 2}, re.escape("[2, 2, 2], and 2 or more")),
        (MIXED, {"mix": {"score": 1}}, "the task 'degradation' has no share"),
        (Rows([], []), {}, "got no rows"),
    ],
)
def test_rows_that_cannot_fill_the_chunks_are_refused_at_the_door(
    rows: Rows, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        sampler(rows, **changes)


def test_rows_that_are_incomplete_are_refused() -> None:
    with pytest.raises(DataError, match="row 1 has the rating nan"):
        sampler(Rows([3.0, math.nan], ["a", "a"]))
    with pytest.raises(DataError, match="got 2 ratings, 1 data sets"):
        sampler(Rows([3.0, 3.0], ["a"]))


def test_metrics_tell_of_the_last_chunk_that_was_learnt_from() -> None:
    made = sampler(config=ResamplingConfig(final_power=1))
    assert "resampling/dead_groups" not in made.metrics()
    trained(made, until=6)
    figures = made.metrics()
    images = made.images(5)
    assert figures["resampling/power"] == 1
    assert figures["resampling/dead_groups"] == pytest.approx(np.mean(images % 2 == 1))
    # 27 images that weigh 1/9 of the other 3: (27 + 27)^2 / (27 + 3 * 81) / 30.
    assert figures["resampling/effective_size"] == pytest.approx(54**2 / 270 / 30)
    assert figures["resampling/drawn/1.0-1.5"] == pytest.approx(np.mean(images >= 27))
    assert sum(value for name, value in figures.items() if "/drawn/" in name) == pytest.approx(1)


def test_a_row_counts_what_a_chunk_drew_and_the_first_one_what_there_is() -> None:
    made = sampler(MIXED, config=ResamplingConfig(bins=2))
    first, second = made.draw_row(0), made.draw_row(1)
    assert first["edges"] == [1, 3, 5]
    assert {name: sum(counts) for name, counts in first["data"].items()} == {
        "kadid, degradation": 20,
        "koniq, score": 20,
        "spaq, score": 20,
    }
    assert set(second) == {"chunk", "counts"}
    assert sum(sum(counts) for counts in second["counts"].values()) == 5
    high = np.array(MIXED.ratings)[made.images(1)] >= 3
    assert sum(counts[1] for counts in second["counts"].values()) == high.sum()
    assert json.loads(json.dumps(second)) == second


@given(
    st.lists(
        st.tuples(st.floats(1, 5), st.sampled_from("ab"), st.sampled_from(["score", "zoom"])), min_size=8, max_size=40
    ),
    st.integers(1, 4),
    st.integers(0, 2**31),
    st.floats(0, 10),
)
@settings(deadline=None, max_examples=50)
def test_any_rows_that_are_accepted_are_drawn_distinct_and_resume(
    triples: list[tuple[float, str, str]], size: int, seed: int, power: float
) -> None:
    rows = Rows(*(list(column) for column in zip(*triples, strict=True)))
    config = ResamplingConfig(final_power=power, spent_weight=1e-6, recent=1, ceiling=0.5)
    changes: dict[str, Any] = {"config": config, "images_per_chunk": size, "seed": seed, "chunks": 4}
    try:
        whole = trained(sampler(rows, **changes))
    except ConfigError:
        return
    assert all(len(set(chunk)) == size for chunk in drawn(whole))
    resumed = sampler(rows, **changes)
    resumed.load_state_dict(json.loads(json.dumps(trained(sampler(rows, **changes), until=2).state_dict())))
    assert drawn(trained(resumed)) == drawn(whole)
    assert all(math.isfinite(value) for value in whole.metrics().values())


def test_tasks_are_spread_over_the_places_of_a_chunk() -> None:
    made = sampler(MIXED, images_per_chunk=10, chunks=100)
    first_half = np.array(MIXED.tasks)[np.array(drawn(made))[:, :5]]
    # One in two, give or take six standard errors.
    assert (first_half == "score").mean() == pytest.approx(0.5, abs=0.1)
