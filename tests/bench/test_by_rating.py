"""Where on the scale the error lies: bins, the balanced error, and the curve of SRCC from a training's own episodes."""

from pathlib import Path

import numpy as np
import pytest

from loupe.bench.ablation.by_rating import balanced_error, errors_by_rating, histogram
from loupe.bench.ablation.judged import Judged
from loupe.bench.ablation.probes import LEAST, probe_rows
from loupe.core.answer import answer_of, parse, render
from loupe.core.files import append_jsonl, write_jsonl
from loupe.core.records import WHOLE, Episode, Sample, StopReason, Turn
from loupe.data.rating_bins import rating_bins


def run(mos: list[float], rating: list[float]) -> Judged:
    nothing = np.zeros(len(mos))
    ids = tuple(str(number) for number in range(len(mos)))
    return Judged(ids, ids, np.array(mos), np.array(rating), nothing, nothing, nothing, nothing)


def test_bins_are_half_points_with_five_in_the_last() -> None:
    assert rating_bins(np.array([1.0, 1.49, 1.5, 4.49, 4.5, 5.0])).tolist() == [0, 0, 1, 6, 7, 7]
    assert histogram(np.array([1.0, 1.2, 5.0])) == [2, 0, 0, 0, 0, 0, 0, 1]


def test_the_balanced_error_counts_a_rare_rating_like_a_common_one() -> None:
    # Nine images in one bin with an error of 0.1, one in another with an error of 1: plainly .19, balanced .55.
    judged = run([3.2] * 9 + [1.2], [3.3] * 9 + [2.2])
    assert balanced_error(judged)(np.ones((1, 10)))[0] == pytest.approx(0.55)


def test_a_draw_without_the_rare_image_has_the_error_of_the_others() -> None:
    judged = run([3.2, 3.2, 1.2], [3.3, 3.5, 2.2])
    weights = np.array([[1.0, 1.0, 0.0], [3.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    assert balanced_error(judged)(weights) == pytest.approx([0.2, 0.1, 0.6])


def test_errors_by_rating_are_means_over_seeds_with_the_lowest_and_the_highest() -> None:
    runs = {"row": [run([1.2, 4.7], [1.4, 4.7]), run([1.2, 4.7], [1.8, 4.5])], "empty": []}
    first, second = errors_by_rating(runs)["row"]
    assert first == pytest.approx([1.25, 0.4, 0.2, 0.6, 1])
    assert second == pytest.approx([4.75, 0.1, 0.0, 0.2, 1])
    assert "empty" not in errors_by_rating(runs)


def told(sample: Sample, rating: float) -> dict[str, object]:
    text = render(answer_of("so", rating=round(rating, 2)))
    turn = Turn(WHOLE, text, parse(text), tokens=3, seconds=0.1)
    return Episode(sample.id, (turn,), StopReason.FINAL).to_json()


def test_the_episodes_of_a_training_give_srcc_over_its_steps(tmp_path: Path) -> None:
    samples = [
        Sample(str(number), "x.png", "tiny", "val", rating=1 + number / 10, mos=1 + number / 10)
        for number in range(LEAST)
    ]
    write_jsonl(tmp_path / "val.jsonl", (sample.to_json() for sample in samples))
    for step, sign in ((0, -1), (20, 1)):
        for sample in samples:
            append_jsonl(
                tmp_path / "episodes.jsonl", {"step": step, **told(sample, 3 + sign * (sample.rating - 3) / 2)}
            )
    assert probe_rows(tmp_path, tmp_path) == [
        {"step": 0, "probe/srcc": pytest.approx(-1.0)},
        {"step": 20, "probe/srcc": pytest.approx(1.0)},
    ]


def test_a_handful_of_probe_images_gives_no_curve(tmp_path: Path) -> None:
    sample = Sample("0", "x.png", "tiny", "val", rating=3.0, mos=3.0)
    append_jsonl(tmp_path / "episodes.jsonl", {"step": 0, **told(sample, 3.0)})
    assert probe_rows(tmp_path, tmp_path) == []
    assert probe_rows(tmp_path / "nothing", tmp_path) == []
