import numpy as np
import pytest

from loupe.data.pristine import dead_leaves


@pytest.mark.parametrize("size", [56, 77])
def test_leaves_are_square_bytes_of_the_size_asked_for(size: int):
    image = dead_leaves(1, size=size)
    assert (image.shape, image.dtype) == ((size, size, 3), np.uint8)


def test_a_seed_gives_its_image_and_no_other():
    assert (dead_leaves(7, size=56) == dead_leaves(7, size=56)).all()
    assert (dead_leaves(7, size=56) != dead_leaves(8, size=56)).any()


def test_exposure_and_contrast_vary_as_among_photographs():
    images = [dead_leaves(seed, size=56) for seed in range(40)]
    means, spreads = (np.array([statistic(image) for image in images]) for statistic in (np.mean, np.std))
    assert means.min() < 70
    assert means.max() > 150
    assert spreads.min() < 30
    assert spreads.max() > 55
    assert spreads.min() > 1, "an image is flat"


def test_neighbouring_pixels_agree_as_in_nature():
    for seed in range(6):
        grey = dead_leaves(seed, size=112).mean(axis=-1)
        near = np.corrcoef(grey[:, :-1].ravel(), grey[:, 1:].ravel())[0, 1]
        far = np.corrcoef(grey[:, :-30].ravel(), grey[:, 30:].ravel())[0, 1]
        assert near > 0.8
        assert near > far
