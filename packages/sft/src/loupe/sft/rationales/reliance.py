"""Visual Reliance Filtering: could the decision have been made without the picture?

The teacher gets its own rationale back up to the decision, without the picture, and goes on writing. Zoom-IQA compares
the continuation with the original on box, tool, rating and entropy; which differences are enough, and how they are put
together, is not published. Here each is a sign that is there or not, and signs are counted against a number: all ours.
What the picture was not needed for teaches an agent to guess from its own words.
"""

from dataclasses import asdict, dataclass
from typing import Any

from loupe.core.answer import Answer, parse, plain
from loupe.core.box import iou
from loupe.core.dialects.tags import END_THINK, THINK
from loupe.core.model.endpoint_reply import EndpointReply
from loupe.core.policy import PICTURE, Conversation, Policy, UserTurn
from loupe.core.protocol import Protocol
from loupe.core.records import Box, Episode
from loupe.sft.rationales.config import RelianceConfig
from loupe.sft.rationales.parts import before_decision
from loupe.sft.rationales.prompts import Prompts, filled
from loupe.zoom.box import meant


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed without the picture. `iou` is None where neither names a region, `entropy_gap` where the teacher's
    log-probabilities are not known; `entropy_gap` is without minus with the picture, in nats a token."""

    iou: float | None
    same_tool: bool
    rating_gap: float
    entropy_gap: float | None

    def signs(self, config: RelianceConfig) -> dict[str, bool]:
        """Whether each sign that can be measured differs."""
        made = {"box": self.iou is not None and self.iou < config.max_iou, "tool": not self.same_tool}
        made["rating"] = self.rating_gap >= config.min_rating_gap
        if self.entropy_gap is not None:
            made["entropy"] = self.entropy_gap >= config.min_entropy_gap
        return made


def needed_pixels(difference: Difference, config: RelianceConfig) -> bool:
    """Whether as many signs differ as the settings want, or all that can be measured where those are fewer."""
    signs = difference.signs(config)
    return sum(signs.values()) >= min(config.min_signs, len(signs))


def difference(
    seen: Answer, blind: Answer, *, boxes: tuple[Box | None, Box | None], entropies: tuple[float | None, float | None]
) -> Difference:
    """Between the answer with the picture and the one without; `boxes` and `entropies` in that order.

    Two answers without a region have no box to compare; where one names a region and the other none, the overlap is 0.
    """
    first, second = boxes
    overlap = None if first is None and second is None else iou(first, second) if first and second else 0.0
    with_picture, without = entropies
    gap = without - with_picture if with_picture is not None and without is not None else None
    rating_gap = abs((seen.rating or 0.0) - (blind.rating or 0.0))
    return Difference(overlap, seen.wants_crop == blind.wants_crop, rating_gap, gap)


@dataclass(frozen=True, slots=True)
class RelianceFilter:
    """What the second stage needs."""

    teacher: Policy
    protocol: Protocol
    prompts: Prompts
    config: RelianceConfig
    seed: int

    def check(
        self, episode: Episode, entropy: float | None, *, told: Protocol, size: tuple[int, int], key: str
    ) -> dict[str, Any]:
        """Row: `passed`, `difference` with its `signs`, and the continuation as `text`; `problem` where there was none.

        `told` is the protocol as the teacher was told it, `size` of the picture in pixels. A continuation that cannot
        be read reproduces nothing: the item passes, and the row says so.
        """
        turn = episode.turns[0]
        place = before_decision(turn.text, self.protocol.sections)
        if place is None:
            return {"passed": False, "problem": "nothing stands before the decision", "difference": None, "text": ""}
        begin = turn.text.find(THINK) + len(THINK)
        head = turn.text[begin:place].strip()
        reply = self.teacher.respond([self._blind(episode, told, head=head, key=key)], seed=self.seed)[0]
        whole = reply.text if THINK in reply.text else f"{THINK}{head}\n{_closed(reply.text)}"
        protocol = self.protocol
        blind = plain(parse(whole, dialect=protocol.dialect, box_limit=protocol.box_limit))
        if not blind.usable or blind.rating is None:
            why = getattr(reply, "refusal", None) or blind.problem
            return {"passed": True, "problem": f"no continuation: {why}", "difference": None, "text": reply.text}
        box = None if blind.bbox_2d is None else meant(blind.bbox_2d, *size, policy=protocol.crop)
        unseen = reply.entropy_from(0) if isinstance(reply, EndpointReply) else None
        found = difference(
            turn.answer,
            blind,
            boxes=(_asked(turn.answer, turn.answer.bbox_2d), _asked(blind, box)),
            entropies=(entropy, unseen),
        )
        return {
            "passed": needed_pixels(found, self.config),
            "problem": None,
            "difference": asdict(found),
            "signs": found.signs(self.config),
            "text": reply.text,
        }

    def _blind(self, episode: Episode, told: Protocol, *, head: str, key: str) -> Conversation:
        question = told.phrased(told.question, episode.sample_id)
        for mark in ("{image}", "{image2}", "{image3}", PICTURE):
            question = question.replace(mark, "")
        asked = f"{question.strip()}\n\n{filled(self.prompts.continue_writing, sections=head)}"
        return Conversation(key, told.system, [UserTurn((), asked)], max_new_tokens=told.max_new_tokens)


def _asked(answer: Answer, box: Box | None) -> Box | None:
    """The region that an answer names; none where it is all zeros, as some dialects write where they finish."""
    return box if box is not None and any(box) and (answer.wants_crop or answer.tool != "final") else None


def _closed(continuation: str) -> str:
    """The continuation with the thinking closed before its answer, where the teacher forgot to."""
    if END_THINK in continuation:
        return continuation
    before, mark, after = continuation.partition("<answer>")
    return f"{before}{END_THINK}{mark}{after}"
