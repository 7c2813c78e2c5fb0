from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from loupe.core.errors import MissingFileError
from loupe.data import sample_photos
from loupe.data.photos import check_photos, list_photos
from loupe.data.sample_photos import copy_sample_photos


def test_a_dozen_photographs_are_copied_that_a_window_fits_into(tmp_path: Path):
    copied = copy_sample_photos(tmp_path / "photos")
    assert len(copied) == 12
    assert sorted(copied) == list_photos(tmp_path / "photos")
    check_photos(copied, size=224)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def absent(_: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(sample_photos, "find_spec", absent)
    with pytest.raises(MissingFileError, match="pip install scikit-image scikit-learn"):
        copy_sample_photos(tmp_path / "photos")
    assert not (tmp_path / "photos").exists()
