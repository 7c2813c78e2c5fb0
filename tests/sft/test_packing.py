"""Packed by hand or through the processor and the chat layout, a look gives the same patches and the same numbers."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from loupe.core.answer import answer_of, render
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.pocket import build_pocket
from loupe.core.model.processors import build_pocket_processor
from loupe.core.policy import Conversation, Reply, UserTurn
from loupe.sft.labels import IGNORED
from loupe.sft.looks import LookBatch
from loupe.sft.packing import Packer

CPU = torch.device("cpu")
DAMAGED = {"distortion_class": "blur", "severity": "slight", "bbox_2d": (0.0, 0.25, 0.5, 0.75), "rating": 2.5}
CLEAN = {"distortion_class": None, "severity": None, "bbox_2d": None, "rating": 5.0}
CROP = {"distortion_class": "noise", "severity": "serious", "rating": 1.4}


def bare(fields: dict[str, Any]) -> str:
    return render(answer_of("", **fields)).removeprefix("<think></think>")


@pytest.fixture(scope="module")
def packer() -> Packer:
    processor = build_pocket_processor()
    return Packer(processor, build_pocket(processor.tokenizer, seed=2).eval())


@pytest.fixture(scope="module")
def looks() -> LookBatch:
    """Three looks whose questions and answers are of different lengths."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    texts = [
        ("Judge this image. You may crop.", bare(DAMAGED)),
        ("Judge this crop.", bare(CROP)),
        ("Judge this image. No crop.", bare(CLEAN)),
    ]
    return LookBatch(pixels, texts)


@pytest.fixture(scope="module")
def mixed(looks: LookBatch) -> LookBatch:
    """A pair between two single looks; the pair's overview is answered by a guess."""
    guess = ("Judge this image. You may crop.", bare({**DAMAGED, "distortion_class": "noise", "rating": 4.1}))
    verdict = ("The crop. Give the verdict.", bare(DAMAGED))
    texts = [looks.texts[1], guess, verdict, looks.texts[2]]
    pixels = np.concatenate([looks.pixels, looks.pixels[:1] // 2])
    return LookBatch(pixels, texts, frozenset({2}))


def test_patches_are_those_of_the_image_processor(packer: Packer, looks: LookBatch) -> None:
    images = [Image.fromarray(pixels) for pixels in looks.pixels]
    made = packer.image_processor(images=images, return_tensors="pt")
    assert made["image_grid_thw"].tolist() == [list(packer.grid)] * 3
    torch.testing.assert_close(packer.patches(looks.pixels), made["pixel_values"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch", ["looks", "mixed"])
@torch.no_grad()
def test_packed_log_probs_are_those_of_the_chat_encoder_with_left_padding(
    packer: Packer, batch: str, request: pytest.FixtureRequest
) -> None:
    looks: LookBatch = request.getfixturevalue(batch)
    encoder = ChatEncoder(build_pocket_processor())
    rows = [encoder.encode(conversation(looks, talk)) for talk in looks.conversations]
    padded = encoder.collate(rows)
    assert (padded["attention_mask"] == 0).any()
    log_probs = torch.log_softmax(packer.model(**padded).logits, dim=-1)
    by_chat = []
    for row, encoded in enumerate(rows):
        places = [place for place, wrote in enumerate(encoded.wrote) if wrote]
        pad = padded["input_ids"].shape[1] - len(encoded.input_ids)
        by_chat += [log_probs[row, pad + place - 1, encoded.input_ids[place]] for place in places]
    answers = packer._answers(looks)
    labels = torch.tensor([id for answer in answers for id in answer])
    packed = torch.log_softmax(packer._forward(looks, answers, CPU), dim=-1).gather(1, labels[:, None])[:, 0]
    torch.testing.assert_close(packed, torch.stack(by_chat), rtol=0, atol=1e-4)


def by_hand(packer: Packer, log_probs: torch.Tensor, labels: list[int]) -> float:
    """Mean loss where a rating's target is the bell around it, and any other target is the label alone."""
    ratings, losses = packer.fields.ratings.tolist(), []
    for row, label in zip(log_probs, labels, strict=True):
        if label in ratings:
            losses.append(-(packer.fields.bells[ratings.index(label)] * row[ratings]).sum().item())
        elif label != IGNORED:
            losses.append(-row[label].item())
    return float(np.mean(losses))


def test_the_loss_is_that_of_what_was_not_guessed(packer: Packer, mixed: LookBatch) -> None:
    answers = packer._answers(mixed)
    with torch.no_grad():
        log_probs = torch.log_softmax(packer._forward(mixed, answers, CPU), dim=-1)
        loss = packer.loss(mixed, CPU).item()
    labels = [IGNORED if view in mixed.guesses else id for view, answer in enumerate(answers) for id in answer]
    assert loss == pytest.approx(by_hand(packer, log_probs, labels), abs=1e-4)


def conversation(looks: LookBatch, talk: range) -> Conversation:
    images = [Image.fromarray(looks.pixels[view]) for view in talk]
    turns = [UserTurn((image,), looks.texts[view][0]) for image, view in zip(images, talk, strict=True)]
    return Conversation("a", "", turns, [Reply(looks.texts[view][1]) for view in talk])


def test_a_look_does_not_depend_on_its_neighbours(packer: Packer, looks: LookBatch) -> None:
    with torch.no_grad():
        together = packer._forward(looks, packer._answers(looks), CPU)
        last = LookBatch(looks.pixels[2:], looks.texts[2:])
        alone = packer._forward(last, packer._answers(last), CPU)
    torch.testing.assert_close(together[-len(alone) :], alone, rtol=0, atol=1e-4)


def spoken(packer: Packer, looks: LookBatch, own_share: float) -> tuple[list[list[int]], list[list[int]]]:
    """Ids and labels after the model has spoken."""
    return packer._spoken(looks, own_share=own_share, rng=np.random.default_rng(3), device=CPU)


def test_a_guess_carries_no_loss_and_is_never_spoken(packer: Packer, mixed: LookBatch) -> None:
    answers, labels = spoken(packer, mixed, 1)
    assert answers[1] == packer._answers(mixed)[1]
    assert labels[1] == [IGNORED] * len(answers[1])
    assert answers[2] != packer._answers(mixed)[2]
    assert any(label != IGNORED for label in labels[2])


def test_without_own_answers_all_is_learnt_but_the_ratings(packer: Packer, looks: LookBatch) -> None:
    answers, labels = spoken(packer, looks, 0)
    assert answers == packer._answers(looks)
    ignored = [[place for place, label in enumerate(row) if label == IGNORED] for row in labels]
    assert ignored == [[packer.fields.rating_place(answer)] for answer in answers]


def test_own_answers_are_what_each_look_alone_would_have_said(packer: Packer, looks: LookBatch) -> None:
    answers, labels = spoken(packer, looks, 1)
    assert answers != packer._answers(looks)
    rng = np.random.default_rng(3)
    rng.random(len(answers))  # which answers are the model's own: with a share of 1, all
    for row, (pixels, text) in enumerate(zip(looks.pixels, looks.texts, strict=True)):
        alone = LookBatch(pixels[None], [text])
        (true,) = packer._answers(alone)
        with torch.no_grad():
            beliefs = packer._forward(alone, [true], CPU).numpy()
        assert (answers[row], labels[row]) == packer.fields.own(true, beliefs, rng)


def test_what_has_no_fields_and_what_is_not_drawn_stays_as_it_is(packer: Packer, looks: LookBatch) -> None:
    sentence = ("Say what is wrong.", "I see noise everywhere; it is slight.")
    mixed = LookBatch(np.concatenate([looks.pixels, looks.pixels])[:5], [sentence, *looks.texts, sentence])
    true = packer._answers(mixed)
    rng = np.random.default_rng(0)
    drawn = [row for row in (1, 2, 3) if np.random.default_rng(0).random(3)[row - 1] < 0.5]
    assert len(drawn) in (1, 2)
    answers, labels = packer._spoken(mixed, own_share=0.5, rng=rng, device=CPU)
    for row, answer in enumerate(true):
        if row in (0, 4):
            assert answers[row] == labels[row] == answer
        elif row not in drawn:
            assert answers[row] == answer
            assert [place for place, label in enumerate(labels[row]) if label == IGNORED] == [
                packer.fields.rating_place(answer)
            ]
        else:
            assert labels[row][packer.fields.rating_place(answers[row])] == answer[packer.fields.rating_place(answer)]


def test_the_loss_of_own_answers_leaves_out_what_has_no_label(packer: Packer, looks: LookBatch) -> None:
    answers, labels = spoken(packer, looks, 1)
    with torch.no_grad():
        log_probs = torch.log_softmax(packer._forward(looks, answers, CPU), dim=-1)
        got = packer.loss(looks, CPU, own_share=1, rng=np.random.default_rng(3)).item()
    flat = [label for row in labels for label in row]
    assert IGNORED in flat
    assert got == pytest.approx(by_hand(packer, log_probs, flat), abs=1e-5)


def test_answers_end_with_their_end_token(packer: Packer, looks: LookBatch) -> None:
    said = [packer.tokenizer.decode(answer) for answer in packer._answers(looks)]
    assert said == [f"{answer}<|im_end|>" for _, answer in looks.texts]


def judged(packer: Packer, monkeypatch: pytest.MonkeyPatch, *, true: str, said: str) -> dict[str, float]:
    """Hits of a model that says `said`, of as many tokens, where `true` is right."""
    ids = [packer.tokenizer(f"{text}<|im_end|>").input_ids for text in (true, said)]
    assert len(ids[0]) == len(ids[1])
    logits = F.one_hot(torch.tensor(ids[1]), 2000).float()
    monkeypatch.setattr(packer, "_forward", lambda batch, answers, device: logits)
    batch = LookBatch(np.zeros((1, 112, 112, 3), np.uint8), [("Judge this image.", true)])
    return dict(packer.field_hits(batch, CPU))


def test_a_right_answer_hits_every_field(packer: Packer, monkeypatch: pytest.MonkeyPatch) -> None:
    right = judged(packer, monkeypatch, true=bare(DAMAGED), said=bare(DAMAGED))
    assert right == {"class": 1, "severity": 1, "region": 1, "rating_error": 0}
    assert "region" not in judged(packer, monkeypatch, true=bare(CROP), said=bare(CROP))


@pytest.mark.parametrize(
    ("field", "value", "missed"),
    [
        ("distortion_class", "noise", "class"),
        ("severity", "serious", "severity"),
        ("bbox_2d", (0.5, 0.25, 1, 0.75), "region"),
    ],
)
def test_a_wrong_field_misses_alone(
    packer: Packer, monkeypatch: pytest.MonkeyPatch, field: str, value: Any, missed: str
) -> None:
    hits = judged(packer, monkeypatch, true=bare(DAMAGED), said=bare({**DAMAGED, field: value}))
    assert hits == {"class": 1, "severity": 1, "region": 1, "rating_error": 0, missed: 0}


def test_the_error_of_a_rating_is_in_points(packer: Packer, monkeypatch: pytest.MonkeyPatch) -> None:
    hits = judged(packer, monkeypatch, true=bare(DAMAGED), said=bare({**DAMAGED, "rating": 4.0}))
    assert hits["rating_error"] == pytest.approx(1.5)


def test_no_rating_where_one_belongs_counts_as_the_largest_error(
    packer: Packer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = bare(DAMAGED).replace("2.5", "null")
    assert judged(packer, monkeypatch, true=bare(DAMAGED), said=said)["rating_error"] == 4
