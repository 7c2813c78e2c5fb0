"""Synthesis of labelled images: pristine images, degraded by the engine, labelled by measurement.

This is the run itself: it claims the folder, hands the tasks to processes, notes each one that is done, and goes on
where an interrupted run stopped. What is made is planned in `synth_plan` and made in `synth_unit`; `synth_labels`
writes the labels at the end.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loupe.core.errors import ConfigError
from loupe.core.files import append_jsonl, read_json, read_jsonl, write_json
from loupe.data.photos import check_photos
from loupe.data.processes import in_processes, start_worker
from loupe.data.synth_labels import write_labels
from loupe.data.synth_plan import SynthConfig, photo_list_hash, plan
from loupe.data.synth_unit import make_unit

_PROGRESS, _SETTINGS = "progress.jsonl", "settings.json"


def synthesise(config: SynthConfig, *, progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Write the data folder and return it; `progress(done, total)` is called after each pristine image.

    Raises ConfigError where the settings cannot be met or the folder holds other data; MissingFileError, DataError and
    ImageError where the photographs do not do.
    """
    tasks, out = plan(config), Path(config.out)
    _claim(out, config)
    units = {(unit["split"], unit["number"]): unit for unit in _finished(out)}
    left = [task for task in tasks if (task.split, task.number) not in units]
    check_photos(sorted({task.photo for task in left if task.photo is not None}), size=config.size)
    for unit in in_processes(make_unit, left, workers=config.workers, start=start_worker):
        append_jsonl(out / _PROGRESS, unit)
        units[unit["split"], unit["number"]] = unit
        progress(len(units), len(tasks))
    write_labels(out, config, [units[key] for key in sorted(units)])
    return out


def _claim(out: Path, config: SynthConfig) -> None:
    """Note the settings in the folder, or refuse a folder that holds anything made otherwise."""
    settings = {key: value for key, value in asdict(config).items() if key not in ("out", "workers")}
    if (hashed := photo_list_hash(config)) is not None:
        settings["photo_list_hash"] = hashed
    if out.exists() and not out.is_dir():
        raise ConfigError(f"out={out} is a file; give the name of a folder")
    if not (out / "manifest.json").exists() and not (out / _PROGRESS).exists():
        write_json(out / _SETTINGS, settings)
        return
    if not (out / _SETTINGS).is_file():
        raise ConfigError(f"{out} holds data that was not made here; give another `out`")
    held = read_json(out / _SETTINGS)
    if different := [key for key in settings if held.get(key) != settings[key]]:
        raise ConfigError(
            f"{out} holds data made with other settings ({', '.join(different)} differ); "
            "give another `out`, or remove the folder"
        )


def _finished(out: Path) -> list[dict[str, Any]]:
    return read_jsonl(out / _PROGRESS) if (out / _PROGRESS).is_file() else []
