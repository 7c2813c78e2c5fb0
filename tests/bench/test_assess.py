import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.bench.assess import Agents, AssessConfig, Judgement, assess, result_row
from loupe.bench.assess_page import write_assess_page
from loupe.bench.pictures import find_images
from loupe.core.answer import answer_of, render
from loupe.core.errors import ConfigError, MissingFileError
from loupe.core.policy import Conversation, Reply
from loupe.zoom.scripted import ScriptedPolicy

CORNER = (0.0, 0.0, 0.5, 0.5)
EVIL = "<script>alert(1)</script>"


def picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (80, 120, 3), dtype=np.uint8)).save(path)
    return path


def says(rating: float, think: str = "") -> str:
    answer = answer_of(think, distortion_class="noise", severity="slight", bbox_2d=CORNER, rating=rating, tool="final")
    return render(answer)


def agents(greedy: float = 2.0, drawn: tuple[float, ...] = (3.0, 4.0, 3.0)) -> Agents:
    """The greedy one crops first; the drawn ones rate at once, each sample number its own rating."""

    def look(conversation: Conversation) -> Reply:
        if conversation.replies or "No crop" in conversation.user_turns[0].text:
            return Reply(says(greedy, EVIL))
        return Reply(render(answer_of("hm", bbox_2d=CORNER, rating=3.0, tool="crop")))

    def draw(conversation: Conversation) -> Reply:
        return Reply(says(drawn[int(conversation.key.split("#")[1]) - 1]))

    return Agents(ScriptedPolicy(look), ScriptedPolicy(draw))


def test_the_rating_is_the_mean_and_the_words_are_those_of_the_greedy_sample(tmp_path: Path):
    (found,) = assess([picture(tmp_path / "a.png")], AssessConfig(), agents=agents())
    assert found.rating == pytest.approx(3.0)
    # Ratings 2, 3, 4, 3: squares 1, 0, 1, 0 over three.
    assert found.spread == pytest.approx(math.sqrt(2 / 3))
    assert (found.distortion_class, found.severity, found.problem) == ("noise", "slight", None)
    assert found.looked_at == (CORNER,)
    assert len(found.samples) == 4


def test_one_sample_is_the_greedy_one_and_has_no_spread(tmp_path: Path):
    (found,) = assess([picture(tmp_path / "a.png")], AssessConfig(samples=1), agents=agents())
    assert (found.rating, found.spread) == (2.0, None)


def test_without_zoom_nothing_is_looked_at(tmp_path: Path):
    (found,) = assess([picture(tmp_path / "a.png")], AssessConfig(zoom=False), agents=agents())
    assert found.looked_at == ()


def test_bad_pictures_have_a_reason_and_the_others_go_on(tmp_path: Path):
    good, copy = picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture")
    torn = tmp_path / "torn.png"
    torn.write_bytes(good.read_bytes()[:200])
    paths = [tmp_path / "empty.jpg", good, tmp_path / "text.png", torn, tmp_path / "gone.jpg", copy]
    found = list(assess(paths, AssessConfig(), agents=agents()))
    assert [item.image for item in found] == [str(path) for path in paths]
    assert [item.rating is None for item in found] == [True, False, True, True, True, False]
    for item in found:
        assert (item.problem is None) == (item.rating is not None)
        assert item.problem is None or "\n" not in item.problem
    assert found[4].problem == "no such file; check the path"


def test_a_picture_that_no_sample_rates_is_no_verdict(tmp_path: Path):
    silent = Agents(ScriptedPolicy(lambda conversation: "hm"), ScriptedPolicy(lambda conversation: "hm"))
    (found,) = assess([picture(tmp_path / "a.png")], AssessConfig(), agents=silent)
    assert found.rating is None
    assert found.problem == "no usable answer (no complete <answer>…</answer>)"


def test_a_usable_sample_stands_in_for_a_greedy_one_that_is_not(tmp_path: Path):
    mixed = Agents(ScriptedPolicy(lambda conversation: "hm"), agents().drawing)
    (found,) = assess([picture(tmp_path / "a.png")], AssessConfig(), agents=mixed)
    assert found.rating == pytest.approx(10 / 3)
    assert found.main is found.samples[1]


def test_the_name_and_the_company_of_a_picture_change_nothing(tmp_path: Path):
    a, again, other = picture(tmp_path / "a.png"), picture(tmp_path / "sub" / "z.png"), picture(tmp_path / "c.png", 1)

    def by_key(conversation: Conversation) -> Reply:
        return Reply(says(1 + int(conversation.key[:2], 16) / 64))

    hashed = Agents(ScriptedPolicy(by_key), ScriptedPolicy(by_key))
    (alone,) = assess([a], AssessConfig(), agents=hashed)
    together = list(assess([other, again, a], AssessConfig(), agents=hashed))
    assert together[1].samples == together[2].samples == alone.samples
    assert together[0].samples != alone.samples


def test_judgements_come_as_soon_as_they_are_made(tmp_path: Path):
    paths = [picture(tmp_path / f"{n}.png", n) for n in range(9)]
    playing = agents()
    stream = assess(paths, AssessConfig(batch_size=8), agents=playing)
    next(stream)
    assert isinstance(playing.greedy, ScriptedPolicy)
    assert len(playing.greedy.seen[0]) == 2
    assert playing.greedy.calls == 2
    assert len(list(stream)) == 8


def test_folders_are_searched_in_order_for_picture_names(tmp_path: Path):
    for name in ("b/2.JPG", "b/1.png", "a.webp", "b/notes.txt", "b/.hidden.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = find_images([tmp_path, tmp_path / "b" / "notes.txt", tmp_path / "a.webp"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a.webp", "b/1.png", "b/2.JPG", "b/notes.txt"]


def test_a_folder_without_pictures_is_refused(tmp_path: Path):
    with pytest.raises(MissingFileError, match="no picture files in this folder"):
        find_images([tmp_path])


def test_no_samples_are_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="got samples 0"):
        list(assess([tmp_path], AssessConfig(samples=0), agents=agents()))


def test_a_row_says_who_judged(tmp_path: Path):
    config = AssessConfig(seed=5)
    (found,) = assess([picture(tmp_path / "a.png")], config, agents=agents())
    row = result_row(found, config)
    assert (row["model"], row["protocol"], row["seed"]) == ("pocket-agent", "zoom-brief", 5)
    assert row["rating"] == pytest.approx(3.0)
    assert len(row["samples"]) == 4


def test_the_page_escapes_what_the_agent_and_the_file_system_say(tmp_path: Path):
    named = picture(tmp_path / "<b>&.png")
    found = [*assess([named], AssessConfig(), agents=agents()), Judgement("<i>.jpg", problem="<u>broken</u>")]
    write_assess_page(found, tmp_path / "page.html", model="pocket-agent")
    text = (tmp_path / "page.html").read_text()
    for evil in (EVIL, "<b>", "<i>", "<u>"):
        assert evil not in text
    assert "&lt;script&gt;" in text
    assert "no judge of real photographs" in text
    assert text.count('src="data:image/png;base64,') == 2


def test_the_page_goes_on_without_a_picture_that_has_gone(tmp_path: Path):
    path = picture(tmp_path / "a.png")
    found = list(assess([path], AssessConfig(), agents=agents()))
    path.unlink()
    write_assess_page(found, tmp_path / "page.html", model="other")
    text = (tmp_path / "page.html").read_text()
    assert "3.00" in text
    assert "Trails of 1 more are left out" in text
