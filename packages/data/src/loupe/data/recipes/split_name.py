"""The split that the name of a label file says: `train_koniq_7k.json`, `KADID-10K_test_set.txt`."""

import re
from pathlib import Path

WORDS = {"train": "train", "training": "train", "val": "val", "validation": "val", "test": "test", "testing": "test"}


def split_in_name(path: Path) -> str | None:
    """train, val or test, where one of them and no other is a word of the file's name; else None."""
    found = {WORDS[word] for word in re.split(r"[^a-z]+", path.name.lower()) if word in WORDS}
    return found.pop() if len(found) == 1 else None


def split_in_folders(path: Path) -> str | None:
    """The same for the folders that a file lies in, the nearest first."""
    return next((WORDS[part.lower()] for part in reversed(path.parts[:-1]) if part.lower() in WORDS), None)
