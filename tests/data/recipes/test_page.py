"""docs/datasets.md says what the recipes say, and its own recipe works."""

from pathlib import Path
from typing import Any

from loupe.core import numbers
from loupe.core.config import load_config
from loupe.data.recipes.build import build
from loupe.data.recipes.flavours import flavours_of
from loupe.data.recipes.recipe import Recipe

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")


def test_the_table_names_every_recipe_of_a_rated_set_with_its_rows_and_flavours() -> None:
    named = [line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert len(named) == 11
    for name in named:
        for flavour, form in flavours_of(load_config(Recipe, ROOT / "data_recipes" / f"{name}.yaml")).items():
            assert form.expected.rows is None or numbers.count(form.expected.rows) in PAGE
            assert not flavour or f"`{flavour}`" in PAGE


def test_the_recipe_of_the_page_builds(release: Any, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(PAGE.split("```yaml\n")[1].split("```")[0])
    release.images("pictures/a.png", "pictures/deep/b.png")
    release.text("labels.csv", "file,score,sd", "a.png,7.5,1.0", "b.png,2.0,2.0")
    built = build(load_config(Recipe, recipe, [f"root={release.root}", f"out={release.out}", "workers=1"]))
    assert built.gaps == ""
    assert release.samples()["a.png"].rating == 4.0
