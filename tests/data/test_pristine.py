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


def test_every_image_is_exposed_as_a_good_photograph_is():
    for seed in range(40):
        tones = dead_leaves(seed, size=56).mean(axis=-1)
        assert 75 < tones.mean() < 150, seed
        assert np.percentile(tones, 1) < 70, seed
        assert np.percentile(tones, 99) > 150, seed


def test_contrast_varies_as_among_photographs():
    spreads = np.array([dead_leaves(seed, size=56).std() for seed in range(40)])
    assert spreads.min() < 35
    assert spreads.max() > 65


def test_some_images_have_no_colour():
    def colour(seed: int):
        return np.ptp(dead_leaves(seed, size=56).astype(int), axis=-1).mean()

    grey = sum(colour(seed) < 8 for seed in range(40))
    assert 1 <= grey <= 15


def test_neighbouring_pixels_agree_as_in_nature():
    for seed in range(6):
        grey = dead_leaves(seed, size=112).mean(axis=-1)
        near = np.corrcoef(grey[:, :-1].ravel(), grey[:, 1:].ravel())[0, 1]
        far = np.corrcoef(grey[:, :-30].ravel(), grey[:, 30:].ravel())[0, 1]
        assert near > 0.8
        assert near > far
