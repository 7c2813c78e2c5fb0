"""Settings of SFT runs that take a second on one core."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loupe.core.model.loading import ModelConfig
from loupe.sft.config import SftConfig

SMALL: dict[str, Any] = {
    "max_steps": 3,
    "per_device_train_batch_size": 4,
    "learning_rate": 3e-3,
    "lr_scheduler_type": "constant",
    "warmup_steps": 0,
    "logging_steps": 1,
    "save_steps": 2,
    "use_cpu": True,
    "disable_tqdm": True,
}


@pytest.fixture(scope="session")
def small_run(synthetic_folder: Path, blank_folder: Path) -> Callable[..., SftConfig]:
    """Config of a small run into a folder; other fields by name, trainer arguments by `trainer`."""

    def make(out: Path, *, trainer: dict[str, Any] | None = None, **fields: Any) -> SftConfig:
        start = {"model": ModelConfig(path=str(blank_folder), device="cpu"), "data": str(synthetic_folder)}
        rest = {"limit": 8, "probe_images": 1, "probe_every": 2, "seed": 1}
        return SftConfig(**{**start, **rest, **fields}, out=str(out), trainer={**SMALL, **(trainer or {})})

    return make
