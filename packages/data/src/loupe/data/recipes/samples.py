"""From a row of a label file to a sample of the data folder, and the files that it needs there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loupe.core.records import Sample
from loupe.data.recipes.locate import IMAGES, REFERENCES, Locator, group_of, sample_id, target
from loupe.data.recipes.naming import degradation_of
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.scale import Scale
from loupe.data.recipes.soft_levels import soft_levels
from loupe.data.recipes.split import Deck
from loupe.data.recipes.survey import split_of


@dataclass(frozen=True, slots=True)
class Made:
    """A sample, and its files: path in the data folder to path below root."""

    sample: Sample
    files: dict[str, str]


class Maker:
    """Makes samples of one release; `scale` is None where nobody rated its images."""

    def __init__(
        self, recipe: Recipe, deck: Deck, *, scale: Scale | None, observed: Sequence[float] | None, locator: Locator
    ) -> None:
        self._recipe, self._deck, self._scale, self._locator = recipe, deck, scale, locator
        ends = observed or (1.0, 5.0)
        self._low = ends[0] if recipe.scale_min is None else recipe.scale_min
        self._high = ends[1] if recipe.scale_max is None else recipe.scale_max

    def make(self, row: LabelRow) -> Made | None:
        """The sample of a row; None where its image is not there."""
        recipe, here = self._recipe, self._locator.find(row)
        if here.image is None:
            return None
        image = target(row.image, here.image, folder=IMAGES, recipe=recipe)
        files, reference = {image: here.image}, None
        if here.reference is not None and row.reference is not None:
            reference = target(row.reference, here.reference, folder=REFERENCES, recipe=recipe)
            files[reference] = here.reference
        dataset = row.dataset or recipe.name
        sample = Sample(
            id=sample_id(row.image, dataset=dataset),
            image=image,
            dataset=dataset,
            split=split_of(row, recipe, self._deck),
            rating=self._rating(row.mos),
            mos=row.mos,
            scale_min=self._low,
            scale_max=self._high,
            higher_is_better=recipe.higher_is_better,
            mos_std=row.mos_std,
            ref_id=group_of(row),
            degradation=degradation_of(row, recipe),
            reference=reference,
            distortion=row.distortion,
            level_probs=row.level_probs or self._soft(row),
        )
        return Made(sample, files if recipe.place != "none" else {})

    def _rating(self, mos: float) -> float:
        return math.nan if self._scale is None or math.isnan(mos) else self._scale.rating(mos)

    def _soft(self, row: LabelRow) -> tuple[float, ...] | None:
        """The soft distribution, where the recipe says that opinions are near a Gaussian and there is a deviation."""
        if not self._recipe.soft_levels or row.mos_std is None or self._scale is None or math.isnan(row.mos):
            return None
        return soft_levels(self._scale.rating(row.mos), self._scale.std(row.mos_std))
