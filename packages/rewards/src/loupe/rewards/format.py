"""Format reward: did the agent answer in the layout that it was asked for?

VisualQuality-R1 (arXiv 2505.14460, code) and Q-Insight (arXiv 2503.22679, section 3.3) pay the layout alone: an answer
that says nothing readable in the right tags earns 1. Zoom-IQA names a format reward without its form. In our dialect,
and in that of zoom-iqa, the answer must be readable too, for a well laid out answer that nobody can read is worth
nothing. What the layout is says `loupe.core.dialects`, and nothing else reads text.
"""

from collections.abc import Collection

from loupe.core.answer import parse
from loupe.core.dialects import q_insight


def format_reward(text: str, *, dialect: str = "loupe", asks: Collection[str] = ()) -> float:
    """1.0 where the completion has the layout of the dialect, else 0.0.

    `asks` names the keys of the task. In loupe and zoom-iqa the answer has to say them all; a key may be said to be
    null (no distortion has no severity), but for `rating`: every image has one. In q-insight they say whether the task
    is to compare, which has a layout of its own; without them the text has to. Raises ConfigError for a dialect that
    nobody knows.
    """
    answer = parse(text, dialect=dialect)
    if dialect == "visualquality-r1":
        return float(answer.well_formed)
    if dialect == "q-insight":
        return float(q_insight.is_laid_out(text, compares="choice" in asks) if asks else answer.well_formed)
    rated = answer.rating is not None or "rating" not in asks
    return float(answer.usable and answer.well_formed and rated and set(asks) <= set(answer.said))
