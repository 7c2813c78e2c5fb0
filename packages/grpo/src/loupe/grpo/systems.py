"""Presets by name: the rewards of a published system, to be used with any other settings.

A preset is a whole config of the GRPO stage in configs/systems, with the numbers of its paper. Run as it stands it is
the paper's recipe at the paper's size; of it, `reward_words` takes the rewards alone, for a run of another size.
"""

from dataclasses import asdict
from pathlib import Path

from loupe.core.config import load_config
from loupe.core.errors import MissingFileError
from loupe.grpo.config import GrpoConfig
from loupe.rewards.settings import PRESETS


def reward_words(name_or_path: str, *, folder: Path = PRESETS) -> list[str]:
    """Overrides that set every weight and option of a reward to what a preset says.

    `name_or_path` is a name in `folder` or a YAML file. Raises MissingFileError, ConfigError.
    """
    path = folder / f"{name_or_path}.yaml"
    path = path if path.is_file() else Path(name_or_path)
    if not path.is_file():
        known = ", ".join(sorted(item.stem for item in folder.glob("*.yaml")))
        hint = f"give one of {known}, or a file" if known else f"there is no folder {folder} here; give a file"
        raise MissingFileError(f"no preset {name_or_path!r}; {hint}")
    preset = load_config(GrpoConfig, path)
    blocks = {"rewards": preset.rewards, "reward_options": preset.reward_options}
    return [f"{block}.{key}={value}" for block, made in blocks.items() for key, value in asdict(made).items()]
