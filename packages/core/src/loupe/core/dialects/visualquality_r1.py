"""The dialect of VisualQuality-R1: `<think>…</think><answer>3.50</answer>`, read by the rules of its training code.

Reference: arXiv 2505.14460 and its released reward functions. The number is the first one in the last answer, or in the
whole text where no answer is tagged: "4,5" is 4, "3.5/5" is 3.5, "<think>1. blur</think> 4" is 1. It is neither
clamped nor refused when it lies outside 1..5. The layout counts without its content: `<answer>good</answer>` is well
formed. Ours: where there is no number the code draws a random one from 1 to 5, and here the answer is unusable; so is a
number too large for a float.
"""

import math
import re

from loupe.core.dialects.record import Answer
from loupe.core.dialects.tags import answers, is_think_then_answer, thinking

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def read(text: str) -> Answer:
    """Answer in a completion; never raises."""
    bodies = answers(text)
    found = _NUMBER.search(bodies[-1] if bodies else text)
    rating = float(found.group()) if found else math.nan
    said = math.isfinite(rating)
    return Answer(
        rating=rating if said else None,
        think=thinking(text)[0],
        said=("rating",) if said else (),
        well_formed=is_think_then_answer(text),
        problem=None if said else "no number",
    )
