import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loupe.bench.evaluate import EvaluateConfig
from loupe.bench.provenance import figure_versions, protocol_block
from loupe.core.environment import environment
from loupe.core.protocol import load_protocol


def block(start: Path | None, *, protocol: str = "zoom-brief", **changes: Any) -> dict[str, Any]:
    settings = asdict(EvaluateConfig(**changes))
    found = environment(start=start)
    return protocol_block(load_protocol(protocol), settings=settings, environment=found, scripted=start is None)


def test_the_block_says_how_large_images_are_when_the_model_sees_them(blank_folder: Path):
    assert block(blank_folder)["pixels"] == "scaled to 784..12545 pixels an image"


def test_older_processors_name_their_bounds_otherwise(tmp_path: Path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"min_pixels": 3136, "max_pixels": 12845056}))
    assert block(tmp_path)["pixels"] == "scaled to 3136..12845056 pixels an image"


def test_a_folder_that_says_nothing_or_nonsense_has_unknown_pixels(tmp_path: Path):
    assert block(tmp_path)["pixels"].startswith("not known")
    (tmp_path / "processor_config.json").write_text("{")
    assert block(tmp_path)["pixels"].startswith("not known")


def test_decoding_names_the_temperature_and_the_filters_that_act():
    assert block(None)["decoding"] == "greedy"
    assert block(None, temperature=0.7)["decoding"] == "sampled at temperature 0.7"
    drawn = block(None, protocol="zoom-iqa", temperature=1.0)["decoding"]
    assert drawn == "sampled at temperature 1.0, top_p 0.95, top_k 50"


def test_the_libraries_that_make_figures_are_among_the_versions():
    versions = block(None)["versions"]
    assert {"scipy", "scikit-learn", "transformers"} <= set(versions)
    assert all(figure_versions().values())
