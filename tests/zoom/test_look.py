"""Look.NEVER has no crop to show; the other looks are tested through the loop."""

from random import Random

import pytest

from loupe.core.records import WHOLE
from loupe.zoom.look import Look, box_to_show


def test_never_has_no_box() -> None:
    with pytest.raises(ValueError, match=r"Look\.NEVER"):
        box_to_show(Look.NEVER, WHOLE, truth=None, rng=Random(0))


def test_a_look_is_written_as_a_plain_word() -> None:
    assert [str(look) for look in Look] == [
        "decided", "never", "random", "centre", "truth", "whole", "forced",
    ]  # fmt: skip
