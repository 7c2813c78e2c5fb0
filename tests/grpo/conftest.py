"""A model that has learnt the form of an answer in a few seconds, and settings of GRPO runs that take one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loupe.core.model.loading import ModelConfig
from loupe.grpo.config import GrpoConfig

SMALL: dict[str, Any] = {
    "num_generations": 4,
    "per_device_train_batch_size": 8,
    "steps_per_generation": 1,
    "max_steps": 2,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "constant",
    "warmup_steps": 0,
    "save_steps": 2,
    "use_cpu": True,
}


@pytest.fixture(scope="session")
def taught_folder(synthetic_folder: Path, blank_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has seen four rationales often enough to answer in their form, and not to be sure of anything."""
    from loupe.sft.config import SftConfig
    from loupe.sft.train import run_sft

    trainer = {
        "max_steps": 16,
        "per_device_train_batch_size": 4,
        "learning_rate": 3e-3,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "save_strategy": "no",
        "use_cpu": True,
    }
    config = SftConfig(
        model=ModelConfig(path=str(blank_folder), device="cpu"),
        data=str(synthetic_folder),
        out=str(tmp_path_factory.mktemp("taught") / "sft"),
        limit=4,
        probe_images=0,
        trainer=trainer,
    )
    return run_sft(config)


@pytest.fixture(scope="session")
def small_run(synthetic_folder: Path, taught_folder: Path) -> Callable[..., GrpoConfig]:
    """Config of a small run into a folder: two images a step, four episodes each. Other fields by name."""

    def make(out: Path, *, trainer: dict[str, Any] | None = None, **fields: Any) -> GrpoConfig:
        start = {"model": ModelConfig(path=str(taught_folder), device="cpu"), "data": str(synthetic_folder)}
        rest = {"limit": 6, "probe_images": 1, "probe_every": 2, "seed": 1}
        return GrpoConfig(**{**start, **rest, **fields}, out=str(out), trainer={**SMALL, **(trainer or {})})

    return make
