"""Settings of SFT runs that take a second on one core, processors of three families, and rationales of two layouts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer, Qwen2VLImageProcessorPil

from loupe.core.model.loading import ModelConfig
from loupe.core.model.processors import ImageOnlyQwen2_5VLProcessor, ImageOnlyQwen3VLProcessor, build_pocket_processor
from loupe.core.records import WHOLE, Learn, Rationale, RationaleTurn
from loupe.data.store import load_samples
from loupe.sft.config import SftConfig

SMALL: dict[str, Any] = {
    "max_steps": 3,
    "per_device_train_batch_size": 4,
    "learning_rate": 3e-3,
    "lr_scheduler_type": "constant",
    "warmup_steps": 0,
    "logging_steps": 1,
    "save_steps": 2,
    "use_cpu": True,
    "disable_tqdm": True,
}
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
DEFAULT_SYSTEM = (
    "{%- if messages[0]['role'] != 'system' -%}<|im_start|>system\nYou are of help.<|im_end|>\n{%- endif -%}"
)
FAMILIES = ("pocket", "qwen2_5", "qwen3")


@pytest.fixture(scope="session")
def small_run(synthetic_folder: Path, blank_folder: Path) -> Callable[..., SftConfig]:
    """Config of a small run into a folder; other fields by name, trainer arguments by `trainer`."""

    def make(out: Path, *, trainer: dict[str, Any] | None = None, **fields: Any) -> SftConfig:
        start = {"model": ModelConfig(path=str(blank_folder), device="cpu"), "data": str(synthetic_folder)}
        rest = {"probe_images": 1, "probe_every": 2, "seed": 1, **({} if "sources" in fields else {"limit": 8})}
        return SftConfig(**{**start, **rest, **fields}, out=str(out), trainer={**SMALL, **(trainer or {})})

    return make


def plain_tokenizer() -> Qwen2Tokenizer:
    """Byte-level BPE as Qwen's: no word of an answer is a token of its own, and a rating takes several."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=letters, show_progress=False)
    bpe.train_from_iterator(["Judge the rating of this image, where the tool may crop."] * 4, trainer)
    made = json.loads(bpe.to_str())["model"]
    merges: Any = [tuple(pair) for pair in made["merges"]]
    tokenizer = Qwen2Tokenizer(
        vocab=made["vocab"],
        merges=merges,
        unk_token="<|endoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
    )
    control: list[Any] = [AddedToken(token, special=True, normalized=False) for token in CONTROL]
    tokenizer.add_tokens(control, special_tokens=True)
    return tokenizer


@pytest.fixture(scope="session")
def processors() -> dict[str, Any]:
    """A processor a family: the pocket agent's, and one as Qwen2.5-VL's and as Qwen3-VL's, which bring a system message
    of their own and cut ratings into pieces."""
    pocket = build_pocket_processor()
    tokenizer, template = plain_tokenizer(), DEFAULT_SYSTEM + str(pocket.chat_template)
    made: dict[str, Any] = {"pocket": pocket}
    for name, processor, patch in (
        ("qwen2_5", ImageOnlyQwen2_5VLProcessor, 14),
        ("qwen3", ImageOnlyQwen3VLProcessor, 16),
    ):
        images = Qwen2VLImageProcessorPil(
            patch_size=patch, merge_size=2, size={"shortest_edge": 28 * 28, "longest_edge": 128 * 128}
        )
        made[name] = processor(images, tokenizer, chat_template=template)
    return made


@pytest.fixture(scope="session")
def looked_twice(synthetic_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rationales of the protocol zoom-iqa over the training images: every second one is hard, and every third hard one
    carries no loss in its first look; some boxes are in pixels of the image, and one names nothing."""
    boxes: tuple[Any, ...] = ([0.1, 0.2, 0.5, 0.6], [100, 20, 220, 90], "none", [0.5, 0.5, 0.98, 1.0])
    rows: list[Rationale] = []
    for number, sample in enumerate(load_samples(synthetic_folder, "train")):
        box = boxes[number // 2 % len(boxes)] if number % 2 else [0, 0, 0, 0]
        words = "Summary: so.\nDirections: calm, sharp.\nIssues: some grain.\nDecision: "
        first = f"<think>{words}{'hard' if number % 2 else 'easy'}.</think>" + _answer(
            box, 2.5 + number / 20, number % 2
        )
        turns = [RationaleTurn(WHOLE, first, Learn.NOTHING if number % 6 == 5 else Learn.ALL)]
        if number % 2:
            view = (0.25, 0.25, 0.75, 0.75) if box == "none" else _share(box)
            text = "<think>Inspection: grain.\nDirections: none.\nIssues: grain.\nVerdict: lower.</think>"
            turns.append(RationaleTurn(view, text + _answer([0, 0, 0, 0], 2.1 + number / 20, 0)))
        rows.append(Rationale(sample.id, tuple(turns)))
    path = tmp_path_factory.mktemp("rationales") / "zoom-iqa.jsonl"
    path.write_text("".join(json.dumps(row.to_json()) + "\n" for row in rows))
    return path


def _answer(box: Any, rating: float, crops: int) -> str:
    body = {"bbox_2d": box, "rating": round(rating, 2), "tool": "crop" if crops else "final"}
    return f"<answer>{json.dumps(body)}</answer>"


def _share(box: list[float]) -> tuple[float, float, float, float]:
    scale = 224 if max(box) > 1 else 1
    return (box[0] / scale, box[1] / scale, box[2] / scale, box[3] / scale)
