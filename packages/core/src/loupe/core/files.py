"""Reading and writing of every file that a stage leaves behind, so that a kill or a full disk never leaves half of one.

Whole files are written beside their target and moved over it; rows are appended one line at a time, and the one line
that a kill can tear is dropped by the reader and repaired by the next append. Paths that come from data files are
resolved by `inside`, which keeps them in their folder. What the rows mean is left to `records`.
"""

import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, BinaryIO, cast

from loupe.core.errors import ConfigError, DataError, MissingFileError

_BLOCK = 1 << 20


def check_target(path: Path | str, *, keep: Iterable[Path] = ()) -> None:
    """Make the folder of a file that is to be written later, so that a bad path is refused before the work.

    Raises ConfigError for a folder, for one of the files in `keep`, and where no folder can be made.
    """
    target = Path(path)
    if target.is_dir():
        raise ConfigError(f"{target} is a folder; wanted the name of a file to write")
    if target.exists() and any(item.exists() and item.samefile(target) for item in keep):
        raise ConfigError(f"{target} is one of the files to read; wanted another name to write to")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written ({error.strerror}); give another path") from error


def write_bytes_atomic(path: Path | str, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part. Makes missing folders."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / f".{target.name[:64]}.{secrets.token_hex(6)}.part"
    try:
        with part.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text_atomic(path: Path | str, text: str) -> None:
    """`write_bytes_atomic` for text, as UTF-8. Lone surrogates, which a model's text may hold, become `?`."""
    write_bytes_atomic(path, text.encode("utf-8", errors="replace"))


def write_json(path: Path | str, obj: Any) -> None:
    """Write `obj` as indented JSON, atomically. NaN and infinities become null, for JSON has no word for them."""
    write_text_atomic(path, json.dumps(_finite(obj), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> dict[str, Any]:
    """Object in a JSON file. Raises MissingFileError, and DataError where it holds no JSON object."""
    source = Path(path)
    if not source.is_file():
        raise MissingFileError(f"no file {source}; run the stage that writes it, or give another folder")
    return _row(source.read_bytes(), str(source))


def write_jsonl(path: Path | str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write all `rows` as JSON Lines, atomically. NaN becomes null."""
    write_bytes_atomic(path, b"".join(_line(row) for row in rows))


def append_jsonl(path: Path | str, row: Mapping[str, Any]) -> None:
    """Append `row` as one line of JSON and flush it. A line that a kill tore off is removed first; NaN becomes null."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    line = _line(row)
    with target.open("a+b") as stream:
        _cut_torn_line(stream)
        stream.write(line)


def read_jsonl(path: Path | str) -> list[dict[str, Any]]:
    """Rows of a JSON Lines file, in order; empty lines are skipped and a last line without its newline is dropped.

    Raises MissingFileError where the file is not there, DataError naming file and line where a line is no JSON object.
    """
    source = Path(path)
    if not source.is_file():
        raise MissingFileError(f"no file {source}; run the stage that writes it, or give another folder")
    whole = source.read_bytes()
    lines = whole[: whole.rfind(b"\n") + 1].split(b"\n")
    return [_row(line, f"{source}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]


def inside(root: Path | str, relative: Path | str) -> Path:
    """Absolute path of `relative` within `root`. Raises DataError where it would leave it, also by a link."""
    base = Path(root).resolve()
    try:
        path = (base / relative).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{str(relative)[:120]!r} is no path that can be resolved in {root}: {error}") from error
    if not path.is_relative_to(base):
        raise DataError(f"{str(relative)[:120]!r} leads out of {root}; wanted a path inside of that folder")
    return path


def sha256_file(path: Path | str) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits. Raises MissingFileError."""
    source = Path(path)
    if not source.is_file():
        raise MissingFileError(f"no file {source} to take the hash of")
    digest = hashlib.sha256()
    with source.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sha256_files(paths: Iterable[Path | str]) -> dict[str, str]:
    """SHA-256 of each file, by the path as it was given. Raises MissingFileError."""
    return {str(path): sha256_file(path) for path in paths}


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(_finite(row), ensure_ascii=False, allow_nan=False).encode("utf-8", errors="replace") + b"\n"


def _finite(value: Any) -> Any:
    """`value` with numpy's scalars as plain numbers and every NaN and infinity replaced by None, at any depth."""
    if isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in cast(list[Any], value)]
    return value


def _cut_torn_line(stream: BinaryIO) -> None:
    """Truncate the file after its last newline: what follows is the rest of a write that never ended."""
    end = stream.seek(0, os.SEEK_END)
    start = end
    tail = b""
    while start > 0 and b"\n" not in tail:
        step = min(_BLOCK, start)
        start -= step
        stream.seek(start)
        tail = stream.read(step)
    keep = start + tail.rfind(b"\n") + 1
    if keep != end:
        stream.truncate(keep)


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON ({str(error)[:80]}); repair it, or remove it") from error
    if not isinstance(row, dict):
        raise DataError(f"{where} holds a {type(row).__name__}; wanted a JSON object")
    return cast(dict[str, Any], row)
