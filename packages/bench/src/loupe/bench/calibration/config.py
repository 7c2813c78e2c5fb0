"""Settings of an evaluation with calibrated intervals: those of the evaluation, and what it is calibrated on."""

from dataclasses import dataclass
from pathlib import Path

from loupe.bench.calibration.conformal import BY, NONCONFORMITY
from loupe.bench.evaluate import EvaluateConfig
from loupe.core.errors import ConfigError, MissingFileError


@dataclass
class CalibrateConfig(EvaluateConfig):
    """Settings of `loupe evaluate` with `calibrate`. Intervals are those of the first look."""

    calibrate: str = "val"
    """Images to calibrate on: another split of the data folder, or FOLDER/SPLIT of another one, for example
    data/pocket-calibration/val. No image may come from a reference of the split that is judged."""
    alpha: float = 0.1
    """Share of labels that an interval may miss; 0.1 for intervals that hold 90 %."""
    nonconformity: str = "absolute"
    """What errors are measured in: absolute, rating points; or scaled, by the spread of the judgements of an image."""
    floor: float = 0.1
    """Rating points that are added to a spread before anything is scaled by it."""
    by: str = "reference"
    """What counts as one: reference, all versions of a pristine image together; image, each on its own; or one, a drawn
    image of each reference."""


def check(config: CalibrateConfig) -> tuple[str, str]:
    """Folder and split of the calibration images. Raises ConfigError, MissingFileError."""
    if not 0 < config.alpha < 1:
        raise ConfigError(f"alpha: got {config.alpha}; wanted a share between 0 and 1, such as 0.1")
    if config.floor <= 0:
        raise ConfigError(f"floor: got {config.floor}; wanted rating points above 0")
    for name, known in (("nonconformity", NONCONFORMITY), ("by", BY)):
        if getattr(config, name) not in known:
            raise ConfigError(f"{name}: got {getattr(config, name)!r}; wanted one of {', '.join(known)}")
    if config.nonconformity == "scaled" and config.samples < 2:
        raise ConfigError(
            f"nonconformity scaled takes the spread of samples, got samples={config.samples}; set 2 or more"
        )
    look = config.looks[0] if config.looks else ""
    if not config.fast and look not in ("decided", "never"):
        raise ConfigError(
            f"looks: the first is {look!r}; wanted decided or never, for nobody judges a single picture otherwise"
        )
    return _place(config)


def _place(config: CalibrateConfig) -> tuple[str, str]:
    path = Path(config.calibrate)
    folder, split = (Path(config.data), config.calibrate) if len(path.parts) < 2 else (path.parent, path.name)
    if path.is_dir() and len(path.parts) > 1:
        raise ConfigError(f"calibrate: {path} is a folder; name the split too, for example {path}/val")
    if not (folder / f"{split}.jsonl").is_file():
        raise MissingFileError(
            f"calibrate: no {folder}/{split}.jsonl; wanted another split of {config.data}, or FOLDER/SPLIT"
        )
    if (folder.resolve(), split) == (Path(config.data).resolve(), config.split):
        raise ConfigError(f"calibrate: {config.calibrate} is the split that is judged; wanted other images")
    return str(folder), split
