"""A loopback teacher and judge, and the settings of small runs against them."""

from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from loupe.core.model.endpoint_config import EndpointConfig
from loupe.sft.rationales.config import ConsistencyConfig, PackConfig, RationalesConfig

TESTS = Path(__file__).parents[2]


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
    return _load(Path(__file__).with_name("teacher.py"))


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


@pytest.fixture
def run_of(synthetic_folder: Path) -> Callable[..., RationalesConfig]:
    """Settings of a run over the 20 training images of the small folder: `server` teaches and judges, or the truth."""

    def make(out: Path, server: Any = None, **fields: Any) -> RationalesConfig:
        settings: dict[str, Any] = {"data": str(synthetic_folder), "out": str(out), "splits": ["train"]}
        settings["pack"] = PackConfig(balance=0.0)
        if server is None:
            settings["teacher"] = "truth"
        else:
            asked = EndpointConfig(
                server.url, "m", key_variable=None, backoff_s=0.01, max_backoff_s=0.05, timeout_s=1.0, concurrency=4
            )
            settings |= {
                "endpoint": asked,
                "consistency": ConsistencyConfig(judge="endpoint", judge_endpoint=asked, use_label=False),
            }
        return RationalesConfig(**{**settings, **fields})

    return make
