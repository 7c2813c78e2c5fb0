"""Settings of `loupe data audit`."""

from dataclasses import dataclass

from loupe.core.errors import ConfigError

LARGEST_DISTANCE = 16


@dataclass
class DataAuditConfig:
    """What `loupe data audit` does: look for what makes the labels or the splits of a data folder worthless."""

    data: str = ""
    """Data folder to check: the rows of {train,val,test}.jsonl and the images that they name."""
    out: str = ""
    """Folder for audit.json, audit.html and cache.jsonl; empty for `audit` in the data folder."""
    distance: int = 6
    """Bits of 64 in which the perceptual hashes of near-duplicates may differ, 0 to 16."""
    max_pixels: int = 64_000_000
    """Pixels of the largest image that is decoded."""
    workers: int = 0
    """Processes that decode images; 0 for one a processor."""

    def __post_init__(self) -> None:
        if not 0 <= self.distance <= LARGEST_DISTANCE:
            raise ConfigError(f"got distance={self.distance}; wanted 0 to {LARGEST_DISTANCE}: beyond, strangers match")
        if self.workers < 0 or self.max_pixels < 1:
            raise ConfigError(
                f"got workers={self.workers}, max_pixels={self.max_pixels}; wanted workers from 0, and pixels from 1"
            )
