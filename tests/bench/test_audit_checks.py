"""Each check on predictions that are made up, so that the right figure is known."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from loupe.bench.audit.aim import aim
from loupe.bench.audit.collapse import collapse, entropy, identical, most_frequent, place
from loupe.bench.audit.crossed import crossed, mean_of
from loupe.bench.audit.difficulty import bins, difficulty
from loupe.bench.audit.focus import focus, focus_shares
from loupe.bench.audit.forced_crop import drop, forced_crop
from loupe.bench.audit.material import Material
from loupe.bench.audit.own_crop import own_crop
from loupe.bench.audit.rows import Row, Verdict
from loupe.bench.audit.words import claim_counts, over_chance, words
from loupe.bench.predictions import Prediction
from loupe.core.answer import answer_of
from loupe.core.records import WHOLE, Box, Degradation, Episode, Sample, StopReason, Turn
from loupe.data.degrade import REGIONS

ONE = np.ones((1, 4))
N = 40


def sample(number: int, *, hard: bool = True, region: Box | None = None, clean: bool = False, **more: str) -> Sample:
    level = 1 + number % 5
    damage = Degradation(None, 0, None) if clean else Degradation("blur", level, region or WHOLE)
    rating = 5.0 if clean else 5.0 - 0.8 * level
    plain = {"id": f"s{number}", "image": "x.png", "dataset": "tiny", "split": "test", "ref_id": f"ref{number}"}
    return Sample(**{**plain, **more}, rating=rating, mos=rating, degradation=damage, hard=hard)  # type: ignore[arg-type]


def turn(rating: float, *, name: str | None = "blur", view: Box = WHOLE, think: str = "") -> Turn:
    answer = answer_of(think, rating=rating, distortion_class=name, severity=None)
    return Turn(view, think, answer, tokens=1, seconds=0.1)


def saw(item: Sample, look: str, *turns: Turn) -> Prediction:
    return Prediction(item, look, Episode(item.id, turns, StopReason.FINAL))


def material(understated: dict[str, float] | None = None, **looks: list[list[Prediction]]) -> Material:
    """`looks` are named by look, or by set and look: pristine_forced."""
    played = {(*(["split"] if "_" not in name else []), *name.split("_")): runs for name, runs in looks.items()}
    return Material(played, understated or {}, n_boot=300)  # type: ignore[arg-type]


def named(rows: list[Row], words: str) -> Row:
    return next(row for row in rows if words in row.name)


def values(row: Row) -> dict[str, float]:
    return {figure.words: figure.value.value for figure in row.figures}


def looking(make: Callable[[int], float], *, count: int = N, look: str = "decided") -> list[Prediction]:
    """Zoomed episodes that rate image `number` with `make(number)`."""
    return [saw(sample(n), look, turn(3.0), turn(make(n), view=REGIONS[n % 9])) for n in range(count)]


def label(number: int) -> float:
    return sample(number).rating


def test_an_own_crop_that_sees_more_is_green_and_one_that_sees_less_is_red():
    right, wrong = looking(label), looking(lambda n: 1 + (n * 7) % 5)
    for own, other, verdict in ((right, wrong, Verdict.GREEN), (wrong, right, Verdict.RED)):
        rows = own_crop(material(decided=[own], random=[other] * 5, centre=[other], whole=[other], never=[other]))
        assert {row.verdict for row in rows if "ceiling" not in row.name} == {verdict}
        assert named(rows, "a random crop of equal area, hard").seeds == 5
    assert values(named(own_crop(material(decided=[right], never=[right])), "no zoom, all"))["SRCC"] == 0.0


def test_an_own_crop_that_is_no_better_is_grey_and_the_ceiling_is_not_judged():
    # Both are off by as much, on the same images, in opposite directions.
    up, down = (looking(lambda n, sign=sign: max(label(n), 1.4) + sign * (0.3, -0.3)[n // 5 % 2]) for sign in (1, -1))
    rows = own_crop(material(decided=[up], random=[down] * 2, truth=[looking(label)]))
    assert named(rows, "a random crop of equal area, all").verdict is Verdict.GREY
    ceiling = named(rows, "ceiling), all")
    assert ceiling.verdict is Verdict.NONE
    assert values(ceiling)["rating error saved"] < 0


def test_a_control_that_was_not_played_is_grey_and_has_no_figure():
    row = named(own_crop(material(decided=[looking(label)])), "the centre, of equal area, all")
    assert row.verdict is Verdict.GREY
    assert all(math.isnan(value) for value in values(row).values())


def test_seeds_widen_an_interval_over_the_same_images():
    groups = [str(n) for n in range(30)]
    # The same level for every image: all spread comes from the seeds.
    apart = crossed([mean_of([level] * 30) for level in (0.0, 0.5, 1.0)], groups, n_boot=500, seed=0)
    alike = crossed([mean_of([0.5] * 30)] * 3, groups, n_boot=500, seed=0)
    assert apart.value == alike.value == pytest.approx(0.5)
    assert (apart.low, apart.high) == pytest.approx((0.0, 1.0), abs=0.17)
    assert alike.high - alike.low < 1e-9


def test_images_of_one_pristine_image_are_drawn_together():
    numbers = [0.0, 0.0, 1.0, 1.0] * 10
    apart = crossed([mean_of(numbers)], [str(n) for n in range(40)], n_boot=500, seed=0)
    together = crossed([mean_of(numbers)], [str(n // 2) for n in range(40)], n_boot=500, seed=0)
    assert together.high - together.low > 1.2 * (apart.high - apart.low)


def test_a_mean_leaves_out_what_is_not_known_and_is_nothing_without_any():
    assert mean_of([1.0, math.nan, 3.0, math.nan])(ONE)[0] == pytest.approx(2.0)
    assert math.isnan(mean_of([math.nan] * 4)(ONE)[0])


def test_a_forced_crop_that_lowers_the_rating_of_undamaged_images_is_red():
    clean = [sample(n, clean=True, hard=False) for n in range(N)]
    never = [saw(item, "never", turn(4.8, name=None)) for item in clean]
    harmed = [saw(item, "forced", turn(4.8, name=None), turn(4.3, view=REGIONS[0])) for item in clean]
    kept = [saw(item, "forced", turn(4.8, name=None), turn(4.8, name=None, view=REGIONS[0])) for item in clean]
    bad = material(pristine_never=[never], pristine_forced=[harmed] * 5)
    row = forced_crop(bad)[0]
    assert row.verdict is Verdict.RED
    assert values(row) == pytest.approx({"rating": -0.5, "called damaged": 1.0})
    assert drop(bad).value == pytest.approx(0.5)
    assert forced_crop(material(pristine_never=[never], pristine_forced=[kept] * 5))[0].verdict is Verdict.GREEN
    assert forced_crop(material(pristine_never=[never[:9]], pristine_forced=[harmed[:9]]))[0].verdict is Verdict.GREY


def blurred(shallow: tuple[float, str | None], real: tuple[float, str | None]) -> Material:
    """What an agent says of shallow focus and real blur, as (rating, class); 4.8 and none untouched."""
    clean = [sample(n, clean=True, hard=False) for n in range(N)]
    made = [
        saw(
            sample(n, clean=True, id=f"s{n}~{kind}{level}", dataset=kind, split="shallow"),
            "decided",
            turn(said[0], name=said[1]),
        )
        for n in range(N)
        for level in (2, 4)
        for kind, said in (("shallow", shallow), ("whole", real), ("subject", real))
    ]
    untouched = [saw(item, "decided", turn(4.8, name=None)) for item in clean]
    return material(pristine_decided=[untouched], shallow_decided=[made])


def test_an_agent_that_reads_shallow_focus_as_blur_is_red_and_one_that_does_not_is_green():
    fooled = blurred((3.0, "blur"), (3.0, "blur"))
    first, whole, subject = focus(fooled)
    assert (first.n, first.verdict) == (N, Verdict.RED)
    assert values(first) == pytest.approx({"called blur": 1.0, "rating drop": 1.8})
    assert (whole.verdict, subject.verdict) == (Verdict.GREY, Verdict.GREY)
    wise = blurred((4.8, None), (3.0, "blur"))
    assert [row.verdict for row in focus(wise)] == [Verdict.GREEN] * 3
    assert focus_shares(wise)["whole"]["rating_drop"][0] == pytest.approx(1.8)
    assert focus_shares(wise)["untouched"]["called_blur"][0] == 0.0


def test_an_agent_that_likes_real_blur_better_than_shallow_focus_is_red():
    assert [row.verdict for row in focus(blurred((2.0, "blur"), (4.0, None)))] == [Verdict.RED] * 3


def test_the_place_of_a_box_is_that_of_its_centre():
    assert [place(region) for region in REGIONS] == list(range(9))
    assert place(WHOLE) == 4
    assert place((0.9, 0.9, 1.0, 1.0)) == 8


def test_entropy_is_one_for_all_places_alike_and_a_third_for_two():
    assert entropy(REGIONS)(np.ones((1, 9)))[0] == pytest.approx(1.0)
    assert entropy([REGIONS[0]] * 4)(ONE)[0] == pytest.approx(0.0)
    assert entropy([REGIONS[0], REGIONS[8]] * 2)(ONE)[0] == pytest.approx(math.log(2) / math.log(9))
    assert entropy([REGIONS[0], REGIONS[8]] * 2)(np.array([[1.0, 0.0, 3.0, 0.0]]))[0] == pytest.approx(0.0)


def test_identical_boxes_are_counted_over_pairs_of_images():
    a, b = REGIONS[0], REGIONS[8]
    # Three of a make three of the six pairs.
    assert identical([a, a, a, b])(ONE)[0] == pytest.approx(0.5)
    assert identical([a, b])(np.array([[2.0, 2.0]]))[0] == 0.0
    assert math.isnan(identical([a])(np.ones((1, 1)))[0])
    assert most_frequent([a, a, a, b])(ONE)[0] == pytest.approx(0.75)


def test_one_box_for_all_images_is_a_collapse_and_boxes_that_follow_the_image_are_not():
    items = [sample(n, region=REGIONS[n % 9]) for n in range(N)]
    stuck = [saw(item, "decided", turn(3.0), turn(3.0, view=REGIONS[4])) for item in items]
    follows = [saw(item, "decided", turn(3.0), turn(3.0, view=REGIONS[n % 9])) for n, item in enumerate(items)]
    bad, truth = collapse(material(decided=[stuck]))
    assert bad.verdict is Verdict.RED
    assert values(bad) == pytest.approx({"entropy of places": 0.0, "identical pairs": 1.0, "most frequent box": 1.0})
    assert truth.verdict is Verdict.NONE
    assert values(truth)["entropy of places"] > 0.99
    assert collapse(material(decided=[follows]))[0].verdict is Verdict.GREEN


def test_boxes_in_one_place_are_no_collapse_where_the_damage_keeps_to_it():
    items = [sample(n, region=REGIONS[4]) for n in range(N)]
    right = [saw(item, "decided", turn(3.0), turn(3.0, view=REGIONS[4])) for item in items]
    first, truth = collapse(material(decided=[right]))
    assert first.verdict is truth.verdict is Verdict.NONE
    assert values(first) == values(truth)


def test_zooming_that_follows_difficulty_is_green_and_zooming_that_shuns_it_is_red():
    def agent(zooms: Callable[[bool], bool]) -> list[Prediction]:
        items = [sample(n, hard=n % 2 == 0) for n in range(N)]
        return [
            saw(item, "decided", turn(3.0), *([turn(3.0, view=REGIONS[0])] if zooms(item.hard is True) else []))
            for item in items
        ]

    hidden = {f"s{n}": 0.75 if n % 2 == 0 else 0.05 for n in range(N)}
    wise = material(hidden, decided=[agent(lambda hard: hard)])
    assert [row.verdict for row in difficulty(wise)] == [Verdict.GREEN] * 3
    assert values(difficulty(wise)[0]) == pytest.approx({"hard less easy": 1.0, "SRCC with what the overview hides": 1})
    assert [(item["n"], item["zoom_rate"][0]) for item in bins(wise)] == [(20, 0.0), (20, 1.0)]  # type: ignore[index]
    odd = material(hidden, decided=[agent(lambda hard: not hard)])
    assert [row.verdict for row in difficulty(odd)] == [Verdict.RED] * 3
    always = difficulty(material(hidden, decided=[agent(lambda hard: True)]))
    assert [row.verdict for row in always] == [Verdict.GREY, Verdict.GREEN, Verdict.RED]


def test_images_whose_difficulty_nobody_measured_leave_it_grey():
    items = [sample(n, hard=None) for n in range(N)]  # type: ignore[arg-type]
    rows = difficulty(material(decided=[[saw(item, "decided", turn(3.0)) for item in items]]))
    assert [(row.n, row.verdict) for row in rows] == [(0, Verdict.GREY)] * 3
    assert bins(material(decided=[[saw(item, "decided", turn(3.0)) for item in items]])) == []


def test_words_that_follow_the_numbers_are_green_and_a_phrase_that_never_changes_is_not():
    def agent(think: Callable[[float], str]) -> list[Prediction]:
        moves = [(-1.0, 1.0, 0.0)[n % 3] for n in range(N)]
        return [
            saw(sample(n), "decided", turn(3.0), turn(3.0 + move, view=REGIONS[0], think=think(move)))
            for n, move in enumerate(moves)
        ]

    def honest(move: float) -> str:
        return {-1.0: "It is worse.", 1.0: "It is better.", 0.0: "That confirms my first view."}[move]

    row = words(material(decided=[agent(honest)]))[0]
    assert (row.n, row.verdict) == (N, Verdict.GREEN)
    assert values(row)["agreement"] == 1.0
    assert values(row)["agreement over chance"] == pytest.approx(2 / 3, abs=0.01)
    stuck = words(material(decided=[agent(lambda move: "It is better.")]))[0]
    assert stuck.verdict is not Verdict.GREEN
    assert values(stuck)["agreement over chance"] == pytest.approx(0.0)
    liar = material(decided=[agent(lambda move: honest(-move) if move else "It is worse.")])
    assert words(liar)[0].verdict is Verdict.RED
    assert claim_counts(liar)["better"] == {"fell": 14, "stayed": 0, "rose": 0}
    assert words(material(decided=[agent(lambda move: "I see.")]))[0].n == 0


def test_chance_is_what_texts_dealt_out_anew_would_reach():
    from itertools import permutations

    from loupe.bench.audit.claims import Claim, agrees

    pairs = [(Claim.WORSE, -1.0), (Claim.WORSE, 0.5), (Claim.SAME, 0.1), (Claim.BETTER, -0.2)]
    claims, changes = zip(*pairs, strict=True)
    shares = [
        sum(agrees(a, b, slack=0.25) for a, b in zip(claims, deal, strict=True)) / 4 for deal in permutations(changes)
    ]
    expected = 2 / 4 - sum(shares) / len(shares)
    assert over_chance([*pairs, None])(np.ones((1, 5)))[0] == pytest.approx(expected)


def test_a_crop_that_hits_beats_random_ones_and_one_that_misses_is_red():
    items = [sample(n, region=REGIONS[0]) for n in range(N)]
    hits, misses = ([saw(item, "decided", turn(3.0), turn(3.0, view=REGIONS[at])) for item in items] for at in (0, 8))
    random = [
        [saw(item, "random", turn(3.0), turn(3.0, view=REGIONS[(n + k) % 9])) for n, item in enumerate(items)]
        for k in range(5)
    ]
    gain, plain = aim(material(decided=[hits], random=random))
    assert (gain.n, gain.seeds, gain.verdict) == (N, 5, Verdict.GREEN)
    assert values(plain)["own crop"] == pytest.approx(1.0)
    assert aim(material(decided=[misses], random=random))[0].verdict is Verdict.RED
    easy = [saw(sample(n, hard=False, region=REGIONS[0]), "decided", turn(3.0)) for n in range(N)]
    assert aim(material(decided=[easy], random=[easy]))[0].n == 0
