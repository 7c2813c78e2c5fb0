"""The examples of docs/metric.md work as they are written: they are taken from the page and run one after the other."""

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFilter

from loupe.data.pristine import dead_leaves

PAGE = Path(__file__).parents[2] / "docs" / "metric.md"


def examples() -> list[str]:
    """The page's Python blocks; each goes on where the one before stopped."""
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_every_example_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    picture = Image.fromarray(dead_leaves(3))
    picture.save("photo.png")
    picture.filter(ImageFilter.GaussianBlur(4)).save("blurred.png")
    blocks = examples()
    assert len(blocks) == 6
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    clear, blurred = names["ratings"]
    assert clear > blurred and clear == pytest.approx(names["rating"], abs=1e-4)
    judged = names["judgement"]
    assert (judged.problem, judged.distortion_class) == (None, "blur")
    # 18.5, 52, 85.5, 38 and 56 apart; 3 and 53 are the means.
    plcc = (1.5 * 33 + 1.5 * 37 + 1 * 13 + 1 * 7) / ((4.5 + 2) * (33**2 + 2**2 + 37**2 + 13**2 + 7**2)) ** 0.5
    assert names["agreement"] == pytest.approx(
        {"srcc": 1.0, "plcc": plcc, "krcc": 1.0, "rmse": 54.656, "n": 5, "unusable": 0}, abs=1e-3
    )
    rated = names["rated"]
    assert rated["rating"][:2] == pytest.approx([clear, blurred], abs=1e-4)
    assert rated["rating"][2] is None and "gone.png: no such file" in rated["why"][2]
    assert rated["why"][:2] == [None, None]
    assert "blur" in capsys.readouterr().out
