"""Format reward: did the agent answer in the layout and with the keys that it was asked for?

Q-Insight and VisualQuality-R1 match the layout alone; here the answer must also parse, since a well laid out answer
that nobody can read is worth nothing. What counts is what `loupe.core.answer.parse` says, and nothing else reads text.
"""

from collections.abc import Sequence

import numpy as np

from loupe.core.answer import Answer
from loupe.rewards.arrays import FloatArray


def format_reward(answers: Sequence[Answer], asks: Sequence[str]) -> FloatArray:
    """1 where the answer is usable, well formed and says every key of `asks`, else 0; (N,).

    A key may be said to be null (no distortion has no severity), but for `rating`: every image has one.
    """
    wanted = frozenset(asks)
    return np.array([float(_complete(answer, wanted)) for answer in answers], dtype=np.float64)


def _complete(answer: Answer, wanted: frozenset[str]) -> bool:
    rated = answer.rating is not None or "rating" not in wanted
    return answer.usable and answer.well_formed and rated and wanted <= set(answer.said)
