import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.bench.choices import ALIKE, BETTER_A, BETTER_B, usable_choice
from loupe.bench.comparison.answers import Answered
from loupe.bench.comparison.figures import comparison_figures, in_both_orders
from loupe.bench.comparison.from_ratings import comparison_from_ratings
from loupe.bench.comparison.matches import Match
from loupe.bench.comparison.played import PlayedMatch, read_played
from loupe.bench.comparison.run import compare
from loupe.bench.comparison.table import notes, screen_rows
from loupe.bench.evaluate import EvaluateConfig, evaluate
from loupe.bench.predictions import Prediction
from loupe.core.answer import answer_of, render
from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.files import read_json, write_jsonl
from loupe.core.policy import Conversation, Reply
from loupe.core.records import WHOLE, Episode, Sample, StopReason, Turn
from loupe.data.pairs import Pair, PairsConfig, write_pairs
from loupe.zoom.scripted import ScriptedPolicy

Agent = Callable[[Conversation], str]
RATINGS = {f"p{number}": 1.0 + 0.5 * number for number in range(8)}
MARGIN = PairsConfig.margin


def sample(name: str, rating: float = 3.0, ref: str | None = None) -> Sample:
    return Sample(name, f"images/{name}.png", "tiny", "test", rating, rating, ref_id=ref)


def asked(a: str, b: str, truth: str, said: str | None, *, ref: str | None = None) -> Answered:
    return Answered(sample(a, RATINGS.get(a, 3.0), ref), sample(b, RATINGS.get(b, 3.0), ref), truth, said)


def build(tmp_path: Path, *, swapped: bool = True) -> Path:
    """Eight pictures of the ratings above, and pairs: six with a better one, two labelled alike."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = [sample(name, rating, ref=f"r{index // 2}") for index, (name, rating) in enumerate(RATINGS.items())]
    for row in rows:
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(folder / row.image)
    write_jsonl(folder / "test.jsonl", [row.to_json() for row in rows])
    better = [("p0", "p1"), ("p2", "p1"), ("p2", "p3"), ("p4", "p3"), ("p4", "p5"), ("p6", "p5")]
    pairs = [Pair(a, b, BETTER_A if RATINGS[a] > RATINGS[b] else BETTER_B, "tiny") for a, b in better]
    pairs += [Pair("p6", "p7", ALIKE, "tiny"), Pair("p0", "p7", ALIKE, "tiny")]
    orders = [order for pair in pairs for order in ((pair, pair.swapped()) if swapped else (pair,))]
    write_jsonl(folder / "pairs-test.jsonl", [order.to_json() for order in orders])
    return folder


def answer(choice: str) -> str:
    return f"<think>\nso\n</think>\n<answer>\n{choice}\n</answer>"


def names(conversation: Conversation) -> tuple[str, str]:
    first, second = conversation.key.split("|")
    return first, second


def truthful(conversation: Conversation) -> str:
    a, b = names(conversation)
    if {a, b} in ({"p6", "p7"}, {"p0", "p7"}):
        return answer(ALIKE)
    return answer(BETTER_A if RATINGS[a] > RATINGS[b] else BETTER_B)


def settings(data: Path, **changes: object) -> EvaluateConfig:
    plain = {"data": str(data), "out": str(data.parent / "eval"), "protocol": "compare", "n_boot": 50, "chunk": 5}
    return EvaluateConfig(**{**plain, **changes})  # type: ignore[arg-type]


def test_an_agent_that_tells_the_truth_is_right_in_both_orders(tmp_path: Path):
    found = compare(settings(build(tmp_path)), policy=ScriptedPolicy(truthful)).comparison
    assert (found.n, found.n_better, found.n_alike, found.n_both) == (16, 12, 4, 8)
    assert (found.unusable, found.unusable_share) == (0, 0.0)
    for figure in (found.accuracy, found.accuracy_better, found.accuracy_alike, found.right_in_both, found.consistency):
        assert figure == (1.0, 1.0, 1.0)
    assert found.first_place_bias.value == 0.0
    assert found.confusion[BETTER_A] == {BETTER_A: 6, BETTER_B: 0, ALIKE: 0, "unusable": 0}


def test_an_agent_that_always_says_image_a_is_found_out_by_the_swap(tmp_path: Path):
    found = compare(settings(build(tmp_path)), policy=ScriptedPolicy(lambda _: answer(BETTER_A))).comparison
    assert found.accuracy.value == pytest.approx(6 / 16)
    assert found.accuracy_better.value == pytest.approx(1 / 2)
    assert found.accuracy_alike.value == 0.0
    assert found.right_in_both.value == 0.0
    assert found.consistency.value == 0.0
    assert found.first_place_bias == (1.0, 1.0, 1.0)


def test_a_coin_stands_by_its_answer_as_often_as_the_coin_falls_so(tmp_path: Path):
    # The coin is drawn here for the 16 questions in their order, so what it must reach can be counted by hand:
    # (A, B) in a pair's two orders says the same image twice, (A, A) and (B, B) the same place twice.
    falls = [BETTER_A, BETTER_B, BETTER_A, BETTER_A, BETTER_B, BETTER_A, BETTER_B, BETTER_B]
    falls += [BETTER_A, BETTER_B, BETTER_A, BETTER_A, BETTER_A, BETTER_A, BETTER_B, BETTER_A]
    data = build(tmp_path)
    keys = [
        f"{row['image_a']}|{row['image_b']}"
        for row in map(json.loads, (data / "pairs-test.jsonl").open(encoding="utf8"))
    ]
    coin = dict(zip(keys, falls, strict=True))
    found = compare(settings(data), policy=ScriptedPolicy(lambda asked: answer(coin[asked.key]))).comparison
    # Truths of the first six pairs in their first order: B, A, B, A, B, A. The falls are right in pair 1 never; pair 2
    # once; pair 3 in both orders; pair 4 once; pair 5 never; pair 6 once; the pairs that are alike never.
    assert found.accuracy.value == pytest.approx(5 / 16)
    assert found.accuracy_better.value == pytest.approx(5 / 12)
    assert found.right_in_both.value == pytest.approx(1 / 8)
    # Pairs 1, 3, 5 and 8 fell on the same image in both orders.
    assert found.consistency.value == pytest.approx(4 / 8)
    assert found.first_place_bias.value == pytest.approx((10 - 6) / 16)


@pytest.mark.parametrize("text", ["hm", answer("Image C"), answer("image a"), answer("Image A is better")])
def test_an_answer_that_is_none_of_the_three_is_wrong_and_for_no_place(tmp_path: Path, text: str):
    found = compare(settings(build(tmp_path)), policy=ScriptedPolicy(lambda _: text)).comparison
    assert (found.unusable, found.unusable_share) == (16, 1.0)
    assert found.accuracy.value == found.right_in_both.value == found.consistency.value == 0.0
    assert found.first_place_bias.value == 0.0
    assert found.confusion[ALIKE]["unusable"] == 4
    assert found.ranked is None


def test_two_unusable_answers_are_not_consistent_though_they_are_the_same():
    rows = [asked("p0", "p1", BETTER_B, None), asked("p1", "p0", BETTER_A, None)]
    assert comparison_figures(rows, n_boot=0).consistency.value == 0.0


def test_always_alike_is_consistent_and_prefers_no_place():
    rows = [asked("p0", "p1", BETTER_B, ALIKE), asked("p1", "p0", BETTER_A, ALIKE)]
    found = comparison_figures(rows, n_boot=0)
    assert (found.consistency.value, found.first_place_bias.value, found.accuracy.value) == (1.0, 0.0, 0.0)


def test_pairs_in_one_order_give_accuracy_and_nothing_that_needs_two(tmp_path: Path):
    data = build(tmp_path, swapped=False)
    found = compare(settings(data), policy=ScriptedPolicy(truthful)).comparison
    assert (found.n, found.n_both) == (8, 0)
    assert found.accuracy.value == 1.0
    assert math.isnan(found.consistency.value) and math.isnan(found.first_place_bias.value)
    written = read_json(data.parent / "eval" / "summary.json")["comparison"]
    assert any("No pair was shown in both orders" in note for note in notes(written))
    assert screen_rows(written)[4][1:] == ("0", "–")


def test_an_image_against_itself_is_no_swap_of_itself():
    assert in_both_orders([asked("p0", "p0", ALIKE, ALIKE)]) == []


def test_a_pair_and_its_swap_are_drawn_as_one():
    # One pair right in both orders, one wrong in both: a draw of whole pairs is 0, a half or 1, nothing between.
    rows = [
        asked("p0", "p1", BETTER_B, BETTER_B), asked("p1", "p0", BETTER_A, BETTER_A),
        asked("p2", "p3", BETTER_B, BETTER_A), asked("p3", "p2", BETTER_A, BETTER_B),
    ]  # fmt: skip
    assert comparison_figures(rows, n_boot=300).accuracy == (0.5, 0.0, 1.0)


def test_pairs_of_the_same_pristine_images_are_drawn_as_one():
    one = [asked("p0", "p1", BETTER_B, BETTER_B, ref="x"), asked("p2", "p3", BETTER_B, BETTER_A, ref="x")]
    assert one[0].group == one[1].group
    assert math.isnan(comparison_figures(one, n_boot=100).accuracy.low)
    across = asked("a", "b", ALIKE, None)
    assert across.group == asked("b", "a", ALIKE, None).group != one[0].group


def test_a_named_reference_is_the_group():
    first = Answered(sample("a", ref="x"), sample("b", ref="x"), ALIKE, None, "ref.png")
    second = Answered(sample("c", ref="y"), sample("d", ref="y"), ALIKE, None, "ref.png")
    assert first.group == second.group


def test_ids_with_bars_in_them_stay_apart():
    keys = {Match(sample(a), sample(b), ALIKE).key for a, b in (("a|b", "c"), ("a", "b|c"), ("a\\", "b"), ("a", "\\b"))}
    assert len(keys) == 4
    assert Match(sample("a"), sample("b"), ALIKE, "c").key != Match(sample("a"), sample("b|c"), ALIKE).key


def test_answers_count_letter_for_letter():
    assert [usable_choice(word) for word in (BETTER_A, BETTER_B, ALIKE)] == [BETTER_A, BETTER_B, ALIKE]
    assert [usable_choice(word) for word in ("image a", "Image A.", "A", "", None)] == [None] * 5


def test_a_perfect_comparer_ranks_the_images_as_opinion_does():
    rows = [
        asked(
            a, b, BETTER_A if RATINGS[a] > RATINGS[b] else BETTER_B, BETTER_A if RATINGS[a] > RATINGS[b] else BETTER_B
        )
        for a in RATINGS
        for b in RATINGS
        if a != b
    ]
    found = comparison_figures(rows, n_boot=100).ranked
    assert found is not None
    assert (found.n, found.n_images, found.comparisons) == (8, 8, 14.0)
    assert found.srcc.value == pytest.approx(1.0)
    assert found.plcc.value > 0.95


def test_only_images_that_comparisons_link_are_ranked_together():
    rows = [
        asked("p0", "p1", BETTER_B, BETTER_B),
        asked("p1", "p2", BETTER_B, BETTER_B),
        asked("p2", "p3", BETTER_B, BETTER_B),
        asked("p6", "p7", BETTER_B, BETTER_A),
    ]
    found = comparison_figures(rows, n_boot=0).ranked
    assert found is not None
    assert (found.n, found.n_images) == (4, 6)
    assert found.srcc.value == pytest.approx(1.0)


def test_images_of_two_data_sets_are_not_ranked_on_one_scale():
    rows = [asked("p0", "p1", BETTER_B, BETTER_B), asked("p1", "p2", BETTER_B, BETTER_B)]
    other = Sample("q", "q.png", "other", "test", 1.0, 1.0)
    mixed = [*rows, Answered(rows[0].a, other, BETTER_A, BETTER_A)]
    assert comparison_figures(rows, n_boot=0).ranked is not None
    assert comparison_figures(mixed, n_boot=0).ranked is None


def rated(name: str, rating: float | None, *, look: str = "decided", expected: float | None = None) -> Prediction:
    made = answer_of(rating=rating) if rating is not None else answer_of(distortion_class="blur")
    turn = Turn(WHOLE, render(made), made, tokens=1, seconds=0.0, expected_rating=expected)
    return Prediction(sample(name, RATINGS[name]), look, Episode(name, (turn,), StopReason.FINAL))


def both(a: str, b: str, choice: str) -> list[Pair]:
    pair = Pair(a, b, choice, "tiny")
    return [pair, pair.swapped()]


def test_ratings_make_the_choices_that_the_margin_makes():
    predictions = [rated("p0", 1.0), rated("p1", 1.0 + MARGIN), rated("p2", 1.34), rated("p3", 5.0)]
    pairs = [*both("p0", "p1", BETTER_B), *both("p0", "p2", ALIKE), *both("p3", "p0", BETTER_B)]
    found = comparison_from_ratings(predictions, pairs, n_boot=0)
    # Exactly a margin apart is better, a little less is alike, and the last pair is the wrong way round.
    assert found.accuracy.value == pytest.approx(4 / 6)
    assert (found.consistency.value, found.first_place_bias.value) == (1.0, 0.0)
    sharp = comparison_from_ratings(predictions, pairs, margin=0.0, n_boot=0)
    assert sharp.accuracy_alike.value == 0.0
    assert sharp.confusion[ALIKE][ALIKE] == 0


def test_equal_ratings_are_alike_without_a_margin_too():
    found = comparison_from_ratings([rated("p0", 2.0), rated("p1", 2.0)], both("p0", "p1", ALIKE), margin=0.0, n_boot=0)
    assert found.accuracy.value == 1.0


def test_the_expected_rating_decides():
    predictions = [rated("p0", 2.0, expected=4.0), rated("p1", 3.0, expected=1.5)]
    assert comparison_from_ratings(predictions, both("p0", "p1", BETTER_A), n_boot=0).accuracy.value == 1.0


def test_an_image_without_a_rating_makes_its_pairs_unusable_and_no_mid_scale_guess():
    predictions = [rated("p0", None), rated("p1", 5.0), rated("p2", 1.0)]
    found = comparison_from_ratings(predictions, [*both("p0", "p1", BETTER_B), *both("p1", "p2", BETTER_A)], n_boot=0)
    assert found.unusable == 2
    assert found.accuracy.value == pytest.approx(1 / 2)


def test_ratings_of_two_looks_and_pairs_of_images_nobody_judged_are_refused():
    with pytest.raises(DataError, match="one look"):
        comparison_from_ratings([rated("p0", 1.0), rated("p0", 1.0, look="never")], [])
    with pytest.raises(DataError, match="nobody judged 'p1'"):
        comparison_from_ratings([rated("p0", 1.0)], both("p0", "p1", ALIKE))


def test_a_killed_run_goes_on_behind_what_is_there_to_the_same_result(tmp_path: Path):
    data = build(tmp_path)
    expected = compare(settings(data, out=str(tmp_path / "whole")), policy=ScriptedPolicy(truthful))

    def dies(conversation: Conversation) -> Reply:
        if conversation.key == "p4|p5":
            raise KeyboardInterrupt
        return Reply(truthful(conversation))

    with pytest.raises(KeyboardInterrupt):
        compare(settings(data), policy=ScriptedPolicy(dies))
    path = tmp_path / "eval" / "comparisons.jsonl"
    kept = path.read_text().splitlines(keepends=True)
    assert len(kept) == 5
    # A kill in the middle of a write leaves half of a line.
    path.write_text("".join(kept[:-1]) + kept[-1][:60])
    again, seen = ScriptedPolicy(truthful), list[tuple[int, int]]()
    found = compare(settings(data, resume=True), policy=again, progress=lambda done, total: seen.append((done, total)))
    asked_again = {conversation.key for call in again.seen for conversation in call}
    assert len(asked_again) == 12 and "p0|p1" not in asked_again
    assert seen == [(9, 16), (14, 16), (16, 16)]
    assert len(read_played(path)) == 16
    assert json.dumps(found.to_json()["comparison"]) == json.dumps(expected.to_json()["comparison"])


def test_a_complete_run_is_summed_up_again_without_an_agent_and_another_is_refused(tmp_path: Path):
    data, agent = build(tmp_path), ScriptedPolicy(truthful)
    compare(settings(data), policy=agent)
    calls = agent.calls
    compare(settings(data, resume=True), policy=agent)
    assert agent.calls == calls
    with pytest.raises(ConfigError, match="resume=true"):
        compare(settings(data), policy=agent)
    (data / "pairs-test.jsonl").write_text((data / "pairs-test.jsonl").read_text().replace(ALIKE, BETTER_A))
    with pytest.raises(ConfigError, match="data have changed"):
        compare(settings(data, resume=True), policy=agent)


def test_the_chunk_does_not_change_the_result_and_a_limit_takes_the_first(tmp_path: Path):
    data = build(tmp_path)
    made = [
        compare(settings(data, chunk=chunk, out=str(tmp_path / str(chunk))), policy=ScriptedPolicy(truthful))
        for chunk in (1, 100)
    ]
    assert json.dumps(made[0].to_json()["comparison"]) == json.dumps(made[1].to_json()["comparison"])
    few = compare(settings(data, limit=3, out=str(tmp_path / "few")), policy=ScriptedPolicy(truthful))
    assert few.comparison.n == 3


def test_the_agent_sees_a_before_b_and_the_reference_where_the_protocol_shows_it(tmp_path: Path):
    data = build(tmp_path)
    row = {"image_a": "p1", "image_b": "p0", "choice": BETTER_A, "dataset": "tiny", "reference": "p7"}
    write_jsonl(data / "pairs-test.jsonl", [row])
    pixels = {name: Image.open(data / f"images/{name}.png").tobytes() for name in RATINGS}
    plain, with_reference = ScriptedPolicy(lambda _: answer(BETTER_A)), ScriptedPolicy(lambda _: answer(BETTER_A))
    compare(settings(data), policy=plain)
    shown = [image.tobytes() for image in plain.seen[0][0].user_turns[0].images]
    assert shown == [pixels["p1"], pixels["p0"]]
    compare(settings(data, protocol="compare-reference", out=str(tmp_path / "ref")), policy=with_reference)
    shown = [image.tobytes() for image in with_reference.seen[0][0].user_turns[0].images]
    assert shown == [pixels["p7"], pixels["p1"], pixels["p0"]]
    (kept,) = read_played(tmp_path / "ref" / "comparisons.jsonl")
    assert kept.match.reference == "images/p7.png"


def test_a_reference_that_both_images_name_is_shown_where_the_pair_names_none(tmp_path: Path):
    data, agent = build(tmp_path), ScriptedPolicy(lambda _: answer(BETTER_A))
    rows = [json.loads(line) for line in (data / "test.jsonl").read_text().splitlines()]
    named = {"p0": "images/p7.png", "p1": "images/p7.png", "p2": "images/p6.png"}
    write_jsonl(data / "test.jsonl", [{**row, "reference": named.get(row["id"])} for row in rows])
    write_jsonl(data / "pairs-test.jsonl", [Pair("p0", "p1", BETTER_B, "tiny").to_json()])
    compare(settings(data, protocol="compare-reference"), policy=agent)
    shown = [image.tobytes() for image in agent.seen[0][0].user_turns[0].images]
    assert shown == [Image.open(data / f"images/{name}.png").tobytes() for name in ("p7", "p0", "p1")]
    write_jsonl(data / "pairs-test.jsonl", [Pair("p0", "p2", BETTER_B, "tiny").to_json()])
    with pytest.raises(DataError, match="got the reference None"):
        compare(settings(data, protocol="compare-reference", out=str(tmp_path / "other")), policy=agent)


def test_the_summary_on_disk_says_what_was_asked_of_whom(tmp_path: Path):
    data = build(tmp_path)
    compare(settings(data), policy=ScriptedPolicy(truthful))
    written = read_json(tmp_path / "eval" / "summary.json")
    assert (written["protocol"]["protocol"], written["protocol"]["asks"]) == ("compare", ["choice"])
    assert {Path(name).name for name in written["protocol"]["data_sha256"]} == {"test.jsonl", "pairs-test.jsonl"}
    assert "counted as wrong" in written["protocol"]["unusable"]
    assert written["comparison"]["accuracy"] == [1.0, 1.0, 1.0]
    rows = screen_rows(written["comparison"])
    assert rows[0] == ("right, of all answers", "16", "1.000 [1.000, 1.000]")
    assert rows[5][1:] == ("16", ".000 [.000, .000]")


def test_pairs_that_loupe_makes_are_played_as_they_are(tmp_path: Path):
    data = build(tmp_path)
    write_pairs(PairsConfig(data=str(data), split="test", count=10, alike_share=0.0))
    agent = ScriptedPolicy(
        lambda asked: answer(BETTER_A if RATINGS[names(asked)[0]] > RATINGS[names(asked)[1]] else BETTER_B)
    )
    found = compare(settings(data), policy=agent).comparison
    assert (found.n, found.n_both, found.accuracy.value) == (20, 10, 1.0)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"image_a": "p0", "image_b": "nobody", "choice": ALIKE}, "line 2: got image_a 'p0', image_b 'nobody'"),
        ({"image_a": "p0", "image_b": "p0", "choice": ALIKE}, "wanted two images"),
        ({"image_a": "p0", "image_b": "p2", "choice": "A"}, "choice 'A'"),
        ({"image_b": "p2", "choice": ALIKE}, "image_a None"),
        ({"image_a": "p0", "image_b": "p1", "choice": ALIKE}, r"p0\|p1 comes twice"),
    ],
)
def test_a_row_that_is_no_pair_is_refused_before_any_work(tmp_path: Path, row: dict[str, str], words: str):
    data, agent = build(tmp_path), ScriptedPolicy(truthful)
    first = json.loads((data / "pairs-test.jsonl").read_text().splitlines()[0])
    write_jsonl(data / "pairs-test.jsonl", [first, row])
    with pytest.raises(DataError, match=words):
        compare(settings(data), policy=agent)
    assert agent.calls == 0 and not (tmp_path / "eval").exists()


def test_what_cannot_be_compared_is_refused_in_one_line(tmp_path: Path):
    data, agent = build(tmp_path), ScriptedPolicy(truthful)
    with pytest.raises(DataError, match="got the reference None; the protocol shows one"):
        compare(settings(data, protocol="compare-reference"), policy=agent)
    with pytest.raises(ConfigError, match="asks for rating; wanted one that compares"):
        compare(settings(data, protocol="score"), policy=agent)
    with pytest.raises(ConfigError, match="fast and samples"):
        compare(settings(data, samples=4), policy=agent)
    with pytest.raises(ConfigError, match="chunk: got 0"):
        compare(settings(data, chunk=0), policy=agent)
    (data / "pairs-test.jsonl").write_text("")
    with pytest.raises(DataError, match="holds no pairs"):
        compare(settings(data), policy=agent)
    (data / "pairs-test.jsonl").unlink()
    with pytest.raises(MissingFileError, match="loupe data pairs data="):
        compare(settings(data), policy=agent)
    assert agent.calls == 0


def test_images_alone_cannot_be_judged_by_a_protocol_that_compares(tmp_path: Path):
    with pytest.raises(ConfigError, match="take a protocol that asks"):
        evaluate(settings(build(tmp_path)), policy=ScriptedPolicy(truthful))


def test_rows_come_back_as_they_were_and_others_are_named(tmp_path: Path):
    turn = Turn(WHOLE, answer(ALIKE), answer_of(choice=ALIKE), tokens=1, seconds=0.0)
    match = Match(sample("a"), sample("b"), ALIKE, "c.png")
    item = PlayedMatch(match, Episode(match.key, (turn,), StopReason.FINAL))
    assert PlayedMatch.from_json(json.loads(json.dumps(item.to_json()))) == item
    assert item.answered.right
    path = tmp_path / "c.jsonl"
    write_jsonl(path, [item.to_json(), {**item.to_json(), "choice": "Both"}])
    with pytest.raises(DataError, match="row 2 is no comparison"):
        read_played(path)


def test_the_example_of_the_docs_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    page = (Path(__file__).parents[2] / "docs" / "perception.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    write_jsonl(
        tmp_path / "runs/pocket/eval/predictions.jsonl", [rated("p0", 1.0).to_json(), rated("p1", 4.0).to_json()]
    )
    write_jsonl(tmp_path / "data/pocket/pairs-test.jsonl", [pair.to_json() for pair in both("p0", "p1", BETTER_B)])
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert capsys.readouterr().out.startswith("Interval(value=1.0, ")
