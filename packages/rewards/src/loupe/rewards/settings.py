"""What a config says about rewards: the weight of each term, and the settings of their formulas.

The defaults are all terms of the three papers at weight 1, with the papers' numbers where they give some; the presets
in configs/systems choose among them.
"""

import math
from dataclasses import astuple, dataclass
from pathlib import Path

from loupe.core.errors import ConfigError, MissingFileError
from loupe.rewards.rank_variants import VARIANTS
from loupe.rewards.score import KINDS

PRESETS = Path("configs/systems")
"""Where a preset lies that is called by its name, from the folder that the commands are given in."""


def preset_path(name_or_path: str, *, folder: Path | None = None) -> Path:
    """YAML file of a preset: a name in `folder` (PRESETS), or a file. Raises MissingFileError."""
    folder = folder or PRESETS
    found = [path for path in (folder / f"{name_or_path}.yaml", Path(name_or_path)) if path.is_file()]
    if not found:
        known = ", ".join(sorted(item.stem for item in folder.glob("*.yaml")))
        hint = f"give one of {known}, or a file" if known else f"there is no folder {folder} here; give a file"
        raise MissingFileError(f"no preset {name_or_path!r}; {hint}")
    return found[0]


@dataclass(frozen=True)
class RewardWeights:
    """What each term is worth in the sum. A term of weight 0 is computed and logged, and paid nothing."""

    format: float = 1.0
    """Share of turns in the layout and with the keys that were asked for, 0 to 1."""
    score: float = 1.0
    """Nearness of the verdict's rating to the opinion, 0 to 1."""
    degradation: float = 1.0
    """Right class, and right class with right level, 0 to 1 with the default options."""
    rank: float = 1.0
    """Right order of the rating among the other images of the batch, 0 to about 1."""
    comparison: float = 1.0
    """The better one of two images named, 0 or 1; only completions that were asked to choose have it."""
    region_iou: float = 0.0
    """Overlap of the verdict's box with the region that is known to be damaged, 0 to 1."""
    zoom_gain: float = 0.0
    """How much nearer to the opinion the last rating is than the first one, 0 to 1."""
    crop_cost: float = 0.0
    """Minus the number of crops that were shown; a weight above 0 makes each crop cost that much."""

    def __post_init__(self) -> None:
        if any(not math.isfinite(weight) or weight < 0.0 for weight in astuple(self)):
            raise ConfigError(f"got {self}; wanted finite weights of 0 or more")


@dataclass(frozen=True)
class RewardOptions:
    """Settings of the terms; the defaults are those of the papers."""

    score_kind: str = "threshold"
    """threshold, linear or gaussian: how the score reward falls with the error."""
    score_epsilon: float = 0.35
    """Error of a rating on 1..5 at which the score reward is lost (threshold) or halved (gaussian)."""
    score_strict: bool = True
    """Whether an error of exactly score_epsilon is too large; for the kind threshold."""
    class_weight: float = 0.25
    """Part of the degradation reward for the right class."""
    level_weight: float = 0.75
    """Part of the degradation reward for the right level of the right class."""
    partial_level: bool = False
    """Whether a level near the right one earns a part of level_weight."""
    rank_variant: str = "thurstone"
    """thurstone, probability-average, case-v or binary: how a comparison of two images is paid."""
    rank_epsilon: float = 1e-6
    """Added inside the roots of the rank reward; 0 for the formula of the paper."""
    rank_min_variance: float = 0.0
    """Least variance of an image's ratings in the rank reward; 0 as in the paper."""

    def __post_init__(self) -> None:
        if self.score_kind not in KINDS:
            raise ConfigError(f"got score_kind {self.score_kind!r}; wanted one of {', '.join(KINDS)}")
        if self.rank_variant not in VARIANTS:
            raise ConfigError(f"got rank_variant {self.rank_variant!r}; wanted one of {', '.join(VARIANTS)}")
        sizes = (self.rank_epsilon, self.rank_min_variance, self.class_weight, self.level_weight)
        if not 0.0 < self.score_epsilon < math.inf or not all(0.0 <= size < math.inf for size in sizes):
            raise ConfigError(f"got {self}; wanted finite numbers of 0 or more, and score_epsilon above 0")
