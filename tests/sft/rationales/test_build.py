import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from loupe.core.errors import ConfigError, DataError, ImageError, MissingFileError, ModelError
from loupe.core.files import read_json, read_jsonl, write_jsonl
from loupe.core.model.endpoint import UnansweredError
from loupe.core.protocol import load_protocol
from loupe.data.store import load_rationales, load_samples
from loupe.sft.rationales.build import build_rationales, drawn
from loupe.sft.rationales.config import ConsistencyConfig, PackConfig, RationalesConfig, RelianceConfig
from loupe.sft.rationales.folder import claimed, link_image

Run = Callable[..., RationalesConfig]
Serve = Callable[..., Any]
TRAIN = Path("rationales") / "train.jsonl"


def test_the_truth_writes_a_folder_that_sft_reads(run_of: Run, tmp_path: Path, synthetic_folder: Path):
    steps: list[tuple[int, int]] = []
    manifest = build_rationales(run_of(tmp_path / "out"), progress=lambda done, total: steps.append((done, total)))
    assert steps == [(number, 20) for number in range(1, 21)]
    samples, rationales = load_samples(tmp_path / "out", "train"), load_rationales(tmp_path / "out", "train")
    assert [item.sample_id for item in rationales] == [sample.id for sample in samples]
    assert manifest["counts"]["kept"] == len(samples) == 20 - manifest["counts"]["dropped"]
    assert all((tmp_path / "out" / sample.image).is_file() for sample in samples)
    assert load_samples(tmp_path / "out", "val") == load_samples(synthetic_folder, "val")
    assert manifest["cost"]["total"]["sent"] == 0


def test_held_out_pictures_get_rationales_of_their_own_and_no_picture_is_in_two_splits(run_of: Run, tmp_path: Path):
    build_rationales(run_of(tmp_path / "train"))
    manifest = build_rationales(run_of(tmp_path / "both", splits=["train", "val"]))
    train, held = (load_rationales(tmp_path / "both", split) for split in ("train", "val"))
    assert train == load_rationales(tmp_path / "train", "train")
    assert {item.sample_id for item in held} == {sample.id for sample in load_samples(tmp_path / "both", "val")}
    assert held and not {item.sample_id for item in train} & {item.sample_id for item in held}
    assert manifest["counts"]["kept"] == len(train) + len(held)
    with pytest.raises(ConfigError, match="each once"):
        build_rationales(run_of(tmp_path / "twice", splits=["train", "train"]))


@pytest.mark.parametrize("protocol", ["zoom-iqa", "zoom-brief"])
def test_the_rationales_are_examples_of_their_protocol(protocol: str, run_of: Run, tmp_path: Path):
    from loupe.sft.sources import RationaleSource, load_examples

    build_rationales(run_of(tmp_path / "out", protocol=protocol))
    examples = load_examples(RationaleSource(data=str(tmp_path / "out"), protocol=protocol), "mine")
    rationales = load_rationales(tmp_path / "out", "train")
    assert any(len(item.turns) == 2 for item in rationales)
    # With segments each look is an example of its own.
    looks = sum(len(item.turns) for item in rationales)
    assert len(examples) == (looks if protocol == "zoom-iqa" else len(rationales))


def test_what_became_of_each_picture_adds_up(run_of: Run, tmp_path: Path, serve: Serve):
    manifest = build_rationales(run_of(tmp_path / "out", serve(), pack=PackConfig(balance=1.0)))
    counts, items = manifest["counts"], read_jsonl(tmp_path / "out" / "items.jsonl")
    assert counts["items"] == 20 == counts["kept"] + counts["dropped"] + counts["left out"]
    assert counts["kept"] == len(read_jsonl(tmp_path / "out" / TRAIN)) == sum(map(sum, manifest["cells"].values()))
    assert counts["reliance"]["attempts"] == counts["generate"]["passed"]
    assert counts["consistency"]["attempts"] == counts["reliance"]["passed"]
    assert counts["consistency"]["passed"] == counts["kept"] + counts["left out"]
    failed = sum(counts[name]["attempts"] - counts[name]["passed"] for name in ("generate", "reliance", "consistency"))
    assert failed == sum(len(item["failures"]) for item in items)
    assert failed == sum(sum(reasons.values()) for reasons in manifest["reasons"].values())


def test_cost_is_what_the_server_counted(run_of: Run, tmp_path: Path, serve: Serve):
    server = serve()
    total = build_rationales(run_of(tmp_path / "out", server))["cost"]["total"]
    assert total["answered"] == total["sent"] == server.answered.total() == len(server.answered)
    assert (total["prompt_tokens"], total["completion_tokens"]) == (
        server.tokens["prompt_tokens"],
        server.tokens["completion_tokens"],
    )


def test_faults_and_the_order_of_answers_change_nothing(run_of: Run, tmp_path: Path, serve: Serve, server_module: Any):
    calm, rough = serve(), serve(fault=server_module.sometimes(0.3))
    first = build_rationales(run_of(tmp_path / "calm", calm))
    second = build_rationales(run_of(tmp_path / "rough", rough))
    assert sum(rough.faults.values()) > 10
    assert (tmp_path / "calm" / TRAIN).read_bytes() == (tmp_path / "rough" / TRAIN).read_bytes()
    assert first["counts"] == second["counts"]
    assert first["cost"]["total"]["prompt_tokens"] == second["cost"]["total"]["prompt_tokens"]
    assert second["cost"]["total"]["answered"] == len(rough.answered)


def test_a_finished_run_that_is_resumed_asks_nothing(run_of: Run, tmp_path: Path, serve: Serve):
    server = serve()
    first = build_rationales(run_of(tmp_path / "out", server))
    asked, before = len(server.requests), (tmp_path / "out" / TRAIN).read_bytes()
    again = build_rationales(run_of(tmp_path / "out", server, resume=True))
    assert len(server.requests) == asked
    assert (again["cost"], again["counts"]) == (first["cost"], first["counts"])
    assert (tmp_path / "out" / TRAIN).read_bytes() == before


def test_rows_that_a_kill_tore_off_are_made_again_from_answers_that_are_there(
    run_of: Run, tmp_path: Path, serve: Serve
):
    server = serve()
    build_rationales(run_of(tmp_path / "out", server))
    asked, before = len(server.requests), (tmp_path / "out" / TRAIN).read_bytes()
    for name in ("generate", "reliance", "consistency"):
        path = tmp_path / "out" / "stages" / f"{name}.jsonl"
        path.write_bytes(path.read_bytes()[: -len(path.read_bytes()) // 2])
    build_rationales(run_of(tmp_path / "out", server, resume=True))
    assert len(server.requests) == asked
    assert (tmp_path / "out" / TRAIN).read_bytes() == before


def test_a_folder_belongs_to_one_run(run_of: Run, tmp_path: Path):
    build_rationales(run_of(tmp_path / "out", limit=3))
    with pytest.raises(ConfigError, match="--resume"):
        build_rationales(run_of(tmp_path / "out", limit=3))
    with pytest.raises(ConfigError, match=r"settings\.limit differ"):
        build_rationales(run_of(tmp_path / "out", limit=4, resume=True))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("x")
    with pytest.raises(ConfigError, match="not made here"):
        build_rationales(run_of(tmp_path / "other", resume=True))


def test_how_patiently_to_ask_may_change_on_the_way(run_of: Run, tmp_path: Path, serve: Serve):
    server = serve(fault=lambda name, number: "500")
    config = run_of(tmp_path / "out", server)
    config.endpoint.max_tries = 2
    with pytest.raises(UnansweredError, match="--resume"):
        build_rationales(config)
    server.fault = lambda name, number: None
    config.endpoint.max_tries, config.endpoint.concurrency, config.resume = 5, 2, True
    manifest = build_rationales(config)
    assert manifest["counts"]["kept"] > 0
    assert manifest["cost"]["generate"]["faults"]["500"] >= 2


def test_items_without_an_answer_are_dropped_where_the_settings_say_so(
    run_of: Run, tmp_path: Path, serve: Serve, server_module: Any, teacher_module: Any
):
    def answer(body: dict[str, Any]) -> str:
        return teacher_module.teach(body, server=server_module)

    bad: set[str] = set()

    def fault(name: str, number: int) -> str | None:
        words = server_module.texts(server.requests[-1])
        if number == 0 and "Sentences" not in words and len(bad) < 2 and "Say OK" not in words:
            bad.add(name)
        return "500" if name in bad else None

    server = serve(answer, fault=fault)
    config = run_of(tmp_path / "out", server, on_failure="drop")
    config.endpoint.concurrency = config.consistency.judge_endpoint.concurrency = 1
    config.endpoint.max_tries = 2
    manifest = build_rationales(config)
    assert manifest["reasons"]["generate"]["no answer"] == 2
    assert manifest["cost"]["total"]["failed"] == 2
    assert manifest["counts"]["dropped"] >= 2


def test_refusals_and_answers_that_are_cut_off_are_data(run_of: Run, tmp_path: Path, serve: Serve, server_module: Any):
    def answer(body: dict[str, Any]) -> str | dict[str, Any]:
        if "Say OK." in server_module.texts(body):
            return "OK"
        if server_module.draws(body).random() < 0.5:
            return {"message": {"role": "assistant", "content": None, "refusal": "No."}}
        return {"message": {"role": "assistant", "content": "<think>Summary: x"}, "finish_reason": "length"}

    with pytest.raises(DataError, match=r"nothing was kept of 20 images \(\d+ times generate: [^\n]*items\.jsonl"):
        build_rationales(run_of(tmp_path / "out", serve(answer)))
    manifest = read_json(tmp_path / "out" / "manifest.json")
    assert manifest["counts"]["dropped"] == 20
    assert set(manifest["reasons"]["generate"]) == {"the teacher refused", "ended by truncated"}
    assert sum(manifest["reasons"]["generate"].values()) == 60
    assert manifest["cost"]["generate"]["refused"] == manifest["reasons"]["generate"]["the teacher refused"]
    assert read_jsonl(tmp_path / "out" / TRAIN) == []


def test_the_opinion_is_told_only_where_the_settings_say_so_and_is_in_nothing_packed(
    run_of: Run, tmp_path: Path, serve: Serve, server_module: Any
):
    told, untold = serve(), serve()
    build_rationales(run_of(tmp_path / "told", told, tell_opinion=True))
    build_rationales(run_of(tmp_path / "untold", untold))
    words = ["\n".join(server_module.texts(body) for body in server.requests) for server in (told, untold)]
    assert ["People rated this picture" in text for text in words] == [True, False]
    assert b"People rated" not in (tmp_path / "told" / TRAIN).read_bytes()


def test_a_rating_far_from_the_label_is_made_again(run_of: Run, tmp_path: Path, serve: Serve):
    manifest = build_rationales(run_of(tmp_path / "out", serve(), rating_tolerance=0.5))
    assert manifest["reasons"]["generate"]["the rating is too far from the label"] > 0
    for item in read_jsonl(tmp_path / "out" / "items.jsonl"):
        if item["state"] == "kept":
            assert abs(item["rating"] - item["label"]) <= 0.5 + 1e-9


def test_both_filters_can_be_left_out(run_of: Run, tmp_path: Path, serve: Serve):
    server = serve()
    config = run_of(
        tmp_path / "out",
        server,
        reliance=RelianceConfig(enabled=False),
        consistency=ConsistencyConfig(enabled=False),
    )
    manifest = build_rationales(config)
    assert manifest["cost"]["reliance"]["sent"] == manifest["cost"]["consistency"]["sent"] == 0
    assert manifest["counts"]["reliance"]["attempts"] == 0
    assert manifest["counts"]["consistency"]["dropped_sentences"] == 0


def test_a_server_that_drops_pictures_ends_the_run_before_the_first_item(
    run_of: Run, tmp_path: Path, serve: Serve, server_module: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(server_module, "usage_of", lambda body, choice: {"prompt_tokens": 9, "completion_tokens": 1})
    server = serve()
    with pytest.raises(ModelError, match="drops pictures"):
        build_rationales(run_of(tmp_path / "out", server))
    assert len(server.requests) == 2


def test_the_key_is_in_no_file(
    run_of: Run, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, server_module: Any
):
    monkeypatch.setenv("TEACHER_KEY", "sk-do-not-keep")
    config = run_of(tmp_path / "out", serve(fault=server_module.sometimes(0.2)), limit=4)
    config.endpoint.key_variable = config.consistency.judge_endpoint.key_variable = "TEACHER_KEY"
    build_rationales(config)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if b"sk-do-not-keep" in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"teacher": "oracle"}, "wanted one of endpoint, truth"),
        ({"teacher": "endpoint"}, "base_url and model"),
        ({"on_failure": "cry"}, "wanted one of stop, drop"),
        ({"attempts": 0}, "attempts=0"),
        ({"reliance": RelianceConfig(min_signs=5)}, "1 to 4 signs"),
        ({"reliance": RelianceConfig(min_rating_gap=0.0)}, "every decision would differ"),
        ({"consistency": ConsistencyConfig(judge="endpoint")}, "base_url and model"),
        ({"pack": PackConfig(balance=-1.0)}, "pack.balance"),
        ({"protocol": "describe"}, "wanted one that asks for the rating"),
        ({"protocol": "compare"}, "wanted one that asks for the rating"),
        ({"protocol": "degradation"}, "wanted one that asks for the rating"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_written(
    fields: dict[str, Any], complaint: str, run_of: Run, tmp_path: Path
):
    with pytest.raises(ConfigError, match=complaint):
        build_rationales(run_of(tmp_path / "out", **fields))
    assert not (tmp_path / "out").exists()


def test_data_that_is_not_there_or_empty_is_refused(run_of: Run, tmp_path: Path):
    with pytest.raises(MissingFileError):
        build_rationales(run_of(tmp_path / "out", data=str(tmp_path / "nowhere")))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text("")
    with pytest.raises(DataError, match="empty"):
        build_rationales(run_of(tmp_path / "out", data=str(tmp_path / "data")))


def test_pictures_are_drawn_by_seed(synthetic_folder: Path):
    samples = load_samples(synthetic_folder, "train")
    assert drawn(samples, limit=0, seed=0) == drawn(samples, limit=99, seed=0) == samples
    few = drawn(samples, limit=5, seed=1)
    assert few == drawn(samples, limit=5, seed=1) != drawn(samples, limit=5, seed=2)
    assert len({sample.id for sample in few}) == 5


def test_the_manifest_holds_thresholds_and_hashes(run_of: Run, tmp_path: Path):
    build_rationales(run_of(tmp_path / "out", limit=3))
    manifest = read_json(tmp_path / "out" / "manifest.json")
    assert manifest["thresholds"]["reliance"]["max_iou"] == 0.5
    assert manifest["fingerprints"]["protocol"] == load_protocol("zoom-iqa").fingerprint
    assert len(manifest["sha256"]["rationales"]["train"]) == 64


def test_a_teacher_that_is_less_sure_without_the_picture_is_seen_by_its_entropy(
    run_of: Run, tmp_path: Path, serve: Serve, server_module: Any
):
    body_text = '<answer>{"bbox_2d": [0, 0, 0, 0], "rating": 3.00, "tool": "final"}</answer>'
    beginning = "<think>Summary: A street. Calm.\nDirections: Light.\nIssues: None.\n"

    def answer(body: dict[str, Any]) -> str | dict[str, Any]:
        seeing = bool(server_module.pictures(body))
        text = f"{beginning if seeing else ''}Decision: Easy.</think>{body_text}"
        # Sure of the decision with the picture, torn between two words without it; the beginning must not count.
        torn, sure = [{"logprob": math.log(0.5)}] * 2, [{"logprob": 0.0}]
        tokens = [
            {"token": letter, "top_logprobs": torn if not seeing or place < len(beginning) else sure}
            for place, letter in enumerate(text)
        ]
        message = {"role": "assistant", "content": text}
        return {"message": message, "logprobs": {"content": tokens}}

    for name, gap in (("low", 0.5), ("high", 0.9)):
        config = run_of(
            tmp_path / name,
            serve(answer),
            limit=3,
            attempts=1,
            consistency=ConsistencyConfig(enabled=False),
            reliance=RelianceConfig(min_entropy_gap=gap),
        )
        config.endpoint.log_probs = True
        if name == "low":
            assert build_rationales(config)["counts"]["kept"] == 3
        else:
            with pytest.raises(DataError, match="3 times reliance: decided the same without the picture"):
                build_rationales(config)
    rows = read_jsonl(tmp_path / "low" / "stages" / "reliance.jsonl")
    assert [row["difference"]["entropy_gap"] for row in rows] == pytest.approx([math.log(2)] * 3, abs=1e-4)
    assert rows[0]["signs"] == {"box": False, "tool": False, "rating": False, "entropy": True}


def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "data"))


def rows_of(folder: Path, split: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]


def test_ids_that_stand_in_two_splits_are_refused_before_any_request(
    run_of: Run, tmp_path: Path, serve: Serve, synthetic_folder: Path
):
    data, server = copied(synthetic_folder, tmp_path), serve()
    for split in ("train", "val"):
        write_jsonl(data / f"{split}.jsonl", [row | {"id": str(n)} for n, row in enumerate(rows_of(data, split)[:3])])
    with pytest.raises(DataError, match="'0', '1', '2' stand in more than one"):
        build_rationales(run_of(tmp_path / "out", server, data=str(data), splits=["train", "val"]))
    assert not server.requests
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("split", ["train", "val"])
def test_pictures_that_are_not_there_or_too_small_are_refused_before_any_request(
    split: str, run_of: Run, tmp_path: Path, serve: Serve, synthetic_folder: Path
):
    data, server = copied(synthetic_folder, tmp_path), serve()
    image = rows_of(data, split)[2]["image"]
    Image.new("RGB", (5, 90)).save(data / image)
    with pytest.raises(ImageError, match=r"5 x 90 px"):
        build_rationales(run_of(tmp_path / "out", server, data=str(data)))
    (data / image).unlink()
    with pytest.raises(DataError, match=f"{image}.* not there"):
        build_rationales(run_of(tmp_path / "out", server, data=str(data)))
    assert not server.requests
    assert not (tmp_path / "out").exists()


def test_pictures_that_are_too_small_to_be_measured_are_refused_before_any_request(
    run_of: Run, tmp_path: Path, serve: Serve, synthetic_folder: Path
):
    data, server = copied(synthetic_folder, tmp_path), serve()
    Image.new("RGB", (20, 90)).save(data / rows_of(data, "train")[2]["image"])
    with pytest.raises(ImageError, match="20 x 90 px; wanted at least 24"):
        build_rationales(run_of(tmp_path / "out", server, data=str(data)))
    assert not server.requests


def test_a_picture_that_cannot_be_decoded_costs_its_item_alone_where_the_settings_say_so(
    run_of: Run, tmp_path: Path, serve: Serve, synthetic_folder: Path
):
    data = copied(synthetic_folder, tmp_path)
    path = data / rows_of(data, "train")[4]["image"]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match="cannot be decoded"):
        build_rationales(run_of(tmp_path / "out", serve(), data=str(data)))
    manifest = build_rationales(run_of(tmp_path / "out", serve(), data=str(data), resume=True, on_failure="drop"))
    assert manifest["reasons"]["generate"]["the picture cannot be opened"] == 1
    assert manifest["counts"]["kept"] >= 15


@pytest.mark.parametrize("status", [400, 413])
def test_one_request_that_is_not_accepted_costs_its_item_alone_where_the_settings_say_so(
    status: int, run_of: Run, tmp_path: Path, serve: Serve
):
    bad: list[str] = []

    def fault(name: str, number: int) -> dict[str, Any] | None:
        if len(server.requests) == 12:
            bad.append(name)
        return {"status": status, "body": {"error": {"message": "too long"}}} if name in bad else None

    server = serve(fault=fault)
    config = run_of(tmp_path / "out", server, on_failure="drop")
    config.endpoint.concurrency = config.consistency.judge_endpoint.concurrency = 1
    manifest = build_rationales(config)
    assert sum(reasons.get("a request was not accepted", 0) for reasons in manifest["reasons"].values()) == 1
    assert manifest["counts"]["kept"] >= 15
    again = build_rationales(run_of(tmp_path / "out", server, on_failure="drop", resume=True))
    assert again["counts"] == manifest["counts"]


def test_a_server_that_accepts_nothing_ends_the_run_soon(run_of: Run, tmp_path: Path, serve: Serve, server_module: Any):
    def fault(name: str, number: int) -> dict[str, Any] | None:
        judged = "Sentences" in server_module.texts(server.requests[-1])
        return {"status": 400, "body": {"error": {"message": "no such field"}}} if judged else None

    server = serve(fault=fault)
    config = run_of(tmp_path / "out", server, on_failure="drop")
    config.endpoint.concurrency = config.consistency.judge_endpoint.concurrency = 1
    with pytest.raises(ModelError, match="refused another request"):
        build_rationales(config)
    assert server.faults["400"] == 3


def test_a_request_without_an_answer_is_counted_in_its_stage(
    run_of: Run, tmp_path: Path, serve: Serve, server_module: Any
):
    def fault(name: str, number: int) -> str | None:
        return "500" if "Go on from where it stops" in server_module.texts(server.requests[-1]) else None

    server = serve(fault=fault)
    config = run_of(tmp_path / "out", server, on_failure="drop", limit=3)
    config.endpoint.concurrency = config.consistency.judge_endpoint.concurrency = config.endpoint.max_tries = 1
    with pytest.raises(DataError, match="nothing was kept of 3"):
        build_rationales(config)
    reasons = read_json(tmp_path / "out" / "manifest.json")["reasons"]
    assert reasons["reliance"] == {"no answer": 3}
    assert "no answer" not in reasons["generate"]


def test_whether_the_server_sees_is_asked_by_each_process(
    run_of: Run, tmp_path: Path, serve: Serve, server_module: Any, monkeypatch: pytest.MonkeyPatch
):
    seeing = server_module.usage_of

    def blind(body: dict[str, Any], choice: dict[str, Any]) -> dict[str, int]:
        return {"prompt_tokens": 9, "completion_tokens": 1}

    server = serve()
    monkeypatch.setattr(server_module, "usage_of", blind)
    with pytest.raises(ModelError, match="drops pictures"):
        build_rationales(run_of(tmp_path / "out", server))
    monkeypatch.setattr(server_module, "usage_of", seeing)
    server.fault = lambda name, number: "500" if len(server.requests) > 12 else None
    config = run_of(tmp_path / "out", server, resume=True)
    config.endpoint.max_tries = config.consistency.judge_endpoint.max_tries = 1
    with pytest.raises(UnansweredError):
        build_rationales(config)
    monkeypatch.setattr(server_module, "usage_of", blind)
    other = serve()
    config = run_of(tmp_path / "out", other, resume=True)
    with pytest.raises(ModelError, match="drops pictures"):
        build_rationales(config)
    assert len(other.requests) == 2


@pytest.mark.parametrize("mark", ["\ufffc", "\ud83d"])
def test_odd_characters_of_a_teacher_end_no_run(
    mark: str, run_of: Run, tmp_path: Path, serve: Serve, server_module: Any, teacher_module: Any
):
    def answer(body: dict[str, Any]) -> str:
        said = teacher_module.teach(body, server=server_module)
        return said.replace("The colours", f"The{mark} colours").replace("well placed", f"well{mark} placed")

    server = serve(answer)
    assert build_rationales(run_of(tmp_path / "out", server))["counts"]["kept"] > 10
    asked = len(server.requests)
    build_rationales(run_of(tmp_path / "out", server, resume=True))
    assert len(server.requests) == asked


def test_two_processes_cannot_work_in_one_folder(run_of: Run, tmp_path: Path):
    config = run_of(tmp_path / "out", limit=3)
    with claimed(config, fingerprints={}), pytest.raises(ConfigError, match="another process is at work"):
        build_rationales(config)


def test_what_a_kill_left_of_the_settings_is_nobodys(run_of: Run, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".settings.json.0a1b2c3d4e5f.part").write_text("{")
    assert build_rationales(run_of(tmp_path / "out", limit=3, resume=True))["counts"]["items"] == 3


def test_a_picture_is_copied_whole_or_not_at_all_where_links_are_not_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"pixels" * 1000)

    def refuse(*paths: Path) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    with monkeypatch.context() as full:
        full.setattr("os.fsync", refuse)
        with pytest.raises(OSError, match="no links"):
            link_image(tmp_path / "a", tmp_path / "b", "x.png")
    assert not (tmp_path / "b" / "x.png").exists()
    link_image(tmp_path / "a", tmp_path / "b", "x.png")
    assert (tmp_path / "b" / "x.png").read_bytes() == b"pixels" * 1000


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            ("Summary: ", "All is blurred. Summary: "),
            "something stands outside of the sections, or a section comes twice",
        ),
        (("Issues: ", "Summary: All is blurred.\nIssues: "), "something stands outside of the sections"),
        (("Summary: ", "Summary: "), "the answer is too long to be read whole"),
    ],
)
def test_what_no_judge_would_see_is_not_packed(
    change: tuple[str, str],
    reason: str,
    run_of: Run,
    tmp_path: Path,
    serve: Serve,
    server_module: Any,
    teacher_module: Any,
):
    def answer(body: dict[str, Any]) -> str:
        text = teacher_module.teach(body, server=server_module)
        return text.replace(*change) + " " * 100_000 if "too long" in reason else text.replace(*change)

    with pytest.raises(DataError, match=reason):
        build_rationales(run_of(tmp_path / "out", serve(answer), attempts=1, limit=2))
