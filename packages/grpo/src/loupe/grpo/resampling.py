"""Which images are played how often: weights, the places of a chunk, and the draw itself, as pure functions.

Ratings pile up in the middle or at the top of the scale, and an agent that is rewarded on such data learns to say the
common rating. And a group whose completions all earn the same has no advantages: it costs its rollouts and teaches
nothing. Zoom-IQA names a progressive re-sampling strategy without its schedule; this one is ours. An image weighs

    w = s * r^p / mean of r^p over the images of its data set

r is the inverse frequency of its rating among the ratings of its data set, p grows from 0 to `final_power` over
training, and s is `spent_weight` once the last groups of the image taught nothing, else 1. Each of the two parts works
without the other; without both every image weighs 1. The power moves weight inside of a data set alone, so that how
often a data set is drawn hangs on its size and on what it still teaches. What was drawn and what it taught is kept by
`sampler`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loupe.core.errors import ConfigError
from loupe.data.rating_bins import rating_bins

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SCHEDULES: dict[str, Callable[[float], float]] = {
    "linear": lambda share: share,
    "cosine": lambda share: (1 - math.cos(math.pi * share)) / 2,
    "constant": lambda _: 1.0,
}
"""Share of the final power by the share of the ramp that is behind, both in 0..1."""
NO_SPREAD = 1e-6
"""Standard deviation of a group's rewards up to which they count as equal; the advantages are divided by 1e-4 more."""


@dataclass
class ResamplingConfig:
    """How images are drawn for rollouts."""

    final_power: float = 1.0
    """Power, 0 to 10, of the inverse frequency of a rating at the end of the ramp; 0 draws uniformly throughout."""
    schedule: str = "linear"
    """How the power grows: linear, cosine (slow at both ends), or constant (the final power from the start)."""
    ramp: float = 1.0
    """Share of training, above 0 and up to 1, after which the final power is reached."""
    bins: int = 8
    """Equal-width bins over the ratings 1 to 5, counted for each data set by itself."""
    spent_weight: float = 1.0
    """Weight of an image whose last groups taught nothing, relative to one that still teaches; 1 turns this off."""
    recent: int = 2
    """How many of an image's last groups have to have taught nothing before it counts as spent."""
    ceiling: float | None = None
    """Mean reward from which on a group has nothing left to teach; null looks at the spread of the rewards alone."""

    def __post_init__(self) -> None:
        checks = {
            "final_power": (0 <= self.final_power <= 10, "0 to 10; 0 draws uniformly"),
            "schedule": (self.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
            "ramp": (0 < self.ramp <= 1, "a share of training above 0 and up to 1"),
            "bins": (self.bins >= 1, "1 or more"),
            "spent_weight": (0 < self.spent_weight <= 1, "above 0 and up to 1; 1 turns it off"),
            "recent": (self.recent >= 1, "1 or more"),
            "ceiling": (self.ceiling is None or math.isfinite(self.ceiling), "a finite reward, or null"),
        }
        for name, (fits, wanted) in checks.items():
            if not fits:
                raise ConfigError(f"got resampling.{name}={getattr(self, name)!r}; wanted {wanted}")


def power_at(progress: float, config: ResamplingConfig) -> float:
    """Power of the rarity when the share `progress` (0..1) of training is behind; 0..final_power, never falling."""
    return config.final_power * SCHEDULES[config.schedule](min(1.0, progress / config.ramp))


def rarity(ratings: Floats, datasets: npt.ArrayLike, *, bins: int) -> Floats:
    """Inverse frequency (images,) of each image's rating bin within its data set, with a mean of 1 in every data set.

    `ratings` (images,) in 1..5; `datasets` (images,) names or numbers.
    """
    _, group = np.unique(np.asarray(datasets), return_inverse=True)
    place = rating_bins(ratings, bins=bins)
    counts = np.bincount(group * bins + place, minlength=(int(group.max()) + 1) * bins).reshape(-1, bins)
    occupied = np.count_nonzero(counts, axis=1)
    return counts.sum(axis=1)[group] / (occupied[group] * counts[group, place])


@dataclass(frozen=True, slots=True)
class Groups:
    """What the groups of one chunk earned: mean and standard deviation of the finite rewards, both (images,).

    Without a finite reward the mean is NaN, with fewer than two the deviation is.
    """

    mean: Floats
    spread: Floats

    def dead(self, *, ceiling: float | None) -> Bools:
        """Groups (images,) that taught nothing: no spread, or a mean of `ceiling` and more."""
        alive = self.spread > NO_SPREAD
        return ~alive if ceiling is None else ~(alive & (self.mean < ceiling))


def group_rewards(rewards: Floats) -> Groups:
    """Summary of `rewards` (images, generations), where NaN is an episode that nobody could score."""
    finite = np.isfinite(rewards)
    count = finite.sum(axis=1)
    known = np.where(finite, rewards, 0.0)
    mean = np.divide(known.sum(axis=1), count, out=np.full(len(rewards), np.nan), where=count > 0)
    squares = np.where(finite, (known - mean[:, None]) ** 2, 0.0).sum(axis=1)
    variance = np.divide(squares, count, out=np.full(len(rewards), np.nan), where=count > 1)
    return Groups(mean, np.sqrt(variance))


def dead_streaks(history: Iterable[tuple[Integers, Bools]], *, images: int) -> Integers:
    """How many groups of each image (images,) up to its last one taught nothing, in a row.

    `history` holds the drawn images (chunk,) of every chunk, oldest first, and whether their groups were dead (chunk,).
    """
    streaks = np.zeros(images, np.int64)
    for drawn, dead in history:
        streaks[drawn] = np.where(dead, streaks[drawn] + 1, 0)
    return streaks


def still_teaching(streaks: Integers, config: ResamplingConfig) -> Floats:
    """Second factor of the weights (images,): `spent_weight` where the last `recent` groups were dead, else 1."""
    return np.where(streaks >= config.recent, config.spent_weight, 1.0)


def image_weights(rare: Floats, datasets: Integers, *, power: float, teaching: Floats) -> Floats:
    """Weight of every image, above 0, from the two factors; all (images,), `datasets` as numbers from 0 on."""
    raised = rare**power
    mean = np.bincount(datasets, raised) / np.bincount(datasets)
    return raised / mean[datasets] * teaching


def task_shares(present: Sequence[str], mix: Mapping[str, float] | None) -> dict[str, float]:
    """Share of every task that is played, in the order of their names; they sum to 1. None: of all `present` alike.

    Raises ConfigError where a present task is not in the mix, or one with a share is not present.
    """
    mix = dict.fromkeys(present, 1.0) if mix is None else mix
    if absent := sorted(set(present) - set(mix)):
        raise ConfigError(f"the task {absent[0]!r} has no share in the mix; give it one, 0 leaves its rows out")
    if not all(0 <= share < math.inf for share in mix.values()) or not any(mix.values()):
        raise ConfigError(f"got the mix {dict(mix)}; wanted shares of 0 or more, one above 0")
    wanted = {task: mix[task] for task in sorted(mix) if mix[task] > 0}
    if absent := sorted(set(wanted) - set(present)):
        raise ConfigError(f"the task {absent[0]!r} has a share in the mix and no rows; wanted one of {sorted(present)}")
    total = sum(wanted.values())
    return {task: share / total for task, share in wanted.items()}


def task_quotas(shares: Floats, *, size: int, chunks: int) -> Integers:
    """Places of each task in each chunk (chunks, tasks), `size` in every chunk; `shares` (tasks,) sum to 1.

    Every place goes to the task that is furthest behind its share up to the end of the chunk: the largest remainders
    win, and what a task did not get in one chunk it gets in a later one.
    """
    table = np.zeros((chunks, len(shares)), np.int64)
    given = np.zeros(len(shares))
    for number, places in enumerate(table):
        behind = shares * size * (number + 1) - given
        for _ in range(size):
            task = int(np.argmax(behind))
            behind[task] -= 1
            places[task] += 1
        given += places
    return table


def draw_images(
    members: Sequence[Integers], weights: Floats, *, count: int, least: int, rng: np.random.Generator
) -> Integers:
    """`count` distinct images by weight, `least` or more of every data set that is touched; (count,) in drawn order.

    `members` lists the images of each data set, `least` or more, as places in `weights` (images,). Data sets are chosen
    by the weight of their images that are left, `least` images at a time; what is left over goes one by one to those
    that are touched already. With `least=1` this is the plain draw by weight without replacement.
    """
    queues = [_race(images, weights, count=count, rng=rng) for images in members]
    sizes = np.array([len(images) for images in members])
    left = np.array([weights[images].sum() for images in members])
    taken = np.zeros_like(sizes)
    drawn: list[Integers] = []
    while rest := count - int(taken.sum()):
        step, allowed = _next_step(taken, sizes, rest=rest, least=least)
        # What rounding leaves of a large sum may be 0 where a light image is left.
        chances = np.where(allowed, np.maximum(left, np.finfo(float).tiny), 0.0)
        dataset = int(rng.choice(len(members), p=chances / chances.sum()))
        images = queues[dataset][taken[dataset] : taken[dataset] + step]
        left[dataset] -= weights[images].sum()
        taken[dataset] += step
        drawn.append(images)
    return np.concatenate([np.zeros(0, np.int64), *drawn])


def can_draw(sizes: Integers, *, rest: int, least: int, taken: Integers | None = None) -> bool:
    """Whether `rest` more images can come from data sets with `sizes` (data sets,) so that each touched one gives
    `least` or more; `taken` (data sets,) is what they gave so far. Every data set has `least` images at least."""
    taken = np.zeros_like(sizes) if taken is None else taken
    fresh = np.sort(sizes[taken == 0])[::-1][: rest // least]
    return bool((sizes - taken)[taken > 0].sum() + fresh.sum() >= rest)


def _next_step(taken: Integers, sizes: Integers, *, rest: int, least: int) -> tuple[int, Bools]:
    """How many images come next, and which data sets (data sets,) may give them so that the rest can follow."""
    if rest >= least:
        after = taken + least * np.eye(len(sizes), dtype=np.int64)
        fits = [can_draw(sizes, rest=rest - least, least=least, taken=row) for row in after]
        if (allowed := np.array(fits) & (sizes - taken >= least)).any():
            return least, allowed
    return 1, (taken > 0) & (taken < sizes)


def _race(images: Integers, weights: Floats, *, count: int, rng: np.random.Generator) -> Integers:
    """The first `count` of `images` in the order of a draw by weight without replacement.

    Waiting times with the weights as rates end in that order (Efraimidis and Spirakis 2006).
    """
    times = rng.standard_exponential(len(images)) / weights[images]
    if count < len(images):
        first = np.argpartition(times, count)[:count]
        images, times = images[first], times[first]
    return images[np.argsort(times, kind="stable")]
