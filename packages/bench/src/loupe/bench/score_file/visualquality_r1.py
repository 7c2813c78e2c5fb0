"""What the recipes of VisualQuality-R1 write for a folder: a line an image, its path and its score.

The path may hold spaces, so the last word of a line is the score. Where an answer held no number those recipes write a
random one, which nobody can tell from a score: figures on such files are a little too low, and cannot be mended here.
"""

import math
from pathlib import Path

from loupe.bench.score_file.rows import Row, number
from loupe.core.errors import DataError

SCALE = (1.0, 5.0)


def read_visualquality_r1(path: Path) -> list[Row]:
    """Raises DataError for a line of one word, and for a file of labels, which has more numbers."""
    rows: list[Row] = []
    for line, text in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        words = text.rsplit(maxsplit=1)
        if not words:
            continue
        if len(words) < 2:
            raise DataError(f"{path}, line {line} is {text[:60]!r}; wanted the path of an image and its score")
        if math.isfinite(number(words[0].rsplit(maxsplit=1)[-1])) and " " in words[0].strip():
            raise DataError(f"{path}, line {line} ends in two numbers, as label files do; wanted a path and one score")
        score = number(words[1])
        rows.append(
            Row(line, (words[0].strip(),), score, "" if math.isfinite(score) else f"no number: {words[1][:40]!r}")
        )
    return rows
