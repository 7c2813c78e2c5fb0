"""The truth as a teacher: a policy that answers a picture of the degradation engine from its label and its evidence.

It plays the protocol like any teacher, so everything behind it runs without a model. Shown a picture it is always
right, and as sure as the measured evidence says (`Sample.hard`); shown none it guesses.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import numpy as np

from loupe.core.errors import ConfigError, DataError
from loupe.core.policy import Conversation, Reply
from loupe.core.protocol import Protocol
from loupe.core.records import Box, Sample
from loupe.data.degrade import CLEAN, REGIONS
from loupe.data.evidence import Evidence
from loupe.data.rationale import RationaleShares, write_rationale
from loupe.sft.rationales.truth_words import answer_body, completion, first_sections, guess, later_sections

SECTIONS = 4
DIALECTS = ("zoom-iqa", "loupe")
_IDEAL = RationaleShares(no_zoom=0.0, doubtful_hard=0.0, doubtful_easy=0.0, wrong_crop=0.0)


class TruthPolicy:
    """Answers from labels. The key of a conversation is "id#attempt" of a sample, with anything behind a slash."""

    def __init__(self, samples: Iterable[Sample], evidence: Iterable[Evidence], protocol: Protocol) -> None:
        """Raises ConfigError for a protocol that it does not speak, DataError where a damage is not known."""
        if protocol.dialect not in DIALECTS:
            raise ConfigError(f"teacher=truth speaks the dialects {', '.join(DIALECTS)}; got {protocol.dialect!r}")
        for labels in (protocol.sections, protocol.later_sections):
            if len(labels) not in (0, SECTIONS):
                raise ConfigError(
                    f"teacher=truth writes {SECTIONS} sections; protocol {protocol.name!r} wants {labels}"
                )
        if protocol.dialect != "loupe" and not (protocol.sections and protocol.later_sections):
            raise ConfigError(f"teacher=truth wants sections in a protocol of the dialect {protocol.dialect!r}")
        self._protocol = protocol
        self._samples = {sample.id: sample for sample in samples}
        self._evidence = {item.id: item for item in evidence}
        if unknown := [sample.id for sample in self._samples.values() if sample.degradation is None]:
            raise DataError(f"{unknown[0]}: nobody knows its degradation; teacher=truth is for synthetic pictures")

    def respond(self, conversations: Sequence[Conversation], *, seed: int) -> list[Reply]:
        """One reply per conversation; what it says depends on the conversation's key and round, and on the seed."""
        return [Reply(self._answer(conversation, seed)) for conversation in conversations]

    def _answer(self, conversation: Conversation, seed: int) -> str:
        number = len(conversation.replies)
        digest = sha256(f"{conversation.key}/{number}/{seed}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        if not any(turn.images for turn in conversation.user_turns):
            return self._blind(rng)
        sample = self._samples[conversation.key.rsplit("#", 1)[0]]
        return self._first(sample, rng) if number == 0 else self._later(sample, rng)

    def _first(self, sample: Sample, rng: np.random.Generator) -> str:
        if not self._protocol.sections:
            return self._brief(sample, rng, look=0)
        truth = sample.degradation or CLEAN
        crop = self._region(sample) if sample.hard else None
        rating = self._first_rating(sample)
        box = crop or (truth.bbox_2d if self._protocol.dialect == "loupe" else None)
        tool = "crop" if crop else "final"
        body = answer_body(truth, box=box, rating=rating, tool=tool, asks=self._protocol.asks)
        return completion(first_sections(truth, rng, rating=rating, crop=crop), self._protocol.sections, body=body)

    def _later(self, sample: Sample, rng: np.random.Generator) -> str:
        if not self._protocol.later_sections:
            return self._brief(sample, rng, look=1)
        truth = sample.degradation or CLEAN
        box = truth.bbox_2d if self._protocol.dialect == "loupe" else None
        body = answer_body(truth, box=box, rating=sample.rating, tool="final", asks=self._protocol.asks)
        texts = later_sections(truth, rng, rating=sample.rating, before=self._first_rating(sample))
        return completion(texts, self._protocol.later_sections, body=body)

    def _brief(self, sample: Sample, rng: np.random.Generator, *, look: int) -> str:
        """The words of the synthetic rationales, which are as short as a small agent's answers are."""
        rationale = write_rationale(sample, self._known(sample), seed=int(rng.integers(2**62)), shares=_IDEAL)
        return rationale.turns[min(look, len(rationale.turns) - 1)].text

    def _known(self, sample: Sample) -> Evidence:
        known = self._evidence.get(sample.id)
        return known or Evidence(sample.id, sample.rating, sample.rating, (sample.rating,) * len(REGIONS))

    def _blind(self, rng: np.random.Generator) -> str:
        damage, box, rating = guess(rng)
        tool = "crop" if rng.random() < 0.5 else "final"
        shown = box if tool == "crop" or self._protocol.dialect == "loupe" else None
        return f"<answer>{answer_body(damage, box=shown, rating=rating, tool=tool, asks=self._protocol.asks)}</answer>"

    def _first_rating(self, sample: Sample) -> float:
        """What the overview shows of a hard picture; the label of an easy one."""
        return self._known(sample).overview_rating if sample.hard else sample.rating

    def _region(self, sample: Sample) -> Box:
        """The damaged region; of damage everywhere the one where it is worst."""
        truth = sample.degradation
        if truth is not None and truth.bbox_2d is not None and truth.is_local:
            return truth.bbox_2d
        return REGIONS[int(np.argmin(self._known(sample).region_ratings))]
