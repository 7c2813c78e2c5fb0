"""What holds for every test: no network, one thread a process, and no deadline on a machine that is busy.

And what several folders of tests start from: a handful of synthetic images, a model that knows nothing, and a server on
loopback that teaches.
"""

import os
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("loupe", deadline=None)
settings.load_profile("loupe")

TESTS = Path(__file__).parent


@pytest.fixture(scope="session")
def synthetic_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of 20 training and 4 validation images with rationales; tests read it and never write into it."""
    from loupe.data.synth import SynthConfig, synthesise

    folder = tmp_path_factory.mktemp("data") / "synthetic"
    return synthesise(SynthConfig(out=str(folder), train=5, val=1, test=0, versions=4, size=224, workers=1))


@pytest.fixture(scope="session")
def blank_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved pocket model with random weights; tests read it and never write into it."""
    from loupe.core.model.loading import save_model
    from loupe.core.model.pocket import build_pocket
    from loupe.core.model.processors import build_pocket_processor

    processor = build_pocket_processor()
    folder = tmp_path_factory.mktemp("blank") / "model"
    save_model(build_pocket(processor.tokenizer, seed=3), processor, folder)
    return folder


def _load(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def server_module() -> ModuleType:
    return _load(TESTS / "core" / "model" / "endpoint_server.py")


@pytest.fixture(scope="session")
def teacher_module() -> ModuleType:
    return _load(TESTS / "sft" / "rationales" / "teacher.py")


@pytest.fixture
def serve(server_module: ModuleType, teacher_module: ModuleType) -> Iterator[Callable[..., Any]]:
    """Starts servers that teach, or answer as they are told, and closes them all."""
    started: list[Any] = []

    def start(answer: Any = None, **fields: Any) -> Any:
        said = answer or (lambda body: teacher_module.teach(body, server=server_module))
        started.append(server_module.Server(said, **fields))
        return started[-1]

    yield start
    for server in started:
        server.close()
