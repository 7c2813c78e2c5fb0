import io
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loupe.bench.agent import Agents
from loupe.bench.assess import AssessConfig, assess
from loupe.bench.metric import QualityMetric, create_metric
from loupe.bench.metric_images import picture_of
from loupe.core.answer import answer_of, render
from loupe.core.errors import ConfigError, DataError, ImageError, MissingFileError, ModelError
from loupe.core.policy import Conversation
from loupe.core.records import WHOLE, Degradation
from loupe.data.degrade import degrade
from loupe.data.pristine import dead_leaves
from loupe.zoom.scripted import ScriptedPolicy

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)


def by_brightness(talk: Conversation) -> str:
    mean = float(np.asarray(talk.user_turns[0].images[0]).mean())
    return render(answer_of("", rating=round(1.0 + 4.0 * mean / 255.0, 1), tool="final"))


def scripted(say: Callable[[Conversation], str] = by_brightness, **settings: Any) -> QualityMetric:
    policy = ScriptedPolicy(say)
    return QualityMetric("scripted", AssessConfig(**{"samples": 1, **settings}), agents=Agents(policy, policy))


def test_a_metric_says_what_it_is():
    metric = create_metric()
    assert (metric.metric_name, metric.lower_better, metric.score_range) == ("loupe-pocket", False, (1.0, 5.0))
    assert (metric.config.model, metric.config.samples) == ("pocket-agent", 1)


def test_one_picture_has_one_rating_in_whatever_form_it_comes(tmp_path: Path):
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path)
    tensor = np.moveaxis(PIXELS, -1, 0) / np.float32(255.0)
    forms = [
        path,
        str(path),
        Image.open(path),
        Image.fromarray(PIXELS),
        PIXELS,
        PIXELS.astype(np.int64),
        PIXELS / 255.0,
    ]
    forms += [np.moveaxis(PIXELS, -1, 0), tensor, tensor.astype(np.float64)]
    metric = scripted()
    ratings = [metric(form) for form in forms]
    assert len(set(ratings)) == 1 and isinstance(ratings[0], float)
    assert [picture_of(form).tobytes() for form in forms] == [PIXELS.tobytes()] * len(forms)


def test_a_batch_or_a_list_has_an_array_of_ratings(tmp_path: Path):
    metric = scripted()
    dark, bright = np.zeros((3, 16, 16)), np.ones((3, 16, 16))
    assert metric(np.stack([dark, bright, dark])).tolist() == [1.0, 5.0, 1.0]
    assert metric(np.stack([dark])).tolist() == [1.0]
    assert metric(np.moveaxis(np.stack([dark, bright]), 1, -1)).tolist() == [1.0, 5.0]
    paths = [tmp_path / f"{value}.png" for value in (0, 255)]
    for path in paths:
        Image.new("RGB", (16, 16), (int(path.stem),) * 3).save(path)
    assert metric(paths).tolist() == metric(tuple(map(str, paths))).tolist() == [1.0, 5.0]
    # Different sizes and forms in one list.
    assert metric([paths[0], Image.new("RGB", (30, 9), "white"), np.zeros((10, 12))]).tolist() == [1.0, 5.0, 1.0]
    assert metric([]).shape == (0,)


def test_grey_pictures_are_pictures():
    grey = PIXELS[..., 0]
    expected = np.stack([grey] * 3, axis=-1).tobytes()
    for form in (grey, grey[..., None], grey[None], grey / 255.0, Image.fromarray(grey)):
        assert picture_of(form).tobytes() == expected


def test_a_pillow_image_is_seen_as_its_file_is(tmp_path: Path):
    for mode in ("RGBA", "P", "CMYK", "L", "I;16"):
        image = Image.fromarray(PIXELS).convert("L" if mode == "I;16" else mode)
        if mode == "I;16":
            image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
        path = tmp_path / f"{mode.replace(';', '')}.{'jpg' if mode == 'CMYK' else 'png'}"
        image.save(path)
        with Image.open(path) as opened:
            assert picture_of(opened).tobytes() == picture_of(path).tobytes(), mode
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(tmp_path / "turned.jpg", exif=exif)
    with Image.open(tmp_path / "turned.jpg") as opened:
        assert picture_of(opened).size == (24, 40)
        assert opened.size == (40, 24)


def test_torch_tensors_are_taken_wherever_they_come_from():
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(np.moveaxis(PIXELS, -1, 0).copy()) / 255.0
    metric = scripted()
    expected = metric(PIXELS)
    assert metric(tensor) == metric(tensor.requires_grad_()) == metric(tensor.detach().double()) == expected
    assert metric(tensor[None]).tolist() == [expected]
    assert metric(tensor.detach().bfloat16()) == pytest.approx(expected, abs=0.11)
    assert metric([tensor, tensor]).tolist() == [expected] * 2


def test_a_tensor_that_is_no_array_is_refused_in_one_line():
    torch = pytest.importorskip("torch")
    with pytest.raises(DataError, match="Tensor that makes no regular array"):
        scripted()(torch.zeros(3, 16, 16).to_sparse())


def test_two_threads_never_ask_the_model_at_once():
    inside, most = 0, 0

    def slow(talk: Conversation) -> str:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.01)
        inside -= 1
        return by_brightness(talk)

    metric, found = scripted(slow), dict[int, list[float]]()
    pictures = [np.full((16, 16), grey, dtype=np.uint8) for grey in range(0, 250, 50)]

    def rate(number: int) -> None:
        found[number] = [metric(picture) for picture in pictures]  # type: ignore[misc]

    threads = [Thread(target=rate, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert found[0] == found[1] == found[2] == [metric(picture) for picture in pictures]


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (PIXELS * 1.0, "floating numbers from .00 to 255.00; wanted 0..1"),
        (PIXELS / 255.0 - 0.5, "undo a normalisation"),
        (np.full((16, 16), np.nan), "NaN or infinite"),
        (np.where(np.eye(16) > 0, np.inf, 0.5), "NaN or infinite"),
        (np.full((16, 16), 300), "integers from 300 to 300; wanted 0..255"),
        (np.zeros((16, 16), dtype=bool), "numbers of type bool"),
        (np.zeros((16, 16), dtype=complex), "numbers of type complex"),
        (np.zeros((4, 16, 16)), r"shape \(4, 16, 16\)"),
        (np.zeros((5, 5, 3)), "at least 8 px a side"),
        (np.zeros(100), r"shape \(100,\)"),
        (np.zeros((2, 2, 3, 16, 16)), r"shape \(2, 2, 3, 16, 16\)"),
        (np.zeros((0, 16, 3)), r"shape \(0, 16, 3\)"),
        ([np.zeros((16, 16)), np.zeros((2, 16))], "image 1: got an array"),
        ([1.0, 2.0], "got numbers for images"),
        (3.5, "got float; wanted a path"),
        (None, "got NoneType; wanted a path"),
        ([[[1, 2], [3]]], "no regular array"),
        ({"bytes": None, "path": None}, "without bytes or a path"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(image: Any, words: str):
    with pytest.raises(DataError, match=words) as raised:
        scripted()(image)
    assert "\n" not in str(raised.value)


def test_crumbs_of_a_resize_are_cut_off():
    assert picture_of(np.full((16, 16), 1.0 + 5e-4)).getpixel((0, 0)) == (255, 255, 255)
    assert picture_of(np.full((16, 16), -5e-4)).getpixel((0, 0)) == (0, 0, 0)


def test_bad_files_are_named(tmp_path: Path):
    (tmp_path / "bad.png").write_text("no picture")
    with pytest.raises(ImageError, match=r"bad\.png"):
        scripted()(tmp_path / "bad.png")
    with pytest.raises(MissingFileError, match=r"gone\.png"):
        scripted()(str(tmp_path / "gone.png"))
    torn = io.BytesIO()
    Image.fromarray(PIXELS).save(torn, format="PNG")
    with pytest.raises(ImageError, match="cannot be decoded"):
        scripted()(Image.open(io.BytesIO(torn.getvalue()[:200])))
    with pytest.raises(ImageError, match="at least 8 px"):
        scripted()(Image.new("RGB", (4, 40)))


def test_a_picture_stored_as_bytes_is_opened():
    stored = io.BytesIO()
    Image.fromarray(PIXELS).save(stored, format="PNG")
    metric = scripted()
    assert metric({"bytes": stored.getvalue(), "path": None}) == metric(PIXELS)
    with pytest.raises(ImageError, match="its bytes are no image"):
        metric({"bytes": b"nothing", "path": None})


def test_a_reference_is_not_supported_and_said_so():
    with pytest.raises(ConfigError, match="takes no reference"):
        scripted()(PIXELS, PIXELS)


def test_no_usable_answer_is_nan_and_judge_says_why():
    metric = scripted(lambda talk: "hm")
    assert np.isnan(metric(PIXELS))
    (judgement,) = metric.judge(PIXELS)
    assert judgement.problem == "no usable answer (no complete <answer>…</answer>)"


def test_samples_are_averaged_as_assess_does():
    def say(talk: Conversation) -> str:
        return render(answer_of("", rating=2.0 + int(talk.key.split("#")[1]), tool="final"))

    assert scripted(say)(PIXELS) == 2.0
    assert scripted(say, samples=3)(PIXELS) == 3.0


def test_a_long_list_is_judged_in_batches():
    metric = scripted(batch_size=4)
    assert metric([PIXELS + np.uint8(number) for number in range(10)]).shape == (10,)
    policy = metric._agents().greedy
    assert isinstance(policy, ScriptedPolicy)
    assert [len(call) for call in policy.seen if call] == [4, 4, 2]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sampels": 3}, "no setting 'sampels'; did you mean samples?"),
        ({"device": "cuda"}, "no setting 'device'; known are batch_size"),
        ({"reference": "a.png"}, "no setting 'reference'"),
        ({"calibration": "c.json"}, "no setting 'calibration'"),
        ({"fast": True, "protocol": "NOFAST"}, "has no fast_opening"),
        ({"samples": 0}, "samples: got 0; wanted at least 1"),
        ({"samples": "3"}, "samples: got '3'; wanted a value of type int"),
        ({"zoom": "no"}, "zoom: got 'no'; wanted a value of type bool"),
        ({"protocol": "compare"}, "asks for choice, and a metric is a rating"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], words: str, tmp_path: Path):
    (tmp_path / "slow.yaml").write_text("base: zoom-brief\nfast_opening: ''\n")
    if settings.get("protocol") == "NOFAST":
        settings = {**settings, "protocol": tmp_path / "slow.yaml"}
    with pytest.raises(ConfigError, match=words):
        create_metric(**settings)


def test_a_model_that_is_not_there_is_named_at_once(tmp_path: Path):
    with pytest.raises(ModelError, match="no model 'loupe-poket'"):
        create_metric("loupe-poket")
    with pytest.raises(MissingFileError, match="no protocol 'zom'"):
        create_metric(protocol="zom")


def test_importing_the_metric_loads_no_torch_and_no_data_sets():
    code = "import sys, loupe.bench.metric\nassert not {'torch', 'datasets', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# With the agent that comes with the package.


@pytest.fixture(scope="module")
def pocket() -> QualityMetric:
    return create_metric("loupe-pocket")


def damaged(level: int) -> Image.Image:
    """An image of the kind that the pocket agent learnt, with noise of this severity all over."""
    clean = dead_leaves(5)
    return Image.fromarray(degrade(clean, Degradation("noise", level, WHOLE), seed=1) if level else clean)


def test_the_pocket_metric_is_the_greedy_verdict_of_assess(pocket: QualityMetric, tmp_path: Path):
    path = tmp_path / "a.png"
    damaged(1).save(path)
    (judged,) = assess([path], AssessConfig(samples=1))
    again = pocket(damaged(1))
    assert pocket(path) == again == judged.rating
    assert 1.0 <= float(again) <= 5.0


def test_the_pocket_metric_sees_noise_and_gives_the_same_ratings_in_a_batch(pocket: QualityMetric):
    pictures = [damaged(level) for level in (0, 4)]
    clean, noisy = pocket(pictures)
    assert clean > noisy
    tensors = np.stack([np.moveaxis(np.asarray(item), -1, 0) / np.float32(255.0) for item in pictures])
    assert pocket(tensors) == pytest.approx([clean, noisy], abs=1e-4)


def test_a_pickled_metric_loads_its_own_weights_and_rates_alike(pocket: QualityMetric):
    rating, packed = pocket(damaged(2)), pickle.dumps(pocket)
    assert len(packed) < 50_000
    assert pickle.loads(packed)(damaged(2)) == rating


def test_a_metric_is_the_same_to_a_cache_while_settings_and_files_are(pocket: QualityMetric, tmp_path: Path):
    assert pickle.dumps(pocket) == pickle.dumps(create_metric("loupe-pocket"))
    assert pickle.dumps(pocket) != pickle.dumps(create_metric("loupe-pocket", seed=1))
    (tmp_path / "model.safetensors").write_bytes(b"old")
    before = pickle.dumps(create_metric(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"newer")
    assert pickle.dumps(create_metric(tmp_path)) != before


def test_the_fast_metric_reads_ratings_off_and_sees_noise(pocket: QualityMetric):
    fast = create_metric("loupe-pocket", fast=True)
    clean, noisy = fast([damaged(0), damaged(4)])
    assert 1.0 <= noisy < clean <= 5.0
    assert [episode.stop_reason for episode in fast.judge(damaged(0))[0].samples] == ["read_off"]
