"""From a rationale to the conversations that the zoom loop would have had: what there is to learn from.

Messages come from `loupe.zoom.layout` and crops from `loupe.zoom.wish`, as in rollouts, so the prompt of an example and
the prompt of an episode with the same answers are equal id for id. A rationale is one example with the layout append,
and one for each look to be learnt with the layout segments.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from PIL import Image

from loupe.core.answer import Answer, parse, plain
from loupe.core.files import inside
from loupe.core.images import open_image
from loupe.core.policy import Conversation, Reply
from loupe.core.protocol import Protocol
from loupe.core.records import WHOLE, Box, Learn, Rationale, RationaleTurn, Sample
from loupe.zoom.box import corners_in_pixels
from loupe.zoom.crop import crop
from loupe.zoom.layout import next_look, opening
from loupe.zoom.look import Look
from loupe.zoom.wish import answer_to

Open = Callable[[Path], Image.Image]
"""From the path of a picture to its RGB pixels."""


@dataclass(frozen=True)
class Example:
    """One conversation to learn from: a whole rationale, or its look number `segment` with the layout segments.

    `samples` is the image to judge and any that are shown beside it, relative to `folder`; `source` names the mix's
    part that it is from.
    """

    source: str
    folder: Path
    protocol: Protocol
    samples: tuple[Sample, ...]
    rationale: Rationale
    segment: int = 0

    @property
    def sample(self) -> Sample:
        """The image that is judged."""
        return self.samples[0]

    @property
    def name(self) -> str:
        """What a report calls it."""
        return self.rationale.sample_id + (f", look {self.segment + 1}" if self.segment else "")

    @property
    def written(self) -> list[tuple[int, RationaleTurn]]:
        """The turns that the agent writes here, with the number of the look, 0 for the first. A recalled reply is none
        of them."""
        turns = list(enumerate(self.rationale.turns))
        return turns if self.protocol.layout == "append" else turns[self.segment : self.segment + 1]

    def conversation(self, *, open_as: Open = open_image) -> Conversation:
        """The conversation up to the last reply to be learnt."""
        images = [open_as(inside(self.folder, sample.image)) for sample in self.samples]
        name, turns = self.rationale.sample_id, self.rationale.turns
        made = opening(self.protocol, images, key=name, sample_id=name, zoom=self.rationale.zoom_allowed)
        made.replies.append(Reply(turns[0].text))
        last = len(turns) - 1 if self.protocol.layout == "append" else self.segment
        for number in range(1, last + 1):
            shown = self._shown(number, images[0])
            made = next_look(made, self.protocol, shown, image=images[0], sample_id=name, turn=number)
            made.replies.append(Reply(turns[number].text))
        return made

    def read(self, number: int) -> Answer:
        """What the grammar of the protocol makes of a turn."""
        text = self.rationale.turns[number].text
        return plain(parse(text, dialect=self.protocol.dialect, box_limit=self.protocol.box_limit))

    def _shown(self, number: int, image: Image.Image) -> Image.Image:
        """What look `number` shows: the answer to the wish before it, or another region where the rationale says so."""
        view, policy = self.rationale.turns[number].view, self.protocol.crop
        # The loop's controls show other regions than the ones that were asked for, in [0, 1], and so may a rationale.
        plain_policy = replace(policy, coordinates="unit", outside="clamp", zero_is_none=False)
        wish = self.read(number - 1)
        answered = answer_to(wish, image.size, policy, look=Look.DECIDED, truth=None, rng=Random(0))
        if answered is not None:
            asked = corners_in_pixels(wish.bbox_2d, *image.size, policy=policy)
            meant = corners_in_pixels(view, *image.size, policy=plain_policy)
            if any(_near(box, meant) for box in (asked, answered.region)):
                return answered.picture(image)
        return image if view == WHOLE else crop(image, view, policy=plain_policy)[0]


def examples_of(
    rationale: Rationale, samples: Sequence[Sample], *, folder: Path, protocol: Protocol, source: str
) -> list[Example]:
    """The examples that a rationale is, without the turns at its end that carry no loss: nothing is learnt from a crop
    that they show."""
    learnt = [number for number, turn in enumerate(rationale.turns) if turn.learn is not Learn.NOTHING]
    whole = replace(rationale, turns=rationale.turns[: max(learnt, default=0) + 1])
    segments = learnt if protocol.layout == "segments" else [0]
    return [Example(source, folder, protocol, tuple(samples), whole, segment) for segment in segments]


def _near(first: Box | None, second: Box | None) -> bool:
    """Whether two boxes in pixels are the same one but for rounding."""
    return first is not None and second is not None and all(abs(a - b) <= 1 for a, b in zip(first, second, strict=True))
