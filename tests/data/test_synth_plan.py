from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from loupe.core.errors import ConfigError, MissingFileError
from loupe.data.synth_plan import SPLITS, SynthConfig, deal, photo_list_hash, plan


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Seven photographs, two of them with the same name in two folders."""
    for name in ("a.png", "b.png", "c.png", "d.png", "e.png", "trip/a.png", "trip/f.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 60)).save(path)
    return tmp_path / "photos"


def test_a_plan_holds_the_pristine_images_asked_for_in_every_split():
    tasks = plan(SynthConfig(train=5, val=2, test=3))
    assert [(task.split, task.number) for task in tasks] == [
        *(("train", number) for number in range(5)),
        *(("val", number) for number in range(2)),
        *(("test", number) for number in range(3)),
    ]
    assert all(task.photo is None for task in tasks)
    assert len({task.ref_id for task in tasks}) == 10


def test_no_photograph_and_no_name_of_one_is_in_two_splits(photos: Path):
    tasks = plan(SynthConfig(photos=str(photos), train=20, val=5, test=9))
    for attribute in ("photo", "ref_id"):
        found = [{getattr(task, attribute) for task in tasks if task.split == split} for split in SPLITS]
        assert sum(len(names) for names in found) == len(set().union(*found)) == 7


def test_a_share_of_the_pristine_images_may_be_dead_leaves(photos: Path):
    tasks = plan(SynthConfig(photos=str(photos), photo_share=0.3, train=1000, val=1, test=1))
    used = sum(task.photo is not None for task in tasks)
    assert abs(used - 0.3 * 1002) < 4 * np.sqrt(1002 * 0.3 * 0.7)


def test_another_seed_deals_the_photographs_anew(photos: Path):
    def dealt(seed: int) -> list[Path | None]:
        return [task.photo for task in plan(SynthConfig(photos=str(photos), seed=seed, train=5, val=1, test=1))]

    assert dealt(0) == dealt(0)
    assert dealt(0) != dealt(1)


@pytest.mark.parametrize(
    ("count", "wanted", "dealt"),
    [
        (10, [8, 1, 1], [8, 1, 1]),
        (7, [20, 5, 9], [5, 1, 1]),
        (3, [1000, 1, 1], [1, 1, 1]),
        (4, [10, 0, 10], [2, 0, 2]),
        (5, [7, 0, 0], [5, 0, 0]),
    ],
)
def test_photographs_are_dealt_in_proportion_by_hand(count: int, wanted: list[int], dealt: list[int]):
    assert deal(count, wanted) == dealt


@given(st.integers(3, 500), st.lists(st.integers(0, 5000), min_size=3, max_size=3).filter(any))
def test_every_photograph_is_dealt_and_every_split_that_wants_some_gets_some(count: int, wanted: list[int]):
    dealt = deal(count, wanted)
    assert sum(dealt) == count
    assert [number > 0 for number in dealt] == [number > 0 for number in wanted]


def test_fewer_photographs_than_splits_are_refused():
    with pytest.raises(ConfigError, match="2 photographs for 3 splits"):
        deal(2, [5, 5, 5])


def test_the_hash_of_the_photographs_changes_when_one_comes(photos: Path):
    config = SynthConfig(photos=str(photos))
    before = photo_list_hash(config)
    assert before == photo_list_hash(config)
    Image.new("RGB", (60, 60)).save(photos / "new.png")
    assert photo_list_hash(config) != before
    assert photo_list_hash(SynthConfig()) is None


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"clean_share": 1.5}, "clean_share=1.5; wanted a share between 0 and 1"),
        ({"local_share": float("nan")}, "local_share=nan"),
        ({"photo_share": -0.1}, "photo_share=-0.1"),
        ({"size": 55}, "size=55; wanted at least 56"),
        ({"versions": 0}, "versions=0; wanted at least 1"),
        ({"val": -1}, "val=-1; wanted at least 0"),
        ({"seed": -1}, "seed=-1; wanted at least 0"),
        ({"workers": -2}, "workers=-2; wanted at least 0"),
        ({"train": 0, "val": 0, "test": 0}, "at least one pristine image"),
        ({"photos": "pictures", "out": "pictures/made"}, "whose pictures are read"),
    ],
)
def test_settings_that_cannot_be_met_are_refused_by_name(settings: dict[str, object], complaint: str):
    with pytest.raises(ConfigError, match=complaint):
        plan(SynthConfig(**settings))  # type: ignore[arg-type]


def test_a_missing_folder_of_photographs_is_named(tmp_path: Path):
    with pytest.raises(MissingFileError, match="nowhere"):
        plan(SynthConfig(photos=str(tmp_path / "nowhere")))
