"""Settings of the SFT stage."""

from dataclasses import dataclass, field
from typing import Any

from loupe.core.model.loading import ModelConfig


@dataclass
class SftConfig:
    """What `loupe sft` does: teach the form of an answer and the look again, on grounded rationales."""

    model: ModelConfig = field(default_factory=ModelConfig)
    """The model to start from, and how to load and adapt it."""
    data: str = "data/pocket"
    """Data folder with rationales."""
    out: str = "runs/pocket/sft"
    """Run folder to write."""
    protocol: str = "zoom-brief"
    """Protocol by name, or the path of a YAML file; rollouts and evaluation must use the same one."""
    limit: int = 0
    """Written rationales to train on, drawn from all; 0 takes all."""
    own_words: int = 0
    """Training images that the model judges first, to learn from its own words too; 0 for none."""
    own_temperature: float = 0.7
    """Temperature at which it does."""
    probe_images: int = 6
    """Images of the validation split whose episodes are kept over time."""
    probe_every: int = 100
    """Steps between two looks at those images."""
    resume: bool = False
    """Go on from the last checkpoint in `out`."""
    seed: int = 0
    """Seed of batches and of everything that the trainer draws."""
    trainer: dict[str, Any] = field(default_factory=dict[str, Any])
    """Any argument of TRL's SFTConfig, for example max_steps, learning_rate, per_device_train_batch_size."""
