"""Releases in miniature, written with the libraries that make the real ones, and built by the recipes that ship."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openpyxl import Workbook
from PIL import Image
from scipy.io import savemat

from loupe.core.config import load_config
from loupe.core.records import Sample
from loupe.data.recipes.build import Built, build
from loupe.data.recipes.recipe import Recipe
from loupe.data.store import load_samples

RECIPES = Path(__file__).parents[3] / "data_recipes"


class Release:
    """A folder that looks like a download; `build` makes a data folder of it with the recipe of a name."""

    def __init__(self, folder: Path) -> None:
        self.root, self.out = folder / "download", folder / "out"
        self.root.mkdir()

    def images(self, *names: str, size: tuple[int, int] = (12, 10)) -> None:
        for number, name in enumerate(names):
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, (number % 256, number // 256, len(name))).save(path)

    def text(self, name: str, *lines: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def book(self, name: str, rows: Sequence[Sequence[Any]], *, sheet: str = "Sheet1") -> None:
        book = Workbook()
        page = book.active
        assert page is not None
        page.title = sheet
        for row in rows:
            page.append(list(row))
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        book.save(path)

    def mat(self, name: str, **arrays: Any) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        savemat(path, arrays)

    def recipe(self, name: str, *overrides: str, allow_missing: bool = True) -> Recipe:
        lines = [f"root={self.root}", f"out={self.out}", f"allow_missing={str(allow_missing).lower()}", "workers=1"]
        return load_config(Recipe, RECIPES / f"{name}.yaml", [*lines, *overrides])

    def build(self, name: str, *overrides: str, allow_missing: bool = True) -> Built:
        return build(self.recipe(name, *overrides, allow_missing=allow_missing))

    def samples(self) -> dict[str, Sample]:
        """Every sample that was built, by the path of its image."""
        rows = [sample for split in ("train", "val", "test") for sample in load_samples(self.out, split)]
        return {sample.image.removeprefix("images/"): sample for sample in rows}


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Release(tmp_path)


@pytest.fixture
def cells() -> Callable[[Sequence[str]], Any]:
    """Names as MATLAB keeps them: a cell array of one column, each cell a string."""

    def make(names: Sequence[str]) -> Any:
        held = np.empty((len(names), 1), dtype=object)
        held[:, 0] = list(names)
        return held

    return make


@pytest.fixture
def excerpt() -> Callable[[str], Path]:
    """Path of a committed excerpt of a label file of the field."""
    return lambda name: Path(__file__).parent / "files" / name
