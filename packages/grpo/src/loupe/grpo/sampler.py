"""Progressive re-sampling: rare ratings are drawn more and more often as training goes on.

Ratings pile up in the middle or at the top of the scale, and an agent that is rewarded on such data learns to say the
common rating. Zoom-IQA names a progressive re-sampling strategy without its schedule; this one is ours: an image's
weight is the inverse frequency of its rating bin to a power that grows from 0 (uniform) to `final_power` over training.

Every draw depends on the seed and its number alone, so all processes draw the same images, and a run that goes on from
a checkpoint draws what the run would have drawn that was never stopped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler


@dataclass
class ResamplingConfig:
    """How images are drawn for rollouts."""

    final_power: float = 0.5
    """Power of the inverse bin frequency at the end of training; 0 draws uniformly throughout."""
    bins: int = 8
    """Equal-width bins over the ratings 1 to 5."""


class ProgressiveSampler(Sampler[int]):
    """Yields indices as TRL's RepeatSampler does: chunks of distinct images, each image once for each generation, each
    chunk repeated for each optimizer pass over it."""

    def __init__(
        self,
        ratings: Sequence[float],
        config: ResamplingConfig,
        *,
        images_per_chunk: int,
        generations: int,
        passes: int,
        chunks: int,
        seed: int,
    ) -> None:
        self.rarity = rarity(np.asarray(ratings, float), bins=config.bins)
        self.final_power = config.final_power
        self.images_per_chunk = images_per_chunk
        self.generations = generations
        self.passes = passes
        self.chunks = chunks
        self.seed = seed

    def __len__(self) -> int:
        return self.chunks * self.passes * self.images_per_chunk * self.generations

    def __iter__(self) -> Iterator[int]:
        for number in range(self.chunks):
            chunk = np.repeat(self.draw(number), self.generations).tolist()
            for _ in range(self.passes):
                yield from chunk

    def weights(self, number: int) -> npt.NDArray[np.float64]:
        """Sampling weight of every image (images,) for the chunk with this number; they sum to 1."""
        progress = number / max(1, self.chunks - 1)
        weights = self.rarity ** (self.final_power * progress)
        return weights / weights.sum()

    def draw(self, number: int) -> npt.NDArray[np.int64]:
        """The distinct images of a chunk."""
        rng = np.random.default_rng([self.seed, number])
        return rng.choice(len(self.rarity), self.images_per_chunk, replace=False, p=self.weights(number))


def rarity(ratings: npt.NDArray[np.float64], *, bins: int) -> npt.NDArray[np.float64]:
    """Inverse frequency of each image's rating bin (images,), with a mean of 1; ratings (images,) in 1..5."""
    place = np.clip(((ratings - 1) / 4 * bins).astype(int), 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    return len(ratings) / (np.count_nonzero(counts) * counts[place])
