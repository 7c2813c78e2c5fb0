"""Remedies: pure, bounded to their box, and worth something where the diagnosis is true."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from loupe.core.errors import DataError
from loupe.core.images import open_image
from loupe.core.records import DISTORTION_CLASSES, WHOLE, Degradation
from loupe.data.degrade import VARIANTS, Pixels, degrade
from loupe.data.measure import impairments, pooled, rating_of
from loupe.data.pristine import dead_leaves
from loupe.data.remedies.apply import NOTHING, REMEDIES, Treatment, treat
from loupe.data.remedies.fidelity import psnr, ssim
from loupe.data.store import load_samples
from loupe.data.synth_unit import recorded_tasks, remake

CORNER = (0.5, 0.0, 1.0, 0.5)


def gain(pristine: Pixels, damaged: Pixels, treated: Pixels) -> float:
    before, after = (rating_of(pooled(impairments(pristine, image))) for image in (damaged, treated))
    return after - before


def test_every_class_has_a_remedy_and_nothing_else_has():
    assert set(REMEDIES) == set(DISTORTION_CLASSES)


@pytest.mark.parametrize("name", DISTORTION_CLASSES)
def test_the_true_remedy_gains_on_the_mean_of_its_class(name: str):
    # Seeds that no recipe uses; every variant, level 1 to 4 in turn.
    found: list[float] = []
    for seed in range(6):
        pristine = dead_leaves(70_000 + seed, size=224)
        for number, variant in enumerate(VARIANTS[name]):
            level = 1 + (seed + number) % 4
            damaged = degrade(pristine, Degradation(name, level, WHOLE, variant), seed=seed)
            found.append(gain(pristine, damaged, treat(damaged, Treatment(name, level))))
    assert np.mean(found) > 0.02


@pytest.mark.parametrize("name", DISTORTION_CLASSES)
@pytest.mark.parametrize("level", [1, 5])
def test_a_remedy_keeps_form_and_input_and_gives_the_same_twice(name: str, level: int, leaves: list[Pixels]):
    image = leaves[0].copy()
    treated = treat(image, Treatment(name, level))
    assert (treated.shape, treated.dtype) == (image.shape, np.uint8)
    assert np.array_equal(image, leaves[0])
    assert np.array_equal(treated, treat(image, Treatment(name, level)))
    assert not np.array_equal(treated, image)


@pytest.mark.parametrize("name", DISTORTION_CLASSES)
def test_any_shape_is_treated(name: str, leaves: list[Pixels]):
    for shape in ((9, 31), (40, 8), (1, 1)):
        image = np.ascontiguousarray(leaves[0][: shape[0], : shape[1]])
        assert treat(image, Treatment(name, 3)).shape == image.shape


def test_doing_nothing_is_a_copy(leaves: list[Pixels]):
    made = treat(leaves[0], NOTHING)
    assert np.array_equal(made, leaves[0])
    assert made is not leaves[0]


def test_a_local_remedy_leaves_the_rest_alone_and_is_whole_inside(leaves: list[Pixels]):
    image = leaves[1]
    local, everywhere = (treat(image, Treatment("darken", 4, box)) for box in (CORNER, WHOLE))
    assert np.array_equal(local[62:], image[62:])
    assert np.array_equal(local[:, :50], image[:, :50])
    assert np.array_equal(local[:50, 62:], everywhere[:50, 62:])


def test_a_local_remedy_has_a_soft_edge():
    grey = np.full((64, 64, 3), 100, np.uint8)
    line = treat(grey, Treatment("darken", 5, CORNER))[10, 20:44, 0].astype(int)
    assert (np.diff(line) >= 0).all()
    assert len(np.unique(line)) >= 4


def test_salt_and_pepper_goes_and_the_rest_of_the_pixels_stays(leaves: list[Pixels]):
    pristine = leaves[2]
    damaged = degrade(pristine, Degradation("noise", 3, WHOLE, "impulse"), seed=1)
    treated = treat(damaged, Treatment("noise", 3))
    untouched = (damaged == pristine).all(axis=2)
    assert (treated == damaged).all(axis=2)[untouched].mean() > 0.99
    assert psnr(pristine, treated) > psnr(pristine, damaged) + 10


def test_depixelation_meets_the_mean_of_every_block():
    rng = np.random.default_rng(0)
    small = rng.integers(90, 160, (16, 16, 3), dtype=np.uint8)
    blocks = cv2.resize(cv2.blur(small, (3, 3)), (128, 128), interpolation=cv2.INTER_NEAREST)
    treated = treat(blocks, Treatment("pixelate", 5))
    means = [np.asarray(cv2.resize(item, (16, 16), interpolation=cv2.INTER_AREA), float) for item in (blocks, treated)]
    assert np.abs(means[0] - means[1]).max() < 6
    assert np.abs(np.diff(treated[:, :, 0].astype(int), axis=1)).max() < 12


@pytest.mark.parametrize("treatment", [Treatment("haze", 1), Treatment("blur", 0), Treatment("blur", 6)])
def test_what_has_no_remedy_is_refused(treatment: Treatment, leaves: list[Pixels]):
    with pytest.raises(DataError, match="no remedy against"):
        treat(leaves[0], treatment)


def test_other_pixels_are_refused():
    with pytest.raises(DataError, match="uint8, RGB"):
        treat(np.zeros((8, 8), np.uint8), Treatment("blur", 1))


def test_psnr_and_ssim_are_those_of_scikit_image(leaves: list[Pixels]):
    pristine = leaves[3]
    for name in DISTORTION_CLASSES:
        damaged = degrade(pristine, Degradation(name, 2, WHOLE), seed=0)
        assert psnr(pristine, damaged) == pytest.approx(peak_signal_noise_ratio(pristine, damaged), abs=1e-9)
        first, second = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (pristine, damaged))
        reference = structural_similarity(
            first, second, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert ssim(pristine, damaged) == pytest.approx(float(reference), abs=1e-6)


def test_equal_pictures_are_perfect_and_sizes_must_agree(leaves: list[Pixels]):
    assert psnr(leaves[0], leaves[0]) == float("inf")
    assert ssim(leaves[0], leaves[0]) == pytest.approx(1.0, abs=1e-12)
    for measure in (psnr, ssim):
        with pytest.raises(DataError, match="one size"):
            measure(leaves[0], leaves[0][:50])
    with pytest.raises(DataError, match="11 pixels"):
        ssim(leaves[0][:10], leaves[0][:10])


def test_pristine_images_made_again_give_the_files_of_the_folder(synthetic_folder: Path):
    tasks = recorded_tasks(synthetic_folder, "train")
    samples = load_samples(synthetic_folder, "train")
    assert set(tasks) == {sample.id for sample in samples}
    for sample in samples:
        task, version = tasks[sample.id]
        degradation, pixels = remake(task).versions[version]
        assert (degradation, task.ref_id) == (sample.degradation, sample.ref_id)
        assert np.array_equal(pixels, np.asarray(open_image(synthetic_folder / sample.image)))


def test_a_folder_that_was_made_otherwise_is_refused(tmp_path: Path):
    for text in ("{}", '{"config": {"size": 224, "unheard": 1}}', '{"config": [1]}'):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(DataError, match="no settings"):
            recorded_tasks(tmp_path, "test")
