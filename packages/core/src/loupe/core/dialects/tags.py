"""Finding the thinking and the answers in a completion, in time that grows with the text and not with its square.

A pattern such as `<answer>(.*?)</answer>` reads the rest of the text again for each tag that is never closed; plain
searches find the same and stop.
"""

import re

THINK, END_THINK = "<think>", "</think>"
ANSWER, END_ANSWER = "<answer>", "</answer>"
_BETWEEN = re.compile(rf"{END_THINK}\s*{ANSWER}")


def thinking(text: str) -> tuple[str, str]:
    """What stands in the first pair of think tags, and all that comes after it; "" and the text where there is none."""
    start = text.find(THINK)
    end = text.find(END_THINK, start + len(THINK)) if start >= 0 else -1
    return (text[start + len(THINK) : end], text[end + len(END_THINK) :]) if end >= 0 else ("", text)


def answers(text: str, *, limit: int = -1) -> list[str]:
    """Bodies of the answer tags from left to right, each from an opening tag to the next closing one; the first `limit`
    of them where that is not negative."""
    bodies: list[str] = []
    place = 0
    while len(bodies) != limit:
        start = text.find(ANSWER, place)
        end = text.find(END_ANSWER, start + len(ANSWER)) if start >= 0 else -1
        if end < 0:
            break
        bodies.append(text[start + len(ANSWER) : end])
        place = end + len(END_ANSWER)
    return bodies


def is_think_then_answer(text: str) -> bool:
    """Whether the text is think tags, blanks, answer tags and nothing around them. What stands inside may be anything,
    tags included."""
    if not (text.startswith(THINK) and text.endswith(END_ANSWER)):
        return False
    return _BETWEEN.search(text, len(THINK), len(text) - len(END_ANSWER)) is not None
