"""Run folders: what every training and evaluation stage leaves beside its model, so that a result can be traced.

`config.yaml` is the whole resolved configuration, `environment.json` what it ran on, `metrics.jsonl` the numbers over
the steps, `episodes.jsonl` what the agent said about a few fixed images over the steps, `rewards.jsonl` what each
rollout said and what every term paid for it, `draws.jsonl` which ratings were drawn for them. A folder belongs to one
run: a second one has to choose another folder, or to go on with exactly the same settings. A run that ended before it
made anything leaves its folder free.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from loupe.core.config import to_yaml
from loupe.core.environment import environment
from loupe.core.errors import ConfigError
from loupe.core.files import append_jsonl, read_json, read_jsonl, write_json, write_jsonl, write_text_atomic

CONFIG, ENVIRONMENT = "config.yaml", "environment.json"
METRICS, EPISODES, REWARDS, DRAWS = "metrics.jsonl", "episodes.jsonl", "rewards.jsonl", "draws.jsonl"
ROWS = (METRICS, EPISODES, REWARDS, DRAWS)
"""Files that grow by rows, each of which has a `step`."""
MAY_DIFFER = frozenset({"resume", "out", "steps", "max_steps", "epochs", "num_train_epochs"})
"""Last words of the keys that a resumed run may change: to go on for longer is the reason to resume, and a run folder
that was moved is still the same run."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder that a stage writes into. `resumed` says that an earlier part of the same run is already there."""

    path: Path
    resumed: bool = False

    def log(self, step: int, /, **numbers: float | None) -> None:
        """Append one row of numbers to `metrics.jsonl`. Not a number is written as null."""
        append_jsonl(self.path / METRICS, {"step": step, **numbers})

    def append_episodes(self, step: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append what the agent said at `step` to `episodes.jsonl`, one row an episode."""
        self._append(EPISODES, step, rows)

    def append_rewards(self, step: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append what rollouts earned to `rewards.jsonl`, one row each; `step` is the first that learns from them."""
        self._append(REWARDS, step, rows)

    def append_draw(self, step: int, row: Mapping[str, Any]) -> None:
        """Append what a chunk of rollouts drew to `draws.jsonl`; `step` is the first that learns from it."""
        self._append(DRAWS, step, [row])

    def _append(self, name: str, step: int, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            append_jsonl(self.path / name, {"step": step, **row})

    def rewind(self, step: int) -> None:
        """Drop all rows after `step`: a run that goes on from a checkpoint will write them again."""
        for path in (self.path / name for name in ROWS):
            rows = read_jsonl(path) if path.is_file() else []
            keep = [row for row in rows if row["step"] <= step]
            if len(keep) < len(rows):
                write_jsonl(path, keep)


def open_run(
    folder: Path | str,
    config: Any,
    *,
    data: Sequence[Path | str] = (),
    start: Path | str | None = None,
    resume: bool = False,
) -> RunFolder:
    """Run folder with `config.yaml` and `environment.json` written.

    `config` is the stage's dataclass, `data` the manifest files to take the hash of, `start` the model that the run
    begins with. A folder that holds a run already is refused, unless `resume` is true and the settings, the data and
    the start weights are the same; a setting that its version did not have yet was at its default then. Raises
    ConfigError, MissingFileError.
    """
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is a file; wanted a folder to write the run into; choose another one")
    check_free(path, resume=resume)
    text, now = to_yaml(config), environment(data=data, start=start)
    resumed = _begun(path) and (path / CONFIG).is_file() and (path / ENVIRONMENT).is_file()
    if resumed:
        before = read_json(path / ENVIRONMENT)
        _same_config(path, text, defaults=to_yaml(type(config)))
        _same_input(path, before, now)
        now["earlier"] = [*before.pop("earlier", []), before]
    write_text_atomic(path / CONFIG, text)
    write_json(path / ENVIRONMENT, now)
    return RunFolder(path, resumed)


def check_free(path: Path, *, resume: bool) -> None:
    """Raises ConfigError for a folder that holds a run, unless that is to go on."""
    if not resume and _begun(path):
        raise ConfigError(f"{path} holds another run; choose another folder, or set resume=true, or remove it")


def _begun(path: Path) -> bool:
    """Whether a run left more in the folder than the two files that it begins with."""
    if not (path / CONFIG).exists() and not (path / ENVIRONMENT).exists():
        return any((path / name).exists() for name in ROWS)
    return any(item.name not in (CONFIG, ENVIRONMENT) for item in path.iterdir())


def _same_config(path: Path, text: str, *, defaults: str) -> None:
    try:
        old = _leaves(yaml.safe_load((path / CONFIG).read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path / CONFIG} is not readable YAML; choose another folder, or remove this one") from error
    new, usual = _leaves(yaml.safe_load(text)), _leaves(yaml.safe_load(defaults))
    old = {**{key: usual[key] for key in new.keys() & usual.keys()}, **old}
    keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    differing = [key for key in keys if key.rsplit(".", 1)[-1] not in MAY_DIFFER]
    if differing:
        shown = "; ".join(f"{key} was {old.get(key)!r}, is {new.get(key)!r}" for key in differing)
        raise ConfigError(f"cannot resume {path}: {shown}; use the settings in its {CONFIG}, or choose another folder")


def _same_input(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for key, what in (("data_sha256", "data"), ("start_sha256", "start weights")):
        if sorted(before[key].values()) != sorted(now[key].values()):
            raise ConfigError(f"cannot resume {path}: the {what} have changed since it began; choose another folder")


def _leaves(node: Any, prefix: str = "") -> dict[str, Any]:
    """Value by dotted key, over nested mappings; an empty mapping has none, so that it can be filled later."""
    if not isinstance(node, dict):
        return {prefix: node}
    leaves: dict[str, Any] = {}
    for name, child in cast(dict[str, Any], node).items():
        leaves.update(_leaves(child, f"{prefix}.{name}" if prefix else str(name)))
    return leaves
