"""Who checks sentences against measurements: a rule-based judge that needs no model, or a model behind an endpoint."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from loupe.core.dialects.tags import answers
from loupe.core.policy import Conversation, Policy, UserTurn
from loupe.core.records import Sample
from loupe.sft.rationales.claims import Claim, claims
from loupe.sft.rationales.config import HintBounds
from loupe.sft.rationales.hint_words import hints_text, label_text
from loupe.sft.rationales.hints import Region
from loupe.sft.rationales.prompts import Prompts, filled


@dataclass(frozen=True, slots=True)
class Case:
    """What a judge is shown: the sentences of a rationale, and the measured regions of its picture, all of it first.

    `sample` is None where the judge is not told what is known.
    """

    key: str
    sentences: tuple[str, ...]
    regions: tuple[Region, ...]
    sample: Sample | None


class Judge(Protocol):
    """Finds the sentences that a measurement speaks against."""

    def failing(self, case: Case) -> dict[int, str] | None:
        """Reason by number of the sentence, from 0; None where the judge gave no usable answer."""
        ...


class RuleJudge:
    """Checks the claims that words make: a claim fails where no region of the picture bears it out, or where the known
    damage is another one. Its bounds and its words are ours."""

    def __init__(self, bounds: HintBounds) -> None:
        self._bounds = bounds

    def failing(self, case: Case) -> dict[int, str]:
        """Reason by number of the sentence, from 0."""
        made: dict[int, str] = {}
        for number, sentence in enumerate(case.sentences):
            reasons = [reason for claim in claims(sentence) if (reason := self._against(claim, case)) is not None]
            if reasons:
                made[number] = reasons[0]
        return made

    def _against(self, claim: Claim, case: Case) -> str | None:
        truth = case.sample.degradation if case.sample else None
        if truth is not None and claim.damage is not None:
            if claim.present and claim.damage != truth.distortion_class:
                return f"says {claim.damage}, and the label is {truth.distortion_class or 'clean'}"
            return None
        if not claim.measure:
            return None
        values = [cast(float, getattr(region.hints, claim.measure)) for region in case.regions]
        low, high = self._limits(claim.measure)
        if claim.high and max(values) < high:
            return f"{claim.measure} is {max(values):g} at most; the claim wants {high:g} somewhere"
        if not claim.high and min(values) > low:
            return f"{claim.measure} is {min(values):g} at least; the claim wants {low:g} somewhere"
        return None

    def _limits(self, measure: str) -> tuple[float, float]:
        """The most that a claim of "low" allows, and the least that one of "high" wants."""
        bounds = self._bounds
        return {
            "noise": (bounds.noiseless, bounds.noisy),
            "sharpness": (bounds.blurred, bounds.sharp),
            "blockiness": (bounds.blockless, bounds.blocky),
            "brightness": (bounds.dark, bounds.bright),
            "contrast": (bounds.low_contrast, bounds.high_contrast),
            "colourfulness": (bounds.dull, bounds.colourful),
        }[measure]


class EndpointJudge:
    """Asks a model, with the measurements in words and all sentences numbered, in one request."""

    def __init__(self, policy: Policy, prompts: Prompts, *, seed: int) -> None:
        self._policy, self._prompts, self._seed = policy, prompts, seed

    def failing(self, case: Case) -> dict[int, str] | None:
        """Reason by number of the sentence, from 0; None where the answer cannot be read."""
        asked = filled(
            self._prompts.judge,
            hints=hints_text(case.regions),
            label=label_text(case.sample) if case.sample else "",
            sentences="\n".join(f"{number}. {text}" for number, text in enumerate(case.sentences, start=1)),
        )
        conversation = Conversation(case.key, self._prompts.judge_system, [UserTurn((), asked)])
        reply = self._policy.respond([conversation], seed=self._seed)[0]
        numbers = read_verdict(reply.text, count=len(case.sentences))
        return (
            None if numbers is None else dict.fromkeys(numbers, "the judge says that a measurement speaks against it")
        )


def read_verdict(text: str, *, count: int) -> Sequence[int] | None:
    """Numbers of the failing sentences, from 0, in the last answer; None where there is none that fits `count`."""
    for body in reversed(answers(text)):
        try:
            value: Any = json.loads(body)
        except (ValueError, RecursionError):
            continue
        numbers: Any = cast(dict[str, Any], value).get("fail") if isinstance(value, dict) else None
        if not isinstance(numbers, list):
            continue
        found = cast(list[Any], numbers)
        if all(isinstance(item, int) and not isinstance(item, bool) and 1 <= item <= count for item in found):
            return sorted({item - 1 for item in found})
    return None
