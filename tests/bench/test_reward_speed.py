"""The benchmark of the rank reward: its loops compute the same, and it says how long each took."""

from loupe.bench.reward_speed import LOOPS, TOLERANCE, time_rank_reward


def test_all_loops_agree_with_the_vectorised_reward() -> None:
    timings = time_rank_reward(images=12, samples=4, repeats=1)
    assert [timing.name for timing in timings] == ["vectorised", *LOOPS]
    assert max(timing.difference for timing in timings) < TOLERANCE
    assert all(timing.seconds > 0.0 for timing in timings)


def test_progress_counts_the_images_of_all_loops() -> None:
    steps: list[tuple[int, int]] = []
    time_rank_reward(images=3, samples=2, repeats=1, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(done, 9) for done in range(1, 10)]
