"""Settings of the closed loop: `loupe bench restoration`."""

from dataclasses import dataclass

from loupe.core.errors import ConfigError


@dataclass
class RestorationConfig:
    """What is diagnosed, treated and measured."""

    model: str = "pocket-agent"
    """Name of a shipped agent, folder of a model or an adapter, or a hub id."""
    data: str = "data/pocket"
    """Folder that `loupe data synth` made: its manifest holds the settings that make the pristine images again."""
    split: str = "test"
    """Split that is reported."""
    chosen_on: str = "val"
    """Split on which the fixed remedy is chosen; never the one that is reported."""
    out: str = "runs/pocket/restoration"
    """Folder for treated.jsonl, restoration.json, table.md, restoration.html and the diagnosis."""
    protocol: str = "zoom-brief"
    """Built-in protocol, or the path of a YAML file with one."""
    limit: int | None = None
    """Take the first so many images alone; null for all."""
    random_seeds: int = 5
    """How often the random remedy and the diagnosis of another image are drawn; their mean is what counts."""
    batch_size: int = 32
    """Conversations that the model answers at once."""
    seed: int = 0
    """Seed of the random remedies, of the shown pictures and of the bootstrap."""
    n_boot: int = 1000
    """Bootstrap draws of every interval; 0 for figures without intervals."""
    shown: int = 12
    """Pictures on the page, drawn by seed among the damaged ones, class by class."""
    resume: bool = False
    """Go on behind what the out folder already holds, which must come of the same settings."""

    def check(self) -> None:
        """Raises ConfigError for settings that cannot be."""
        least = {"random_seeds": 1, "batch_size": 1, "seed": 0, "n_boot": 0, "shown": 0}
        for name, limit in least.items():
            if getattr(self, name) < limit:
                raise ConfigError(f"{name}: got {getattr(self, name)}; wanted at least {limit}")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit: got {self.limit}; wanted at least 1, or null for all images")
        if self.split == self.chosen_on:
            raise ConfigError(
                f"split and chosen_on are both {self.split!r}; the fixed remedy has to be chosen on another split"
            )
