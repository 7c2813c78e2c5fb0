"""An answer of one's own says what one believes, keeps the form, and has the truth as its label wherever it fits."""

import numpy as np
import pytest

from loupe.core.answer import answer_of, parse, render
from loupe.core.model.tokenizer import build_tokenizer
from loupe.data.degrade import REGIONS
from loupe.sft.answer_fields import AnswerFields
from loupe.sft.labels import IGNORED

TOKENIZER = build_tokenizer()
FIELDS = AnswerFields(TOKENIZER)
TRUE = {"distortion_class": "blur", "severity": "obvious", "bbox_2d": REGIONS[0], "rating": 2.5}
CLEAN = {"distortion_class": None, "severity": None, "bbox_2d": None, "rating": 4.9}


def ids_of(**fields: object) -> list[int]:
    text = render(answer_of("", **fields))
    return TOKENIZER(f"{text[text.index('<answer>') :]}<|im_end|>").input_ids


def beliefs(ids: list[int], *sure: str) -> np.ndarray:
    """Logits that leave no doubt about the words in `sure`, and none about anything else."""
    logits = np.zeros((len(ids), len(TOKENIZER)), np.float32)
    logits[:, [TOKENIZER.convert_tokens_to_ids(word) for word in sure]] = 50
    return logits


def own(fields: dict[str, object], *sure: str, seed: int = 0) -> tuple[dict[str, object], list[int], list[int]]:
    ids = ids_of(**fields)
    said, labels = FIELDS.own(ids, beliefs(ids, *sure), np.random.default_rng(seed))
    answer = parse(TOKENIZER.decode(said))
    assert answer.usable
    assert len(said) == len(labels)
    return {key: getattr(answer, key) for key in fields}, said, labels


def test_what_is_believed_is_said_and_the_truth_is_the_label() -> None:
    answer, said, labels = own(TRUE, '"noise"', '"slight"')
    assert (answer["distortion_class"], answer["severity"], answer["rating"]) == ("noise", "slight", 2.5)
    assert labels[: labels.index(FIELDS.keys["region"])] == ids_of(**TRUE)[: labels.index(FIELDS.keys["region"])]
    assert said != labels


def test_a_true_belief_changes_nothing_but_at_times_the_region() -> None:
    kept = 0
    for seed in range(300):
        answer, said, labels = own(TRUE, '"blur"', '"obvious"', seed=seed)
        kept += answer == TRUE
        # Up to the first wrong number of a region the truth is learnt, behind it nothing until the rating.
        wrong = [place for place, pair in enumerate(zip(said, ids_of(**TRUE), strict=True)) if pair[0] != pair[1]]
        learnt = [place for place, label in enumerate(labels) if label != IGNORED]
        end = labels.index(FIELDS.keys["rating"])
        assert learnt == [place for place in range(len(said)) if not wrong or place <= wrong[0] or place >= end]
        assert all(labels[place] == ids_of(**TRUE)[place] for place in learnt)
    # One in ten of the boxes drawn instead is the true one.
    assert abs(kept - 300 * (0.8 + 0.2 * 0.1)) < 4 * np.sqrt(300 * 0.82 * 0.18)


def test_damage_taken_for_none_keeps_the_class_and_rating_as_labels() -> None:
    answer, said, labels = own(TRUE, "null")
    assert answer == {"distortion_class": None, "severity": None, "bbox_2d": None, "rating": 2.5}
    true = ids_of(**TRUE)
    assert labels[1:3] == true[1:3]
    assert labels[FIELDS.rating_place(said)] == true[FIELDS.rating_place(true)]
    assert labels.count(IGNORED) == 2


def test_none_taken_for_damage_leaves_no_label_for_its_severity_and_region() -> None:
    answer, said, labels = own(CLEAN, '"noise"', '"moderate"')
    assert (answer["distortion_class"], answer["severity"], answer["rating"]) == ("noise", "moderate", 4.9)
    assert answer["bbox_2d"] is not None
    assert labels[2] == FIELDS.null
    assert TOKENIZER.decode([labels[FIELDS.rating_place(said)]]) == "4.9"
    assert labels.count(IGNORED) == 1 + 6


def test_an_answer_about_a_crop_names_no_region() -> None:
    fields = {key: TRUE[key] for key in ("distortion_class", "severity", "rating")}
    answer, _, labels = own(fields, '"pixelate"', '"serious"')
    assert answer == {"distortion_class": "pixelate", "severity": "serious", "rating": 2.5}
    assert labels == ids_of(**fields)


def test_classes_are_drawn_as_often_as_they_are_believed() -> None:
    ids = ids_of(**TRUE)
    logits = beliefs(ids)
    logits[:] = -50
    logits[:, TOKENIZER.convert_tokens_to_ids('"blur"')] = np.log(0.7)
    logits[:, TOKENIZER.convert_tokens_to_ids("null")] = np.log(0.3)
    rng = np.random.default_rng(0)
    clean = sum(FIELDS.own(ids, logits, rng)[0][2] == FIELDS.null for _ in range(1000))
    assert clean == pytest.approx(300, abs=4 * np.sqrt(1000 * 0.3 * 0.7))


def test_only_answers_have_fields() -> None:
    assert FIELDS.has(ids_of(**TRUE))
    assert not FIELDS.has(TOKENIZER("I see noise everywhere; it is slight.<|im_end|>").input_ids)


def test_the_target_of_a_rating_is_a_bell_around_the_true_one() -> None:
    assert FIELDS.bells.sum(-1).numpy() == pytest.approx(1, abs=1e-5)
    assert FIELDS.bells.argmax(-1).tolist() == list(range(41))
    middle = FIELDS.bells[20]
    assert (middle.numpy() * np.arange(10, 51) / 10).sum() == pytest.approx(3.0, abs=1e-5)
    # One tenth off is exp(-(0.1 / 0.15)² / 2) of the middle.
    assert (middle[21] / middle[20]).item() == pytest.approx(np.exp(-2 / 9), abs=1e-5)
    assert [TOKENIZER.decode([id]) for id in FIELDS.ratings.tolist()[::20]] == ["1.0", "3.0", "5.0"]
