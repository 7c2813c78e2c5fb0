"""The dialect of a description: free text, in answer tags or without any.

Q-Insight's models describe an image in their own words when they are asked to; nothing in there is a number that could
be scored. The text between the last answer tags counts, else all that stands behind the thinking. Ours.
"""

from loupe.core.dialects.record import Answer
from loupe.core.dialects.tags import answers, is_think_then_answer, thinking


def read(text: str) -> Answer:
    """Answer in a completion; never raises."""
    thought, after = thinking(text)
    bodies = answers(after)
    said = (bodies[-1] if bodies else after).strip()
    return Answer(
        description=said or None,
        think=thought,
        said=("description",) if said else (),
        well_formed=bool(said) and is_think_then_answer(text.strip()),
        problem=None if said else "nothing was said",
    )
