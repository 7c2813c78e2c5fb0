"""Protocols are data: found by name or path, and told apart by their fingerprint."""

from dataclasses import replace
from pathlib import Path

import pytest

from loupe.core.errors import ConfigError, MissingFileError
from loupe.core.protocol import Protocol, load_protocol


@pytest.mark.parametrize("name", ["zoom", "zoom-brief"])
def test_a_built_in_protocol_is_found_by_its_name_and_asks_something_in_every_turn(name: str) -> None:
    protocol = load_protocol(name)
    assert protocol.name == name
    assert all([protocol.question, protocol.crop_question, protocol.final_question, protocol.no_zoom_question])
    assert protocol.max_rounds >= 2


def test_a_protocol_of_ones_own_is_found_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\nquestion: Well?\n")
    assert load_protocol(str(tmp_path / "mine.yaml")).question == "Well?"


def test_an_unknown_protocol_is_refused_with_the_known_ones() -> None:
    with pytest.raises(MissingFileError, match="zoom, zoom-brief"):
        load_protocol("zom")


@pytest.mark.parametrize("name", ["../protocols/zoom", ".", "", "protocols"])
def test_a_name_that_is_no_file_is_refused(name: str) -> None:
    with pytest.raises(MissingFileError):
        load_protocol(name)


def test_a_misspelt_field_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("max_round: 3\n")
    with pytest.raises(ConfigError, match=r"did you mean max_rounds\?"):
        load_protocol(str(tmp_path / "mine.yaml"))


def test_the_fingerprint_changes_with_every_field() -> None:
    base = Protocol()
    others = [
        replace(base, name="b"),
        replace(base, system="b"),
        replace(base, question="b"),
        replace(base, max_rounds=9),
        replace(base, max_new_tokens=9),
        replace(base, asks=["rating"]),
    ]
    assert len({made.fingerprint for made in [base, *others]}) == len(others) + 1
    assert Protocol().fingerprint == base.fingerprint
