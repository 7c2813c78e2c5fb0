from pathlib import Path
from typing import Any

from loupe.core.model.endpoint_config import EndpointConfig
from loupe.data.store import load_rationales
from loupe.sft.rationales.build import build_rationales
from loupe.sft.rationales.config import PackConfig, RationalesConfig, RelianceConfig


def test_the_pocket_agent_behind_transformers_serve_is_a_teacher(
    tmp_path: Path, synthetic_folder: Path, server_module: Any
):
    # A small agent knows the words that it was trained on and no others: no instruction beside the protocol's own.
    (tmp_path / "prompts.yaml").write_text("teacher: ''\n")
    with server_module.served_pocket_agent(tmp_path / "log") as (url, model):
        config = RationalesConfig(
            data=str(synthetic_folder),
            out=str(tmp_path / "out"),
            splits=["train"],
            limit=10,
            protocol="zoom-brief",
            prompts=str(tmp_path / "prompts.yaml"),
            endpoint=EndpointConfig(url, model, key_variable="", temperature=0.7, concurrency=2),
            reliance=RelianceConfig(enabled=False),
            pack=PackConfig(balance=0.0),
        )
        manifest = build_rationales(config)
    rationales = load_rationales(tmp_path / "out", "train")
    assert len(rationales) == manifest["counts"]["kept"] >= 5
    assert any(len(item.turns) == 2 for item in rationales)
    total = manifest["cost"]["total"]
    assert total["answered"] == total["sent"] > 10
    assert min(total["prompt_tokens"], total["completion_tokens"]) > 100
