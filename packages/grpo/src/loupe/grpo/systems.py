"""Presets by name: the rewards of a published system, to be used with any other settings.

A preset is a whole config of the GRPO stage in configs/systems, with the numbers of its paper. Run as it stands it is
the paper's recipe at the paper's size; of it, `reward_words` takes the rewards alone, for a run of another size.
"""

from dataclasses import asdict
from pathlib import Path

from loupe.core.config import load_config
from loupe.grpo.config import GrpoConfig
from loupe.rewards.settings import preset_path


def reward_words(name_or_path: str, *, folder: Path | None = None) -> list[str]:
    """Overrides that set every weight and option of a reward to what a preset says.

    `name_or_path` and `folder` are those of `loupe.rewards.settings.preset_path`. Raises MissingFileError, ConfigError.
    """
    preset = load_config(GrpoConfig, preset_path(name_or_path, folder=folder))
    blocks = {"rewards": preset.rewards, "reward_options": preset.reward_options}
    return [f"{block}.{key}={value}" for block, made in blocks.items() for key, value in asdict(made).items()]
