"""Does the text after the crop agree with what the rating did? Claims of worse, better or same against its change.

The change is that of the written rating from the first look to the verdict, over zoomed images that have both and whose
last text claims something. Agreement over chance takes off what texts dealt out at random among the same images would
reach: an agent that always says "confirmed" and never moves is right every time and says nothing.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from loupe.bench.audit.claims import Claim, agrees, claim_in
from loupe.bench.audit.crossed import mean_of
from loupe.bench.audit.material import Material
from loupe.bench.audit.rows import ABOVE_ZERO, Figure, Limits, Row
from loupe.bench.correlate import Floats, Weighted
from loupe.bench.predictions import Prediction
from loupe.bench.verdicts import verdict_of
from loupe.core.numbers import percent
from loupe.zoom.look import Look

SECTION = "Does the text agree with the rating?"
Pair = tuple[Claim, float]
"""What a text claims, and by how many points the rating changed."""
SLACK = 0.25
"""Points up to which a rating has stayed, as in the rationales that the pocket agent learns from."""
HALF = Limits(red=0.5, green=0.5)


def words(material: Material) -> list[Row]:
    """Share of texts that agree with their numbers, and how far that is above chance."""
    runs = material.of(Look.DECIDED.value)
    pairs = [[_read(item) for item in run] for run in runs]
    right = [mean_of([math.nan if pair is None else _right(*pair) for pair in row]) for row in pairs]
    figures = (
        Figure("agreement", material.over(runs, right), HALF, signed=False),
        Figure("agreement over chance", material.over(runs, [over_chance(row) for row in pairs]), ABOVE_ZERO),
    )
    n = sum(pair is not None for pair in pairs[0]) if pairs else 0
    return [Row(SECTION, "what the text claims after a crop", n, figures, _reason(pairs), seeds=len(runs))]


def claim_counts(material: Material) -> dict[str, dict[str, int]]:
    """By claim, how many ratings fell, stayed (to `SLACK`) and rose, over all seeds."""
    pairs = [pair for run in material.of(Look.DECIDED.value) for item in run if (pair := _read(item)) is not None]
    return {
        claim.value: {
            "fell": sum(said is claim and change < -SLACK for said, change in pairs),
            "stayed": sum(said is claim and abs(change) <= SLACK for said, change in pairs),
            "rose": sum(said is claim and change > SLACK for said, change in pairs),
        }
        for claim in Claim
    }


def over_chance(pairs: Sequence[Pair | None]) -> Weighted:
    """Share of (claim, change) pairs (n,) that agree, less that of all ways to pair them anew, -1..1; None is left out.

    Agreement hangs on the claim and on the image, so chance is the sum over claims of the share that makes the claim
    times the share for which it would be right.
    """
    known = np.array([float(pair is not None) for pair in pairs])
    right = np.array([0.0 if pair is None else _right(*pair) for pair in pairs])
    would = np.array([[0.0 if pair is None else _right(claim, pair[1]) for claim in Claim] for pair in pairs])
    said = np.array([[float(pair is not None and pair[0] is claim) for claim in Claim] for pair in pairs])

    def of(weights: Floats) -> Floats:
        total = weights @ known
        safe = np.where(total > 0.0, total, 1.0)
        chance = ((weights @ said) * (weights @ would)).sum(axis=1) / np.square(safe)
        return np.where(total > 0.0, (weights @ right) / safe - chance, math.nan)

    return of


def _reason(pairs: Sequence[Sequence[Pair | None]]) -> str:
    said = Counter(pair[0] for row in pairs for pair in row if pair is not None)
    claim, count = max(said.items(), key=lambda item: item[1], default=(Claim.SAME, 0))
    share = percent(count / max(1, said.total()))
    return f"a habit of speech, learnt apart from the number: {share} of these texts say {claim.value}"


def _right(claim: Claim, change: float) -> float:
    return float(agrees(claim, change, slack=SLACK))


def _read(item: Prediction) -> Pair | None:
    """What the last text claims, and the change of the written rating; None without a crop, a claim or two ratings."""
    last = verdict_of(item.episode)
    if last is None or not item.episode.zoomed or last is item.episode.turns[0]:
        return None
    before, after, claim = (
        item.episode.turns[0].answer.rating,
        last.answer.rating,
        claim_in(last.answer.think or last.text),
    )
    return None if before is None or after is None or claim is None else (claim, after - before)
