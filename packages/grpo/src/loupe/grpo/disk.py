"""A disk that is full, said in one line, whichever library was writing. What was written before stays as it is."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from loupe.core.errors import ModelError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TORCH_WRITER = ("PytorchStreamWriter failed", "unexpected pos")
"""How torch's writer of archives says that less was written than it gave; it knows no reason."""


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Raises ModelError that names `path` where what happens inside finds no room on the disk."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if (reason := _reason(error)) is None:
            raise
        raise ModelError(
            f"{path} could not be written ({reason}); make room, and go on from the last checkpoint with resume=true"
        ) from error


def _reason(error: Exception) -> str | None:
    """Why something could not be written to its end; None for any other error."""
    text = str(error)
    if isinstance(error, OSError) and error.errno in _FULL:
        return error.strerror
    if isinstance(error, SafetensorError) and "I/O error: " in text:
        return text.split("I/O error: ")[1]
    if isinstance(error, RuntimeError) and any(words in text for words in _TORCH_WRITER):
        return "the disk took less than was given"
    return None
