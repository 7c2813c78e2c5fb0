"""What can be set about a ranking, checked before a picture is opened. Knows no model and no arithmetic."""

from dataclasses import dataclass

from loupe.core.errors import ConfigError
from loupe.core.model.checkpoints import SHIPPED

RATINGS, COMPARISONS, RATED_PAIRS = "ratings", "comparisons", "rated-pairs"
WAYS = (RATINGS, COMPARISONS, RATED_PAIRS)
BRADLEY_TERRY, THURSTONE = "bradley-terry", "thurstone"
FITS = (BRADLEY_TERRY, THURSTONE)
LEAST_DRAWS = 40
"""Of so many draws one lies beyond each end of a 95 % interval."""
CANNOT_COMPARE = (
    "{} learnt to rate one picture at a time (zoom-brief) and cannot compare two; take --by ratings, or give with "
    "--model one that learnt to compare"
)


@dataclass
class RankConfig:
    """Settings of `rank`."""

    model: str = "pocket-agent"
    """Name of a shipped agent, folder of a model or an adapter, or a hub id."""
    by: str = RATINGS
    """What the ranking is made of: ratings of single pictures, comparisons of two pictures, or rated-pairs, which turns
    ratings and their spreads into chances of being better."""
    protocol: str = ""
    """Built-in protocol or the path of a YAML file; empty for zoom-brief, compare, or compare-reference, as it fits."""
    reference: str = ""
    """Picture that all comparisons are made against; only for comparisons."""
    fit: str = BRADLEY_TERRY
    """Model behind comparisons: bradley-terry or thurstone."""
    zoom: bool = True
    """Whether the agent may ask for crops when it rates."""
    fast: bool = False
    """Rate without reasoning and zoom, in one pass; there is one rating a picture then, and no interval."""
    samples: int = 0
    """Ratings of each picture, or comparisons of each pair in each order; 0 for 4 ratings, 1 comparison. The first is
    greedy, the others are drawn."""
    pairs: int = 0
    """Pairs that are compared, each in both orders; 0 for every pair of a small folder and a part of a large one's."""
    draws: int = 1000
    """Draws behind the intervals, at least 40; 0 for no intervals."""
    seed: int = 0
    """Seed of all that is drawn; the same seed gives the same ranking."""
    batch_size: int = 16
    """Conversations that the model answers at once."""

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        for name, known in (("by", WAYS), ("fit", FITS)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name}: got {getattr(self, name)!r}; wanted one of {', '.join(known)}")
        for name, least in (("samples", 0), ("pairs", 0), ("draws", 0), ("seed", 0), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}: got {getattr(self, name)}; wanted at least {least}")
        if 0 < self.draws < LEAST_DRAWS:
            raise ConfigError(
                f"draws: got {self.draws}; the ends of an interval take {LEAST_DRAWS}, or give 0 for none"
            )
        if self.by != COMPARISONS:
            for name in ("reference", "pairs"):
                if getattr(self, name):
                    raise ConfigError(f"{name} is for comparisons; leave it out, or take --by {COMPARISONS}")
        if self.by != COMPARISONS and self.fit != BRADLEY_TERRY:
            raise ConfigError(f"fit {self.fit} is for comparisons; leave it out, or take --by {COMPARISONS}")
        if self.fast and (self.by != RATINGS or self.samples > 1):
            raise ConfigError(f"fast gives one rating a picture; take it with --by {RATINGS} and without --samples")
        if self.by == RATED_PAIRS and self.judgements < 2:
            raise ConfigError(f"samples: got 1; {RATED_PAIRS} needs the spread of at least 2 ratings a picture")
        if self.by == COMPARISONS and self.model in SHIPPED:
            raise ConfigError(CANNOT_COMPARE.format(self.model))

    @property
    def judgements(self) -> int:
        """Ratings of each picture, or comparisons of each pair in each order."""
        return self.samples or (1 if self.fast or self.by == COMPARISONS else 4)

    @property
    def asked(self) -> str:
        """The protocol by name or path."""
        if self.by != COMPARISONS:
            return self.protocol or "zoom-brief"
        return self.protocol or ("compare-reference" if self.reference else "compare")
