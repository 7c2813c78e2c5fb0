"""One number that names a model's weights, so that a result can say what made it. Knows no torch."""

from hashlib import sha256
from pathlib import Path

from loupe.core.environment import weight_files
from loupe.core.errors import ModelError
from loupe.core.files import sha256_file
from loupe.core.model.checkpoints import model_folder


def weights_sha256(path: str | Path) -> str:
    """SHA-256 (64 hex digits) over the safetensors of a model folder, a shipped name or a hub id.

    One file gives its own SHA-256; several give that of the lines that `sha256sum` prints for them, sorted by name. For
    an adapter these are the adapter's weights alone, not those of its base. Raises ModelError where there are none.
    """
    folder = model_folder(path)
    found = weight_files(folder)
    if not found:
        raise ModelError(
            f"{folder} holds no *.safetensors to take the hash of; give the folder that a model was saved in"
        )
    lines = [f"{sha256_file(file)}  {file.name}\n" for file in found]
    return lines[0].split()[0] if len(lines) == 1 else sha256("".join(lines).encode()).hexdigest()
