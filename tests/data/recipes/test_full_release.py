"""What each recipe asserts of the full release: the numbers of docs/datasets.md, once more, by hand."""

from pathlib import Path

import pytest

from loupe.core.config import load_config
from loupe.data.recipes.flavours import flavours_of
from loupe.data.recipes.naming import check_distortions
from loupe.data.recipes.readers import PAIR_READERS, READERS
from loupe.data.recipes.recipe import Recipe

RECIPES = Path(__file__).parents[3] / "data_recipes"

FULL = {
    # name, flavour: rows, references, mos, std on the scale of mos, nominal scale, higher is better
    ("koniq-10k", "scores_and_sets"): (10073, None, None, [0.30, 1.10], (1, 5), True),
    ("koniq-10k", "scores"): (10073, None, None, [0.30, 1.10], (1, 5), True),
    ("koniq-10k", "sets"): (10073, None, [3.91, 88.39], [7.33, 27.18], (1, 100), True),
    ("kadid-10k", "dmos"): (10125, 81, [1.00, 4.93], [0.0, 1.262], (1, 5), True),
    ("spaq", ""): (11125, None, None, None, (0, 100), True),
    ("livec", ""): (1162, None, [3.42, 92.40], None, (0, 100), True),
    ("flive", "images"): (39810, None, [0.0, 94.30], None, (0, 100), True),
    ("agiqa-3k", ""): (2982, None, [0.0, 4.489], [0.108, 1.452], (0, 5), True),
    ("csiq", "workbook"): (866, 30, None, None, (0, 1), False),
    ("csiq", "list"): (866, 30, None, None, (0, 1), False),
    ("tid2013", "with_std"): (3000, 25, None, None, (0, 9), True),
    ("pipal", ""): (23200, 200, None, None, (None, None), True),
    ("bid", ""): (586, None, None, None, (0, 5), True),
    ("live", "realigned"): (779, 29, None, None, (None, None), False),
}


@pytest.mark.parametrize(("name", "flavour"), sorted(FULL))
def test_a_recipe_asserts_the_numbers_of_the_full_release(name: str, flavour: str) -> None:
    form = flavours_of(load_config(Recipe, RECIPES / f"{name}.yaml"))[flavour]
    want, scale = form.expected, (form.scale_min, form.scale_max)
    assert (want.rows, want.references, want.mos, want.std, scale, form.higher_is_better) == FULL[name, flavour]


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_flavour_of_a_recipe_has_a_reader_and_classes_that_loupe_knows(path: Path) -> None:
    recipe = load_config(Recipe, path)
    assert recipe.title
    assert recipe.obtain
    for form in flavours_of(recipe).values():
        assert form.reader in READERS or form.reader in PAIR_READERS
        assert form.labels
        check_distortions(form)


def test_no_soft_distribution_is_made_of_opinions_that_are_not_gaussian() -> None:
    assert not load_config(Recipe, RECIPES / "tid2013.yaml").soft_levels


def test_lists_of_the_field_that_are_cut_or_padded_are_known_by_their_count() -> None:
    for name, count, word in (("csiq", 750, "blur"), ("livec", 1169, "training"), ("live", 982, "copies")):
        assert word in load_config(Recipe, RECIPES / f"{name}.yaml").expected.known_counts[count]


def test_the_large_photographs_of_spaq_are_reduced() -> None:
    assert load_config(Recipe, RECIPES / "spaq.yaml").short_side == 512
