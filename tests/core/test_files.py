"""Files survive kills, refuse what is broken by name and line, and never lead out of their folder."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.files import (
    append_jsonl,
    check_target,
    inside,
    read_json,
    read_jsonl,
    sha256_file,
    sha256_files,
    write_bytes_atomic,
    write_json,
    write_jsonl,
    write_text_atomic,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def surrogate_free(value: object) -> bool:
    return not any(0xD800 <= ord(character) < 0xE000 for character in str(value))


def test_writing_makes_missing_folders_and_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    write_text_atomic(tmp_path / "a" / "b.txt", "words")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]
    assert (tmp_path / "a" / "b.txt").read_text() == "words"


def test_a_failed_write_keeps_the_old_file_and_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model.bin"
    write_bytes_atomic(target, b"old")

    def full_disk(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_bytes_atomic(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_gets_the_usual_permissions_and_not_those_of_a_temporary_one(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_text_atomic(tmp_path / "atomic", "")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_name_as_long_as_a_file_system_allows_can_be_written(tmp_path: Path) -> None:
    write_text_atomic(tmp_path / ("n" * 250), "words")
    assert (tmp_path / ("n" * 250)).read_text() == "words"


def test_what_is_no_number_becomes_null_at_any_depth(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": float("nan"), "b": [1.5, float("inf"), {"c": (float("-inf"), 2)}]})
    assert read_json(tmp_path / "x.json") == {"a": None, "b": [1.5, None, {"c": [None, 2]}]}


def test_scalars_of_numpy_are_written_as_plain_numbers(tmp_path: Path) -> None:
    row = {"loss": np.float32(0.5), "step": np.int64(3), "bad": np.float32("nan"), "yes": True}
    append_jsonl(tmp_path / "x.jsonl", row)
    assert (tmp_path / "x.jsonl").read_text() == '{"loss": 0.5, "step": 3, "bad": null, "yes": true}\n'


def test_lone_surrogates_of_a_model_do_not_stop_the_log(tmp_path: Path) -> None:
    append_jsonl(tmp_path / "x.jsonl", {"text": "a\ud800b"})
    assert read_jsonl(tmp_path / "x.jsonl") == [{"text": "a?b"}]


@given(rows=st.lists(st.dictionaries(st.text(), JSON, max_size=3).filter(surrogate_free), max_size=4))
def test_rows_come_back_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, rows: list[dict]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    for row in rows:
        append_jsonl(folder / "appended.jsonl", row)
    write_jsonl(folder / "whole.jsonl", rows)
    assert read_jsonl(folder / "whole.jsonl") == rows
    assert not rows or read_jsonl(folder / "appended.jsonl") == rows


def test_line_separators_inside_of_a_text_do_not_break_a_row(tmp_path: Path) -> None:
    row = {"text": "a\nb\r\nc\u2028d\x85e"}
    append_jsonl(tmp_path / "x.jsonl", row)
    assert read_jsonl(tmp_path / "x.jsonl") == [row]


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_torn_last_line_is_dropped_by_the_reader_and_repaired_by_the_next_append(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.jsonl"
    append_jsonl(path, {"n": 1})
    append_jsonl(path, {"n": 2})
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_jsonl(path) == [{"n": 1}]
    append_jsonl(path, {"n": 3})
    assert read_jsonl(path) == [{"n": 1}, {"n": 3}]


def test_a_torn_line_is_found_however_long_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"n": 1}\n{"text": "' + b"x" * 3_000_000)
    append_jsonl(path, {"n": 2})
    assert read_jsonl(path) == [{"n": 1}, {"n": 2}]


def test_a_file_that_is_one_torn_line_holds_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"n"')
    assert read_jsonl(path) == []
    append_jsonl(path, {"n": 1})
    assert read_jsonl(path) == [{"n": 1}]


@pytest.mark.parametrize("broken", [b"{", b"[1]", b"\xff\xfe", b"null", b"[" * 100_000])
def test_a_broken_line_is_named_with_its_file_and_number(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"n": 1}\n\n' + broken + b"\n")
    with pytest.raises(DataError, match=r"rows\.jsonl, line 3"):
        read_jsonl(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for read in (read_jsonl, read_json, sha256_file):
        with pytest.raises(MissingFileError, match=r"nowhere\.x"):
            read(tmp_path / "nowhere.x")


def test_a_json_file_has_to_hold_an_object(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(DataError, match=r"x\.json holds a list; wanted a JSON object"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize("path", ["a.png", "deep/er/a.png", "./a.png", "deep/../a.png", "..name/a", "."])
def test_paths_within_a_folder_are_resolved(tmp_path: Path, path: str) -> None:
    assert inside(tmp_path, path) == (tmp_path / path).resolve()


@pytest.mark.parametrize("path", ["..", "../a", "deep/../../a", "/etc/passwd", "a\0b"])
def test_paths_out_of_a_folder_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError):
        inside(tmp_path / "root", path)


def test_a_neighbour_whose_name_begins_alike_is_outside(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="leads out of"):
        inside(tmp_path / "root", "../root-2/a.png")


def test_links_that_lead_out_of_a_folder_are_refused_and_others_are_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("")
    (root / "real").mkdir()
    (root / "out").symlink_to(tmp_path)
    (root / "in").symlink_to(root / "real")
    (root / "loop").symlink_to(root / "loop")
    for path in ("out", "out/secret", "loop/a"):
        with pytest.raises(DataError):
            inside(root, path)
    assert inside(root, "in/a.png") == root.resolve() / "real" / "a.png"


def test_hashes_are_those_of_the_standard(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_file(tmp_path / "abc") == known
    assert sha256_files([tmp_path / "abc"]) == {str(tmp_path / "abc"): known}


def test_a_row_takes_one_line(tmp_path: Path) -> None:
    append_jsonl(tmp_path / "x.jsonl", {"text": "two\nlines", "deep": {"a": [1, 2]}})
    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"text": "two\nlines", "deep": {"a": [1, 2]}}]


def test_a_target_gets_its_folder_before_the_work_and_is_not_written_yet(tmp_path: Path) -> None:
    check_target(tmp_path / "a" / "page.html")
    assert (tmp_path / "a").is_dir()
    assert not (tmp_path / "a" / "page.html").exists()


def test_a_target_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"pixels")
    with pytest.raises(ConfigError, match="is a folder; wanted the name of a file"):
        check_target(tmp_path)
    with pytest.raises(ConfigError, match="cannot be written"):
        check_target(tmp_path / "photo.jpg" / "page.html")


def test_a_file_to_read_is_no_target_under_any_name(tmp_path: Path) -> None:
    photo, link = tmp_path / "photo.jpg", tmp_path / "link.jpg"
    photo.write_bytes(b"pixels")
    link.symlink_to(photo)
    for name in (photo, link, tmp_path / "." / "photo.jpg"):
        with pytest.raises(ConfigError, match="one of the files to read"):
            check_target(name, keep=[tmp_path / "gone.jpg", photo])
    check_target(tmp_path / "other.jpg", keep=[photo])
