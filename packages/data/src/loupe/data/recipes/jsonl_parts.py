"""Samples written one at a time into the files of their splits, which appear together when all rows are there."""

import json
import os
import secrets
from dataclasses import asdict, fields
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from loupe.core.files import sha256_file
from loupe.core.records import Sample
from loupe.data.pairs import Pair
from loupe.data.recipes.split import SPLITS

_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class JsonlParts:
    """Writers of PREFIX{train,val,test}.jsonl beside their targets; `publish` moves them there, leaving undoes them."""

    def __init__(self, folder: Path, *, prefix: str = "") -> None:
        word = secrets.token_hex(4)
        self._targets = {split: folder / f"{prefix}{split}.jsonl" for split in SPLITS}
        self._parts = {split: folder / f".{prefix}{split}.{word}.part" for split in SPLITS}
        self._streams: dict[str, BinaryIO] = {}

    def __enter__(self) -> Self:
        self._streams = {split: part.open("xb") for split, part in self._parts.items()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in self._streams.values():
            stream.close()
        for part in self._parts.values():
            part.unlink(missing_ok=True)

    def write(self, split: str, row: Sample | Pair) -> None:
        """Append one row, as its `to_json` says it; NaN becomes null."""
        # A million calls of to_json would copy every value deeply: half of the time of a build.
        plain = {name: getattr(row, name) for name in _names(type(row))}
        if isinstance(row, Sample):
            # NaN alone is not equal to itself.
            plain["rating"] = row.rating if row.rating == row.rating else None
            plain["mos"] = row.mos if row.mos == row.mos else None
            if row.degradation is not None:
                plain["degradation"] = asdict(row.degradation)
        self._streams[split].write(_ENCODE(plain).encode("utf-8", "replace") + b"\n")

    def publish(self) -> dict[str, str]:
        """Flush all to the disk and give them their names; returns the SHA-256 of each split's file."""
        for split, stream in self._streams.items():
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
            self._parts[split].replace(self._targets[split])
        return {split: sha256_file(path) for split, path in self._targets.items()}


@lru_cache(maxsize=2)
def _names(kind: type[Sample | Pair]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind))
