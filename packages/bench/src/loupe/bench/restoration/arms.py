"""What is compared: for each image one treatment an arm, or several draws of it.

- nothing: the image as it is;
- fixed: one and the same remedy for every image, the best one of another split;
- random: class, level and place drawn as the degradation engine draws damage;
- dealt: the agent's own diagnosis of an image of another pristine one: right in how often it says what, and blind;
- agent: its diagnosis of this image;
- truth: what was done to the image, the ceiling for these remedies.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np

from loupe.bench.predictions import Prediction
from loupe.bench.verdicts import verdict_of
from loupe.core.records import SEVERITIES, WHOLE, Sample, Turn
from loupe.data.degrade import draw_degradation
from loupe.data.remedies.apply import NOTHING, REMEDIES, Treatment

ARMS = ("nothing", "fixed", "random", "dealt", "agent", "truth")
_LOCAL_SHARE = 0.65
"""Share of random remedies that are local, as many as the engine's own default."""


def candidates() -> dict[str, Treatment]:
    """Every remedy at every level over the whole image, by name: what a fixed remedy is chosen from."""
    return {f"{name}-{level}": Treatment(name, level) for name in REMEDIES for level in range(1, len(SEVERITIES) + 1)}


def treatments(
    predictions: Sequence[Prediction], *, fixed: Treatment, seeds: int, seed: int
) -> dict[str, dict[str, list[Treatment]]]:
    """Treatments of each arm by sample id; `random` and `dealt` have `seeds` draws, the others one."""
    said = [diagnosed(verdict_of(item.episode)) for item in predictions]
    offsets = deal(predictions, seeds=seeds, seed=seed)
    return {
        item.sample.id: {
            "nothing": [NOTHING],
            "fixed": [fixed],
            "random": [at_random(item.sample.id, seed=seed, draw=draw) for draw in range(seeds)],
            "dealt": [said[(number + offset) % len(said)] for offset in offsets],
            "agent": [said[number]],
            "truth": [true_treatment(item.sample)],
        }
        for number, item in enumerate(predictions)
    }


def diagnosed(turn: Turn | None) -> Treatment:
    """What a verdict asks for: nothing where there is none, or where it names no class or severity that we know.

    Over the whole image where it names no box in [0, 1].
    """
    if turn is None:
        return NOTHING
    answer = turn.answer
    if answer.distortion_class not in REMEDIES or answer.severity not in SEVERITIES:
        return NOTHING
    box = answer.bbox_2d
    inside = box is not None and 0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1
    return Treatment(answer.distortion_class, SEVERITIES.index(answer.severity) + 1, box if box and inside else WHOLE)


def true_treatment(sample: Sample) -> Treatment:
    """What the label of a synthetic image asks for."""
    truth = sample.degradation
    if truth is None or truth.distortion_class is None:
        return NOTHING
    return Treatment(truth.distortion_class, truth.severity, truth.bbox_2d or WHOLE)


def at_random(sample_id: str, *, seed: int, draw: int) -> Treatment:
    """A remedy drawn as damage is; it hangs on the id, the seed and the number of the draw alone."""
    digest = blake2b(f"{seed}/{draw}/{sample_id}".encode(), digest_size=8).digest()
    drawn = draw_degradation(
        np.random.default_rng(int.from_bytes(digest, "big")), clean_share=0, local_share=_LOCAL_SHARE
    )
    return Treatment(drawn.distortion_class, drawn.severity, drawn.bbox_2d or WHOLE)


def deal(predictions: Sequence[Prediction], *, seeds: int, seed: int) -> list[int]:
    """By how many places the diagnoses are moved on in each draw.

    Images of one pristine image stand together, so that a move by more than there are never ends on the same one; as
    far as there are two.
    """
    sizes: Mapping[str, int] = Counter(item.group for item in predictions)
    count, largest = len(predictions), max(sizes.values())
    low = min(largest, count - 1)
    rng = np.random.default_rng([seed, 2])
    return [int(rng.integers(low, max(low, count - largest) + 1)) for _ in range(seeds)]
