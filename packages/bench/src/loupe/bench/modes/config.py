"""Settings of the modes side by side: `loupe bench modes`."""

from dataclasses import dataclass

from loupe.core.errors import ConfigError


@dataclass
class ModesConfig:
    """Which agent judges which images in every mode."""

    model: str = "pocket-agent"
    """Name of a shipped agent, folder of a model or an adapter, or a hub id."""
    data: str = "data/pocket"
    """Data folder with {split}.jsonl and the images that it names."""
    split: str = "test"
    """Which split of the data folder to judge."""
    out: str = "runs/pocket/modes"
    """Folder for played.jsonl, modes.json, modes.md, modes.png and config.yaml."""
    protocol: str = "zoom-brief"
    """Built-in protocol, or the path of a YAML file with one; it needs a fast_opening."""
    samples: int = 4
    """Judgements of an image in the mode that averages several."""
    limit: int | None = None
    """Judge the first so many samples alone; null for all."""
    batch_size: int = 64
    """Conversations that the model answers at once, the same in every mode."""
    chunk: int = 64
    """Images that one mode judges before the next one gets them: what is timed at a time."""
    seed: int = 0
    """Seed of sampling and of the bootstrap."""
    n_boot: int = 1000
    """Bootstrap draws of every interval; 0 for figures without intervals."""
    resume: bool = False
    """Go on behind what the out folder already holds, which must come of the same settings."""

    def check(self) -> None:
        """Raises ConfigError for settings that cannot be."""
        least = {"samples": 2, "batch_size": 1, "chunk": 1, "seed": 0, "n_boot": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ConfigError(f"{name}: got {getattr(self, name)}; wanted at least {bound}")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit: got {self.limit}; wanted at least 1, or null for all samples")
