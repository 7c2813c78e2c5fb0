"""Settings of the SFT stage."""

from dataclasses import dataclass, field, replace
from typing import Any

from loupe.core.errors import ConfigError
from loupe.core.model.loading import ModelConfig
from loupe.sft.sources import RationaleSource


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
    sources: dict[str, RationaleSource] = field(default_factory=dict[str, RationaleSource])
    """Sources of rationales to mix, by names of your own; none learns from `data`, `protocol` and `limit` alone."""
    max_tokens: int = 0
    """Examples with more tokens, images included, are left out; 0 takes all. Nothing is ever cut."""
    pack: bool = True
    """Compute a batch as one row without padding, where the model's attention is sdpa; false pads, and is the same."""
    own_words: int = 0
    """Training images that the model judges first, to learn from its own words too; 0 for none."""
    own_temperature: float = 0.7
    """Temperature at which it does."""
    eval_every: int = 0
    """Steps between two evaluations on the rationales of the validation split; 0 for none."""
    eval_images: int = 128
    """Held-out rationales of each source to evaluate on, drawn; 0 takes all."""
    patience: int = 0
    """Evaluations without a lower held-out loss after which training ends; 0 goes on to the last step."""
    keep_best: bool = True
    """With evaluations, write the model of the lowest held-out loss; false writes the last one."""
    probe_images: int = 6
    """Images of the validation split whose episodes are kept over time."""
    probe_every: int = 100
    """Steps between two looks at those images; each evaluation looks at them too."""
    resume: bool = False
    """Go on from the last checkpoint in `out`."""
    seed: int = 0
    """Seed of batches and of everything that the trainer draws."""
    trainer: dict[str, Any] = field(default_factory=dict[str, Any])
    """Any argument of TRL's SFTConfig, for example max_steps, learning_rate, per_device_train_batch_size."""

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        for name in ("limit", "max_tokens", "eval_every", "eval_images", "patience", "probe_images"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: got {getattr(self, name)}; wanted 0 or more")
        if self.probe_every < 1:
            raise ConfigError(f"probe_every: got {self.probe_every}; wanted at least 1 step")
        if self.patience and not self.eval_every:
            raise ConfigError(
                f"patience={self.patience} goes by the held-out loss; set eval_every to a number of steps"
            )
        if self.sources and self.limit:
            raise ConfigError(f"limit={self.limit} is that of a single source; set sources.NAME.limit")

    @property
    def mix(self) -> dict[str, RationaleSource]:
        """The sources that are learnt from, each with its data folder and protocol."""
        sources = self.sources or {"rationales": RationaleSource(limit=self.limit)}
        return {
            name: replace(source, data=source.data or self.data, protocol=source.protocol or self.protocol)
            for name, source in sources.items()
        }
