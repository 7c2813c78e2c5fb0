"""FLIVE in miniature: the split by two more files, and patches that follow their parents."""

from typing import Any

import pytest

from loupe.core.errors import DataError

IMAGES = ("voc_emotic_ava/AVA__1.jpg", "blur_dataset/motion01.jpg", "EE371R/photo.jpg")


def put(release: Any) -> None:
    database = "database"
    release.text(f"{database}/labels_image.csv", "name,mos", *(f"{name},{70 + n}" for n, name in enumerate(IMAGES)))
    release.text(f"{database}/labels640.csv", "name_image,mos_image", f"{IMAGES[0]},70")
    release.text(f"{database}/labels=640_padded.csv", "name_image,is_valid", f"{IMAGES[1]},True", f"{IMAGES[2]},False")
    patches = ("patches/AVA__1_patch_1.jpg", "patches/motion01.jpg_patch_2.jpg", "patches/photo_patch_3.jpg")
    release.text(f"{database}/labels_patch.csv", "name,mos", *(f"{name},60" for name in patches))
    release.images(*(f"{database}/{name}" for name in (*IMAGES, *patches)))


def test_the_official_split_is_read_from_its_two_files(release: Any) -> None:
    put(release)
    release.build("flive")
    assert [release.samples()[name].split for name in IMAGES] == ["test", "val", "train"]
    assert all(sample.mos_std is None for sample in release.samples().values())


def test_patches_go_where_their_parents_go(release: Any) -> None:
    put(release)
    release.build("flive", "flavour=patches")
    found = release.samples()
    assert len(found) == 6
    assert found["patches/AVA__1_patch_1.jpg"].split == "test"
    assert found["patches/motion01.jpg_patch_2.jpg"].split == "val"
    assert found["patches/photo_patch_3.jpg"].split == "train"
    assert found["patches/photo_patch_3.jpg"].ref_id == found[IMAGES[2]].ref_id == "photo"


def test_files_of_two_releases_are_refused(release: Any) -> None:
    put(release)
    release.text("database/labels640.csv", "name_image,mos_image", "other/else.jpg,70")
    with pytest.raises(DataError, match=r"none of its images is in labels_image\.csv"):
        release.build("flive")
