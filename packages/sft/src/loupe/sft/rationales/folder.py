"""The folder that the builder writes: whose it is, and what lies where.

`stages/` holds the rows of each stage and `requests/` every request with its cost; both are what a resumed run goes on
from. The rest is written at the end: `rationales/`, the labels and pictures of a data folder, `items.jsonl`, manifest.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loupe.core.config import to_yaml
from loupe.core.environment import environment
from loupe.core.errors import ConfigError
from loupe.core.files import inside, read_json, sha256_file, write_bytes_atomic, write_json, write_text_atomic
from loupe.sft.rationales.config import RationalesConfig

SETTINGS, MANIFEST, ITEMS, PAGE = "settings.json", "manifest.json", "items.jsonl", "rationales.html"
LOCK = ".lock"
STAGES = ("generate", "reliance", "consistency")
_FREE = {
    "out", "resume", "on_failure", "base_url", "key_variable", "concurrency", "timeout_s", "max_tries", "backoff_s",
    "max_backoff_s",
}  # fmt: skip
"""Settings that a resumed run may change: they say how patiently and where to ask, and not what."""


@contextmanager
def claimed(config: RationalesConfig, *, fingerprints: dict[str, str]) -> Iterator[Path]:
    """The out folder, for this run and this process alone as long as the block runs. Raises ConfigError where it holds
    something else, or the same without resume, and where another process is at work in it.

    `fingerprints` are hashes of what the settings only name: the protocol, the prompts.
    """
    out = Path(config.out)
    if out.exists() and not out.is_dir():
        raise ConfigError(f"out={out} is a file; give the name of a folder")
    source = Path(config.data)
    if out.exists() and source.exists() and out.samefile(source):
        raise ConfigError(f"out={out} is the data folder itself; give another one")
    labels = {split: sha256_file(source / f"{split}.jsonl") for split in config.splits}
    settings = {"settings": _kept(asdict(config)), **fingerprints, "data_sha256": labels}
    with _locked(out):
        if any(_counts(item) for item in out.iterdir()):
            _same(out, settings, resume=config.resume)
        write_json(out / SETTINGS, settings)
        write_text_atomic(out / "config.yaml", to_yaml(config))
        write_json(out / "environment.json", environment())
        yield out


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """The system lets go of the lock when its process ends, however that is."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / LOCK).open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"another process is at work in {out}; wait for its end, or give another out") from None
        yield


def _counts(item: Path) -> bool:
    """Whether a folder with this in it is somebody's: what a kill left of a write is nobody's."""
    return item.name != LOCK and not (item.name.startswith(".") and item.name.endswith(".part"))


def link_image(source: Path, out: Path, image: str) -> None:
    """Put a picture of the data folder into the out folder, as a link where the file system can. Raises DataError."""
    origin, target = inside(source, image), inside(out, image)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(origin, target)
    except OSError:
        write_bytes_atomic(target, origin.read_bytes())


def _same(out: Path, settings: dict[str, Any], *, resume: bool) -> None:
    if not (out / SETTINGS).is_file():
        raise ConfigError(f"{out} holds something that was not made here; give another out")
    if not resume:
        raise ConfigError(f"{out} holds another run; go on with it by --resume, or give another out")
    held = read_json(out / SETTINGS)
    if held != settings:
        old, new = _flat(held), _flat(settings)
        keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        raise ConfigError(
            f"cannot resume {out}: {', '.join(keys)} differ from when it began; use the same, or give another out"
        )


def _kept(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    return {str(key): _kept(value) for key, value in node.items() if key not in _FREE}


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, dict):
        return {prefix: node}
    leaves: dict[str, Any] = {}
    for key, value in node.items():
        leaves |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return leaves
