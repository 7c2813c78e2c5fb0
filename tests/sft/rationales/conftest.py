"""The settings of small runs against a loopback teacher and judge."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loupe.core.model.endpoint_config import EndpointConfig
from loupe.sft.rationales.config import ConsistencyConfig, PackConfig, RationalesConfig


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
