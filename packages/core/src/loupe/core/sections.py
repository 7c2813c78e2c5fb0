"""The labelled sections of an agent's thinking, such as "Directions: …".

Labels are the protocol's. Text of a model is untrusted: what is not there is not in the result, and nothing is guessed.
"""

import re
from collections.abc import Sequence


def sections_in(think: str, labels: Sequence[str]) -> dict[str, str]:
    """Text under each of the `labels` that is there, in the order of the text; blanks around it are taken off.

    A label counts where a colon follows it, at most with a remark in brackets between them, and a number may stand
    before it, as in "2) Directions (positive): …". Case does not matter. Of a label that comes twice, the first counts.
    """
    if not labels:
        return {}
    names = "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True))
    heading = re.compile(rf"(?:\d{{1,2}}[.)]\s*)?(?<!\w)({names})[ \t]*(?:\([^()\n]{{0,60}}\))?[ \t]*:", re.IGNORECASE)
    by_name = {label.lower(): label for label in labels}
    found = list(heading.finditer(think))
    ends = [*(match.start() for match in found[1:]), len(think)]
    made: dict[str, str] = {}
    for match, end in zip(found, ends, strict=False):
        made.setdefault(by_name[match.group(1).lower()], think[match.end() : end].strip())
    return made


def has_all(think: str, labels: Sequence[str]) -> bool:
    """Whether every label is there, in this order, with words under it."""
    made = sections_in(think, labels)
    return list(made) == list(labels) and all(made.values())
