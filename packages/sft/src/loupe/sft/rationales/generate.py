"""The first stage: the teacher plays the protocol, and what it says is taken or not by its form alone.

A teacher may be told more than the agent that learns from it: an instruction, and by config the known opinion. Both
stand in the system message and in nothing that is packed.
"""

from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from loupe.core import numbers
from loupe.core.answer import MAX_TEXT
from loupe.core.model.endpoint_reply import EndpointReply
from loupe.core.policy import Policy
from loupe.core.protocol import Protocol
from loupe.core.records import Episode, Sample, StopReason
from loupe.core.sections import has_all
from loupe.sft.rationales.parts import before_decision, covered
from loupe.sft.rationales.prompts import Prompts, filled
from loupe.zoom.loop import LoopInput, Played, play


@dataclass(frozen=True, slots=True)
class Generator:
    """What the first stage needs. `rating_tolerance` is 0 where any rating is taken."""

    teacher: Policy
    protocol: Protocol
    prompts: Prompts
    tell_opinion: bool
    rating_tolerance: float
    seed: int

    def told(self, sample: Sample) -> Protocol:
        """The protocol with what the teacher is told beside it."""
        words = [self.protocol.system, self.prompts.teacher]
        if self.tell_opinion:
            words.append(filled(self.prompts.opinion, opinion=numbers.rating(sample.rating)))
        return replace(self.protocol, system="\n\n".join(word.strip() for word in words if word.strip()))

    def generate(self, sample: Sample, image: Image.Image, *, key: str) -> dict[str, Any]:
        """Row: `problem` (None where the form is right), `episode`, and the entropy of the first decision where the
        teacher's log-probabilities are known, in nats a token."""
        asked = LoopInput(key=key, sample_id=sample.id, image=image, protocol=self.told(sample))
        played = play(self.teacher, [asked], self.protocol, seed=self.seed)[0]
        problem = self._problem(played, sample)
        return {
            "problem": problem,
            "entropy": None if problem else _entropy(played, self.protocol),
            "episode": played.episode.to_json(),
        }

    def _problem(self, played: Played, sample: Sample) -> str | None:
        episode = played.episode
        refusal = getattr(played.conversations[-1].replies[-1], "refusal", None)
        if refusal:
            return f"the teacher refused: {refusal}"
        if episode.stop_reason is not StopReason.FINAL:
            return _ends(episode)
        for number, turn in enumerate(episode.turns):
            labels = self.protocol.later_sections if number else self.protocol.sections
            if len(turn.text) > MAX_TEXT:
                return f"the answer is too long to be read whole: look {number + 1}"
            if not turn.answer.well_formed or turn.answer.rating is None or not 1 <= turn.answer.rating <= 5:
                return f"not in the form that the protocol asks for: look {number + 1}"
            if labels and not has_all(turn.answer.think, labels):
                return f"a section is missing, or they are in another order: look {number + 1}"
            if not covered(turn.text, labels):
                return f"something stands outside of the sections, or a section comes twice: look {number + 1}"
        verdict = episode.verdict
        error = 0.0 if verdict is None or verdict.answer.rating is None else abs(verdict.answer.rating - sample.rating)
        if self.rating_tolerance and error > self.rating_tolerance:
            return f"the rating is too far from the label: by {numbers.rating(error)}"
        return None


def _ends(episode: Episode) -> str:
    problem = episode.turns[-1].answer.problem
    return f"ended by {episode.stop_reason.value}" + (f": {problem}" if problem else "")


def _entropy(played: Played, protocol: Protocol) -> float | None:
    reply = played.conversations[0].replies[0]
    place = before_decision(reply.text, protocol.sections)
    return reply.entropy_from(place) if isinstance(reply, EndpointReply) and place is not None else None
