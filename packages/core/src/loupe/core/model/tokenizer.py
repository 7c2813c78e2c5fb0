"""The pocket agent's own byte-level BPE tokenizer, trained in a second on a page of text that comes with the package.

Any text can be written, word pieces exist for what the agent says. Tags, the keys and words of an answer and the
ratings 1.0 to 5.0 are single tokens: an answer takes some 16 tokens instead of 60, and the whole distribution over
ratings can be read at one place. Class, special tokens and chat layout are Qwen's, so what works with
Qwen2.5-VL works here.
"""

import json
from importlib.resources import files
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from loupe.core.records import DISTORTION_CLASSES, SEVERITIES

VOCABULARY = 768
"""Word pieces at most, 256 bytes included."""

_CONTROL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
_TAGS = ["<think>", "</think>", "<answer>", "</answer>"]
_KEYS = ['{"distortion_class": ', ', "severity": ', ', "bbox_2d": ', ', "rating": ', ', "tool": ']
_WORDS = ["null", *(f'"{word}"' for word in (*DISTORTION_CLASSES, *SEVERITIES, "crop", "final"))]
_FRACTIONS = ["0.0", "0.25", "0.5", "0.75", "1.0"]
_RATINGS = [f"{tenths / 10:.1f}" for tenths in range(10, 51)]


def build_tokenizer() -> Qwen2Tokenizer:
    """A tokenizer with left padding; the same one every time."""
    bpe = _train((files("loupe.core.model") / "pocket_corpus.txt").read_text(encoding="utf-8").splitlines())
    # Its annotation allows texts only; what it takes at run time are pairs.
    merges: Any = [tuple(merge) for merge in bpe["merges"]]
    tokenizer = Qwen2Tokenizer(
        vocab=bpe["vocab"],
        merges=merges,
        unk_token="<|endoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=4096,
        padding_side="left",
    )
    control: list[Any] = [AddedToken(token, special=True, normalized=False) for token in _CONTROL]
    tokenizer.add_tokens(control, special_tokens=True)
    plain = dict.fromkeys([*_TAGS, *_KEYS, *_WORDS, *_FRACTIONS, *(f", {number}" for number in _FRACTIONS), *_RATINGS])
    words: list[Any] = [AddedToken(token, special=False, normalized=False) for token in plain]
    tokenizer.add_tokens(words)
    return tokenizer


def _train(corpus: list[str]) -> dict[str, Any]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated", invert=False)
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=1,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return json.loads(tokenizer.to_str())["model"]
