"""Every YAML file loads into the dataclass of its stage: no config goes stale unseen."""

from importlib import import_module
from pathlib import Path

import pytest

from loupe.core.config import load_config

ROOT = Path(__file__).parents[2]
SCHEMAS = {
    "assess": "loupe.bench.assess.AssessConfig",
    "audit": "loupe.bench.audit.config.AuditConfig",
    "base": "loupe.sft.perception.PerceptionConfig",
    "calibration": "loupe.bench.calibration.config.CalibrateConfig",
    "data": "loupe.data.synth.SynthConfig",
    "evaluate": "loupe.bench.evaluate.EvaluateConfig",
    "grpo": "loupe.grpo.config.GrpoConfig",
    "modes": "loupe.bench.modes.config.ModesConfig",
    "own": "loupe.sft.config.SftConfig",
    "rationales": "loupe.sft.rationales.config.RationalesConfig",
    "report": "loupe.bench.report.ReportConfig",
    "restoration": "loupe.bench.restoration.config.RestorationConfig",
    "sets": "loupe.bench.sets.config.SetsConfig",
    "sft": "loupe.sft.config.SftConfig",
}
"""Dataclass by the first word of a file's name: `sft-small.yaml` is read as `sft`."""
FOLDERS = {
    "ablations": "loupe.bench.ablation.config.AblateConfig",
    "data_recipes": "loupe.data.recipes.recipe.Recipe",
    "protocols": "loupe.core.protocol.Protocol",
    "systems": "loupe.grpo.config.GrpoConfig",
}
"""Dataclass by the folder of a file, where all files of a folder are of one kind."""


def yaml_files() -> list[Path]:
    folders = [ROOT / "configs", ROOT / "data_recipes", *ROOT.glob("packages/*/src/loupe/*/protocols")]
    return sorted(path for folder in folders for kind in ("*.yaml", "*.yml") for path in folder.rglob(kind))


def schema_of(path: Path) -> type:
    name = FOLDERS.get(path.parent.name) or SCHEMAS.get(path.stem.split("-")[0])
    assert name is not None, f"no schema claims {path.relative_to(ROOT)}; name its dataclass in SCHEMAS"
    module, _, cls = name.rpartition(".")
    return getattr(import_module(module), cls)


@pytest.mark.parametrize("path", yaml_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_yaml_file_loads_into_the_dataclass_of_its_stage(path: Path) -> None:
    schema = schema_of(path)
    assert isinstance(load_config(schema, path), schema)


def test_the_files_are_found() -> None:
    assert "zoom.yaml" in {path.name for path in yaml_files()}


@pytest.mark.parametrize("name", sorted(SCHEMAS.values()))
def test_the_defaults_of_every_stage_load(name: str) -> None:
    module, _, cls = name.rpartition(".")
    assert load_config(getattr(import_module(module), cls))
