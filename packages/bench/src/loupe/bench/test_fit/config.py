"""Settings of the study of fits on test labels: `loupe bench test-fit`."""

from dataclasses import dataclass, field

from loupe.bench.test_fit.simulate import LINKS
from loupe.core.errors import ConfigError


@dataclass
class TestFitConfig:
    """What is simulated, how often, and where the figures go."""

    # The name begins like that of a test, and is none.
    __test__ = False

    out: str = "runs/test-fit"
    """Folder for test-fit.json, test-fit.md and test-fit.png."""
    sizes: list[int] = field(default_factory=lambda: [500, 1000, 2000])
    """Images of a test set."""
    correlations: list[float] = field(default_factory=lambda: [0.7, 0.85, 0.93])
    """Correlation of the predictions with opinion once their scale is right; above 0 and below 1."""
    links: list[str] = field(default_factory=lambda: list(LINKS))
    """How the scale of the predictions hangs together with that of opinion: linear, tanh or both."""
    repetitions: int = 200
    """Test sets that are simulated for each size, correlation and link."""
    n_boot: int = 1000
    """Bootstrap draws over the repetitions, for the intervals of their means."""
    coverage_draws: int = 200
    """Draws with and without a new fit on each, for the study of intervals on the smallest size; 0 leaves it out."""
    seed: int = 0
    """Seed of the simulation and of the bootstrap."""

    def check(self) -> None:
        """Raises ConfigError for settings that cannot be."""
        if not self.sizes or min(self.sizes) < 10:
            raise ConfigError(f"sizes: got {self.sizes}; wanted one or more, each of 10 images at least")
        if not self.correlations or not all(0.0 < r < 1.0 for r in self.correlations):
            raise ConfigError(f"correlations: got {self.correlations}; wanted one or more, above 0 and below 1")
        if not self.links or set(self.links) - set(LINKS):
            raise ConfigError(f"links: got {self.links}; wanted one or more of {', '.join(LINKS)}")
        for name, least in (("repetitions", 2), ("n_boot", 1), ("coverage_draws", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}: got {getattr(self, name)}; wanted at least {least}")
        for name in ("sizes", "correlations", "links"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ConfigError(f"{name}: got {getattr(self, name)}; wanted each once")
