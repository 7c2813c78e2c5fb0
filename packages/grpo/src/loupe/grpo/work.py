"""What a run plays and where it writes it down, and the sampler that goes with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loupe.core.runs import RunFolder
from loupe.grpo.config import GrpoConfig
from loupe.grpo.sampler import ProgressiveSampler, Rows, lag_of
from loupe.grpo.tasks import Row


@dataclass(frozen=True)
class Work:
    """What is played, and where it is written down: the rows of all tasks, the folder of their images, the settings."""

    rows: Sequence[Row]
    data: Path
    config: GrpoConfig
    run: RunFolder


def sampler_of(work: Work, arguments: Any) -> ProgressiveSampler:
    """The sampler for TRL's arguments. Raises ConfigError where the rows cannot fill a chunk."""
    passes = arguments.num_iterations * arguments.steps_per_generation
    updates = arguments.max_steps * arguments.gradient_accumulation_steps
    rows, ranks = work.rows, work.config.rewards.rank > 0
    return ProgressiveSampler(
        Rows([row.rating for row in rows], [row.dataset for row in rows], [row.task for row in rows]),
        work.config.resampling,
        images_per_chunk=arguments.generation_batch_size // arguments.num_generations,
        generations=arguments.num_generations,
        passes=passes,
        chunks=-(-updates // passes),
        seed=arguments.seed,
        mix={name: task.share for name, task in work.config.mix.items()},
        per_dataset={row.task: 2 for row in rows if ranks and "rating" in row.protocol.asks},
        lag=lag_of(passes=passes, accumulation=arguments.gradient_accumulation_steps),
    )
