"""From the settings of an ablation to its cells: folders and the words of the commands that each cell runs.

All that can be refused is refused here, before any work. What a stage itself refuses, such as an unknown reward, is
found when its cell runs and fails that cell alone.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loupe.bench.ablation.config import AblateConfig, RowConfig
from loupe.core.environment import weight_files
from loupe.core.errors import ConfigError
from loupe.core.files import sha256_file
from loupe.core.model.checkpoints import find_model
from loupe.rewards.settings import preset_path

START = "start (no RL)"
"""Name of the line that shows the model which every cell starts from."""
OURS = ("model.path", "data", "out", "seed", "resume", "trainer.max_steps")
"""Settings of `loupe grpo` that the ablation gives itself."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One command of a cell. `words` say what is asked, `places` where things lie: a moved folder is the same."""

    words: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One row with one seed (None for the start model), in a folder of its own. `inputs` are files by their hash."""

    row: str
    seed: int | None
    folder: Path
    stages: tuple[Stage, ...]
    inputs: Mapping[str, str]

    @property
    def name(self) -> str:
        """The cell in words."""
        return self.row if self.seed is None else f"{self.row}, seed {self.seed}"

    @property
    def asked(self) -> dict[str, Any]:
        """What a cell of another ablation would differ in; plain, ready for JSON."""
        return {"commands": [list(stage.words) for stage in self.stages], "inputs": dict(self.inputs)}

    @property
    def training(self) -> Path:
        """Run folder of the training."""
        return self.folder / "grpo"

    @property
    def evaluation(self) -> Path:
        """Run folder of the judging."""
        return self.folder / "eval"


def plan(config: AblateConfig) -> list[Cell]:
    """The start model's cell, then every row with every seed, seed by seed, so that a part of it compares all rows.

    Raises ConfigError for settings that cannot be, MissingFileError and ModelError for what is not there.
    """
    check(config)
    inputs = _inputs(config)
    start = Cell(START, None, Path(config.out) / "start", (_judging(config, config.start, "start"),), inputs)
    return [start, *(_cell(config, name, seed, inputs) for seed in config.seeds for name in config.rows)]


def check(config: AblateConfig) -> None:
    """Raises ConfigError for settings that cannot be, MissingFileError for a preset; looks at no other file."""
    _check_numbers(config)
    _check_rows(config.rows, config.base)
    for row in config.rows.values():
        _preset(row)


def slug(name: str) -> str:
    """The folder's name of a row: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _cell(config: AblateConfig, name: str, seed: int, inputs: Mapping[str, str]) -> Cell:
    place = Path("cells") / slug(name) / f"seed-{seed}"
    folder = Path(config.out) / place
    row, judging = config.rows[name], _judging(config, str(folder / "grpo" / "model"), str(place))
    return Cell(name, seed, folder, (_training(config, row, seed, folder), judging), {**inputs, **_preset(row)})


def _training(config: AblateConfig, row: RowConfig, seed: int, folder: Path) -> Stage:
    preset = ["--rewards", row.rewards] if row.rewards else config.base
    ours = [
        f"model.path={config.start}",
        f"data={config.data}",
        f"seed={seed}",
        f"trainer.max_steps={config.max_steps}",
    ]
    words = ["grpo", "--config", config.grpo, *preset, *row.set, *ours]
    return Stage(tuple(words), (f"out={folder / 'grpo'}", "--resume"))


def _judging(config: AblateConfig, model: str, place: str) -> Stage:
    limit = "null" if config.limit is None else config.limit
    asked = [f"data={config.data}", f"split={config.split}", f"limit={limit}", "looks=[decided]"]
    places = (f"model={model}", f"out={Path(config.out) / place / 'eval'}", "--resume")
    return Stage(("evaluate", "--config", config.evaluate, *asked), places)


def _inputs(config: AblateConfig) -> dict[str, str]:
    """Hashes of the files that the words of every cell only name. Raises MissingFileError, ModelError."""
    paths = [Path(config.grpo), Path(config.evaluate), Path(config.data) / f"{config.split}.jsonl"]
    weights = weight_files(find_model(config.start).folder)
    hashes = {str(path): sha256_file(path) for path in paths}
    return hashes | {f"{config.start}/{path.name}": sha256_file(path) for path in weights}


def _preset(row: RowConfig) -> dict[str, str]:
    """Hash of the row's preset, of its own cells alone: another row may be added, or its preset mended, later on."""
    if not row.rewards:
        return {}
    path = preset_path(row.rewards)
    return {str(path): sha256_file(path)}


def _check_numbers(config: AblateConfig) -> None:
    if not config.seeds or len(set(config.seeds)) < len(config.seeds) or min(config.seeds) < 0:
        raise ConfigError(f"seeds: got {config.seeds}; wanted one or more different ones of 0 or above")
    for name, least in (("max_steps", 1), ("n_boot", 0), ("boot_seed", 0)):
        if getattr(config, name) < least:
            raise ConfigError(f"{name}: got {getattr(config, name)}; wanted at least {least}")
    if not config.max_minutes > 0:
        raise ConfigError(f"max_minutes: got {config.max_minutes}; wanted more than 0")
    if config.limit is not None and config.limit < 1:
        raise ConfigError(f"limit: got {config.limit}; wanted at least 1, or null for all images")


def _check_rows(rows: Mapping[str, RowConfig], base: Sequence[str]) -> None:
    if not rows:
        raise ConfigError("got no rows; name one at least, for example rows: {score: {set: [rewards.rank=0]}}")
    slugs = Counter(map(slug, rows))
    for name, row in rows.items():
        if not slug(name) or slugs[slug(name)] > 1 or name == START:
            raise ConfigError(f"row {name!r}: wanted a name with letters or digits that no other row has; rename it")
        for word in [*base, *row.set]:
            key, sign, _ = word.partition("=")
            if not sign or not re.fullmatch(r"[a-z_][\w.]*", key):
                raise ConfigError(f"row {name!r}: got {word!r}; wanted KEY=VALUE, for example rewards.rank=0")
            if key in OURS:
                raise ConfigError(f"row {name!r}: {key} is set by the ablation itself; take it out of the row")
