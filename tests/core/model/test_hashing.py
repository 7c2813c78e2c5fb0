"""The hash of the weights is that of the bytes on disk, and of nothing else in the folder."""

from hashlib import sha256
from pathlib import Path

import pytest

from loupe.core.errors import ModelError
from loupe.core.model.hashing import weights_sha256


def test_one_file_gives_its_own_hash(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"abc")
    (tmp_path / "config.json").write_text("{}")
    # The test vector of FIPS 180-4 for the message "abc".
    assert weights_sha256(tmp_path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_shards_give_the_hash_of_their_list(tmp_path: Path) -> None:
    for name, content in (("b.safetensors", b"2"), ("a.safetensors", b"1")):
        (tmp_path / name).write_bytes(content)
    lines = "".join(
        f"{sha256(content).hexdigest()}  {name}.safetensors\n" for name, content in (("a", b"1"), ("b", b"2"))
    )
    assert weights_sha256(tmp_path) == sha256(lines.encode()).hexdigest()


def test_a_folder_without_weights_has_no_hash(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no \*\.safetensors"):
        weights_sha256(tmp_path)


def test_a_model_that_is_not_there_has_no_hash() -> None:
    with pytest.raises(ModelError, match="no model '/nowhere'"):
        weights_sha256("/nowhere")
