"""Figures are sums over tokens: worked by hand, and those that the full logits would give."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from loupe.core.model.encode import ChatEncoder
from loupe.core.model.loading import ModelConfig, load_model
from loupe.sft.collator import ExampleCollator
from loupe.sft.figures import Figures
from loupe.sft.labels import IGNORED
from loupe.sft.sources import RationaleSource, load_examples


def scored(log_probs: list[float], right: list[bool], mask: list[bool]) -> SimpleNamespace:
    return SimpleNamespace(
        log_probs=torch.tensor([log_probs]), is_top1=torch.tensor([right]), label_mask=torch.tensor([mask])
    )


def same(values: torch.Tensor) -> torch.Tensor:
    return values


def test_figures_worked_by_hand() -> None:
    figures = Figures(2)
    # The first column of rounds and fields belongs to an id that nothing predicts.
    rounds, fields = torch.tensor([[0, 1, 1, 2, 2]]), torch.tensor([[0, 0, 1, 3, 3]])
    figures.add(scored([-1.0, -2.0, -3.0, -9.0], [True, False, True, True], [True, True, True, False]), rounds, fields)
    figures.add(scored([-9.0, -4.0, -9.0, -5.0], [True, True, True, False], [False, True, False, True]), rounds, fields)
    assert figures.means(same) == {
        "loss": pytest.approx(3.0),
        "loss_round1": pytest.approx(7 / 3),
        "loss_round2": pytest.approx(4.0),
        "rating_accuracy": pytest.approx(0.5),
        "box_accuracy": pytest.approx(0.5),
    }
    assert figures.means(lambda sums: 2 * sums)["loss"] == pytest.approx(3.0)
    figures.clear()
    assert figures.means(same) == {}


def test_figures_of_a_batch_are_those_of_its_full_logits(blank_folder: Path, synthetic_folder: Path) -> None:
    from trl.trainer.utils import add_fused_lm_head

    model, processor = load_model(ModelConfig(path=str(blank_folder), device="cpu"), train=True)
    examples = load_examples(RationaleSource(data=str(synthetic_folder), protocol="zoom-brief"), "a")
    batch = ExampleCollator(examples, ChatEncoder(processor))([{"index": index} for index in range(8)])
    rounds, fields, labels = batch.pop("rounds"), batch.pop("fields"), batch["labels"]
    with torch.no_grad():
        logits = model(**{name: value for name, value in batch.items() if name != "labels"}).logits
        add_fused_lm_head(model, outputs=("log_probs", "is_top1"))
        fused = model(**batch, fused_lm_head=True)
    figures = Figures(2)
    figures.add(fused, rounds, fields)
    found = figures.means(same)
    told, wanted = logits[:, :-1], labels[:, 1:]
    learnt = wanted != IGNORED
    for name, marks, mark in (("loss_round1", rounds, 1), ("loss_round2", rounds, 2)):
        chosen = learnt & (marks[:, 1:] == mark)
        assert found[name] == pytest.approx(torch.nn.functional.cross_entropy(told[chosen], wanted[chosen]).item())
    for place, name in enumerate(("rating_accuracy", "class_accuracy", "box_accuracy"), 1):
        chosen = learnt & (fields[:, 1:] == place)
        right = told[chosen].argmax(-1) == wanted[chosen]
        assert found[name] == pytest.approx(right.float().mean().item(), abs=1e-6)
