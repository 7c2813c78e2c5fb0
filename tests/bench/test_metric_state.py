import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from loupe.bench.correlate import correlations
from loupe.bench.metric_batch import rate_batch
from loupe.bench.metric_state import LoupeMetric
from loupe.core.errors import ConfigError, DataError, ImageError


def first_pixel(images: Any) -> np.ndarray:
    """A metric whose rating is the first pixel; below zero it gives no answer, above 5 it cannot read the picture."""
    values = [float(np.asarray(item).ravel()[0]) for item in images]
    if max(values) > 5.0:
        raise ImageError("the image: is no image that can be read")
    return np.array([value if value >= 0.0 else math.nan for value in values])


def batch(*values: float) -> np.ndarray:
    return np.stack([np.full((3, 8, 8), value) for value in values])


def test_the_mean_of_all_batches_is_the_mean_of_all_images():
    mean = LoupeMetric(first_pixel)
    mean.update(batch(1.0, 2.0, 3.0))
    mean.update(batch(5.0))
    assert mean.compute() == pytest.approx(2.75)
    mean.reset()
    assert math.isnan(mean.compute())  # type: ignore[arg-type]


def test_an_unusable_answer_is_counted_and_left_out_of_the_mean():
    mean = LoupeMetric(first_pixel)
    mean.update(batch(2.0, -1.0, 4.0))
    assert (mean.compute(), mean.unusable) == (3.0, 1)


def test_agreement_is_that_of_correlate():
    rng = np.random.default_rng(0)
    ratings, mos = rng.uniform(1, 5, 30), rng.uniform(1, 5, 30)
    found = LoupeMetric()
    for start in range(0, 30, 7):
        found.update(ratings[start : start + 7], mos[start : start + 7])
    expected, made = correlations(ratings, mos, n_boot=0), found.compute()
    assert isinstance(made, dict)
    for name in ("srcc", "plcc", "krcc", "rmse"):
        assert made[name] == getattr(expected, name).value
    assert (made["n"], made["unusable"]) == (30, 0)


def test_an_unusable_answer_stands_at_the_middle_of_the_scale_in_an_agreement():
    found = LoupeMetric(first_pixel)
    found.update(batch(1.0, -1.0, 5.0), [1.0, 3.0, 5.0])
    made = found.compute()
    assert isinstance(made, dict)
    assert (made["plcc"], made["rmse"], made["n"], made["unusable"]) == (pytest.approx(1.0), 0.0, 3, 1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(1, 5), st.floats(0, 100)), min_size=1, max_size=20), st.integers(0, 20))
def test_merged_states_are_one_state_in_any_order(pairs: list[tuple[float, float]], cut: int):
    ratings, mos = zip(*pairs)
    whole, first, second = LoupeMetric(), LoupeMetric(), LoupeMetric()
    whole.update(list(ratings), list(mos))
    first.update(list(ratings[:cut]), list(mos[:cut]))
    second.update(list(ratings[cut:]), list(mos[cut:]))
    second.merge_state(first)
    one, other = whole.compute(), second.compute()
    assert isinstance(one, dict) and isinstance(other, dict)
    assert other == pytest.approx(one, nan_ok=True)


def test_a_state_goes_to_plain_lists_and_back():
    first, second = LoupeMetric(), LoupeMetric()
    first.update([1.0, 2.0], [10.0, 20.0])
    second.load_state_dict(first.state_dict())
    second.merge_state(first.state_dict())
    assert second.state_dict() == {"ratings": [1.0, 2.0, 1.0, 2.0], "mos": [10.0, 20.0, 10.0, 20.0]}
    with pytest.raises(DataError, match="wanted ratings, mos"):
        second.load_state_dict({"preds": []})
    with pytest.raises(DataError, match="2 ratings and 1 opinions"):
        second.load_state_dict({"ratings": [1, 2], "mos": [1]})


def test_a_call_gives_the_batch_and_gathers_it():
    mean = LoupeMetric(first_pixel)
    assert mean(batch(1.0, 2.0)) == 1.5
    assert mean(batch(4.0)) == 4.0
    assert mean.compute() == pytest.approx(7 / 3)


def test_tensors_are_taken_for_ratings_and_opinions():
    torch = pytest.importorskip("torch")
    found = LoupeMetric()
    found.update(torch.tensor([1.0, 2.0, 4.0], requires_grad=True), torch.tensor([1, 2, 3]))
    made = found.compute()
    assert isinstance(made, dict) and made["srcc"] == 1.0


def test_batches_that_do_not_fit_are_refused():
    found = LoupeMetric()
    with pytest.raises(DataError, match="2 ratings and 1 opinions"):
        found.update([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="NaN or infinite"):
        found.update([1.0], [math.nan])
    with pytest.raises(DataError, match="wanted one number an image"):
        found.update(["good"])
    found.update([1.0])
    with pytest.raises(DataError, match="some without"):
        found.update([1.0], [1.0])
    other = LoupeMetric()
    other.update([1.0], [1.0])
    with pytest.raises(DataError, match="the other has none"):
        found.merge_state(other)
    with pytest.raises(DataError, match="some without"):
        other.update([1.0])
    assert (found.state_dict()["ratings"], other.state_dict()["mos"]) == ([1.0], [1.0])


def test_a_batch_of_a_data_set_gets_a_column_of_ratings():
    rate = rate_batch(first_pixel, "picture", rating="loupe")
    assert rate({"picture": [[[2.0]], [[-1.0]], [[4.0]]], "id": ["a", "b", "c"]}) == {"loupe": [2.0, None, 4.0]}


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="no column 'image'; there is id, picture"):
        rate_batch(first_pixel)({"id": [1], "picture": [2]})


@pytest.mark.parametrize(
    "one", ["photo.png", b"\x89PNG", {"path": "photo.png", "bytes": None}, Image.new("RGB", (8, 8))]
)
def test_a_map_that_hands_over_single_images_is_told_to_hand_over_batches(one: Any):
    with pytest.raises(ConfigError, match="map with batched=True"):
        rate_batch(first_pixel)({"image": one})


def test_a_picture_that_cannot_be_read_ends_the_map_or_gets_its_reason():
    rows = {"image": [[[2.0]], [[9.0]], [[-1.0]]]}
    with pytest.raises(ImageError):
        rate_batch(first_pixel)(rows)
    made = rate_batch(first_pixel, problem="why")(rows)
    assert made["rating"] == [2.0, None, None]
    assert made["why"] == [None, "the image: is no image that can be read", "no usable answer"]


def test_a_data_set_is_mapped_by_its_own_library(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"image": [[[float(value)] * 4] * 4 for value in (1, 2, 3, 4, 5)]})
    made = rows.map(rate_batch(first_pixel), batched=True, batch_size=2)
    assert made["rating"][:] == [1.0, 2.0, 3.0, 4.0, 5.0]
