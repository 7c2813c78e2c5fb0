"""The labelled sections of an agent's thinking, such as "Directions: …".

Labels are the protocol's. Text of a model is untrusted: what is not there is not in the result, and nothing is guessed.
"""

import re
from collections.abc import Sequence

_NUMBER = r"^[ \t]{0,8}\d{1,2}[.)][ \t]{0,3}|(?<![\w.])\d{1,2}\)[ \t]{0,3}"
"""A number with a full stop counts at the start of a line alone: within one it may end the sentence before."""
# Without re.ASCII a long s would match a label, and be none when it is looked up.
_FLAGS = re.IGNORECASE | re.ASCII | re.MULTILINE


def sections_in(think: str, labels: Sequence[str]) -> dict[str, str]:
    """Text under each of the `labels` that is there, in the order of the text; blanks around it are taken off.

    A label counts where a colon follows it, at most with a remark in brackets between them, and a number may stand
    before it, as in "2) Directions (positive): …". Case does not matter. Of a label that comes twice, the first counts.
    """
    if not labels:
        return {}
    names = "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True))
    heading = re.compile(rf"(?:{_NUMBER})?(?<!\w)({names})(?:[ \t]{{0,3}}\([^()\n]{{0,60}}\))?[ \t]{{0,3}}:", _FLAGS)
    by_name = {label.casefold(): label for label in labels}
    found = list(heading.finditer(think))
    ends = [*(match.start() for match in found[1:]), len(think)]
    made: dict[str, str] = {}
    for match, end in zip(found, ends, strict=False):
        made.setdefault(by_name[match.group(1).casefold()], think[match.end() : end].strip())
    return made


def has_all(think: str, labels: Sequence[str]) -> bool:
    """Whether every label is there, in this order, with words under it."""
    made = sections_in(think, labels)
    return list(made) == list(labels) and all(made.values())
