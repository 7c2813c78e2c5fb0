"""A data folder whose training opinions crowd in the middle: which images stay, and that nothing else changes."""

from pathlib import Path

import numpy as np
import pytest

from loupe.core.errors import ConfigError, DataError
from loupe.core.files import read_json, write_json, write_jsonl
from loupe.core.records import Sample
from loupe.data.skew import SkewConfig, chance, skewed, write_skewed
from loupe.data.store import load_samples


def sample(number: int, rating: float, split: str = "train") -> Sample:
    return Sample(f"{split}-{number}", f"images/{split}-{number}.png", "tiny", split, rating=rating, mos=rating)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    for split, count in (("train", 40), ("val", 4), ("test", 4)):
        samples = [sample(number, 1 + 4 * number / (count - 1), split) for number in range(count)]
        for item in samples:
            (data / item.image).parent.mkdir(parents=True, exist_ok=True)
            (data / item.image).write_bytes(item.id.encode())
        write_jsonl(data / f"{split}.jsonl", (item.to_json() for item in samples))
    write_json(data / "manifest.json", {"made": "by hand"})
    return data


def test_the_chance_is_one_at_the_centre_and_falls_to_the_floor() -> None:
    config = SkewConfig(centre=3.0, width=0.5, floor=0.1)
    assert chance(3.0, config) == 1.0
    assert chance(3.5, config) == pytest.approx(np.exp(-0.5))
    assert chance(2.5, config) == chance(3.5, config)
    assert chance(1.0, config) == chance(5.0, config) == 0.1


def test_images_are_kept_as_often_as_their_chance_says() -> None:
    config = SkewConfig(centre=3.0, width=0.5, floor=0.1, seed=3)
    for rating in (3.0, 3.5, 5.0):
        kept = len(skewed([sample(number, rating) for number in range(4000)], config)) / 4000
        # Four standard deviations of a share of 4,000.
        assert kept == pytest.approx(chance(rating, config), abs=4 * 0.5 / np.sqrt(4000))


def test_the_same_seed_keeps_the_same_images_and_another_others() -> None:
    samples = [sample(number, 3.4) for number in range(200)]
    first, again, other = (skewed(samples, SkewConfig(centre=3.0, seed=seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_training_is_thinned_and_validation_and_test_stay(folder: Path, tmp_path: Path) -> None:
    out = write_skewed(SkewConfig(data=str(folder), out=str(tmp_path / "out"), centre=3.0, width=0.3, floor=0.0))
    kept = load_samples(out, "train")
    assert 0 < len(kept) < 20
    assert set(kept) < set(load_samples(folder, "train"))
    for split in ("val", "test"):
        assert load_samples(out, split) == load_samples(folder, split)
    for item in (*kept, *load_samples(out, "test")):
        assert (out / item.image).read_bytes() == item.id.encode()
    manifest = read_json(out / "manifest.json")
    assert manifest["splits"]["train"]["images"] == len(kept) and manifest["made_of"] == {"made": "by hand"}


def test_a_folder_that_holds_something_is_not_written_into(folder: Path) -> None:
    with pytest.raises(ConfigError, match="not empty"):
        write_skewed(SkewConfig(data=str(folder), out=str(folder)))


def test_a_centre_without_images_is_an_error_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    config = SkewConfig(data=str(folder), out=str(tmp_path / "out"), centre=3.1, width=0.001, floor=0.0)
    with pytest.raises(DataError, match=r"no training image near 3\.1"):
        write_skewed(config)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [{"centre": 0.5}, {"width": 0.0}, {"floor": 1.5}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="wanted a centre in"):
        SkewConfig(**wrong)  # type: ignore[arg-type]
