import contextlib
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loupe.core.errors import ConfigError, ModelError
from loupe.core.files import append_jsonl, read_jsonl
from loupe.core.model.endpoint import EndpointPolicy, RejectedError, UnansweredError, retry_after
from loupe.core.model.endpoint_config import EndpointConfig
from loupe.core.model.endpoint_journal import Journal
from loupe.core.model.endpoint_reply import EndpointReply, UnreadableAnswerError, entropy_of, read_reply
from loupe.core.model.threads import in_threads
from loupe.core.policy import PICTURE, Conversation, Reply, UserTurn
from loupe.core.protocol import load_protocol
from loupe.zoom.loop import LoopInput, play

_spec = spec_from_file_location("endpoint_server", Path(__file__).with_name("endpoint_server.py"))
assert _spec is not None and _spec.loader is not None
server_module = module_from_spec(_spec)
_spec.loader.exec_module(server_module)

KEY = "sk-very-secret-123"
Start = Callable[..., Any]


@pytest.fixture
def serve() -> Iterator[Start]:
    """Starts servers, and closes them all."""
    started: list[Any] = []

    def start(answer: Any = lambda body: "hello", **fields: Any) -> Any:
        started.append(server_module.Server(answer, **fields))
        return started[-1]

    yield start
    for server in started:
        server.close()


def policy(server: Any, *, journal: Journal | None = None, **fields: Any) -> EndpointPolicy:
    quick = {"backoff_s": 0.01, "max_backoff_s": 0.05, "timeout_s": 0.7, "key_variable": "", "concurrency": 2}
    return EndpointPolicy(EndpointConfig(base_url=server.url, model="m", **{**quick, **fields}), journal=journal)


def talk(key: str = "a#0", text: str = "How good?", *, images: int = 0, seed: int = 0) -> Conversation:
    rng = np.random.default_rng(seed)
    shown = tuple(Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)) for _ in range(images))
    return Conversation(key, "", [UserTurn(shown, text)], max_new_tokens=50)


def once(what: Any) -> Callable[[str, int], Any]:
    return lambda name, number: what if number == 0 else None


def test_pictures_arrive_pixel_for_pixel_in_the_order_in_which_they_are_shown(serve: Start):
    server = serve()
    asked = talk(text=f"First {PICTURE} then {PICTURE} end.", images=2)
    asked.system = "You judge."
    policy(server).respond([asked], seed=0)
    body = server.requests[0]
    assert body["messages"][0] == {"role": "system", "content": "You judge."}
    assert [part["type"] for part in body["messages"][1]["content"]] == [
        "text",
        "image_url",
        "text",
        "image_url",
        "text",
    ]
    for sent, shown in zip(server_module.pictures(body), asked.user_turns[0].images, strict=True):
        assert np.array_equal(np.asarray(sent), np.asarray(shown))


def test_earlier_replies_stand_between_the_user_turns(serve: Start):
    server = serve()
    asked = talk(text="one")
    asked.replies.append(Reply("first answer"))
    asked.user_turns.append(UserTurn((), "two"))
    policy(server).respond([asked], seed=0)
    said = [(item["role"], item["content"]) for item in server.requests[0]["messages"]]
    assert said == [("user", "one"), ("assistant", "first answer"), ("user", "two")]


def test_a_jpeg_is_sent_where_the_settings_say_so(serve: Start):
    server = serve()
    policy(server, image_format="jpeg", jpeg_quality=90, detail="high").respond([talk(images=1)], seed=0)
    part = server.requests[0]["messages"][0]["content"][0]["image_url"]
    assert part["url"].startswith("data:image/jpeg;base64,")
    assert part["detail"] == "high"


def test_only_what_is_set_is_sent_and_the_smaller_token_limit_wins(serve: Start):
    server = serve()
    policy(server).respond([talk()], seed=0)
    assert set(server.requests[0]) == {"model", "messages", "max_tokens", "seed"}
    assert server.requests[0]["max_tokens"] == 50
    fields = {"max_new_tokens": 20, "max_tokens_field": "max_completion_tokens", "temperature": 0.0, "send_seed": False}
    policy(server, **fields, extra={"top_k": 5}).respond([talk()], seed=0)
    assert set(server.requests[1]) == {"model", "messages", "max_completion_tokens", "temperature", "top_k"}
    assert server.requests[1]["max_completion_tokens"] == 20


@pytest.mark.parametrize("fault", server_module.FAULTS)
def test_a_fault_that_passes_is_overcome_and_counted(fault: str, serve: Start):
    server = serve(fault=once(fault))
    asked = policy(server)
    assert asked.respond([talk()], seed=0)[0].text == "hello"
    cost = asked.journal.cost()
    assert (cost.requests, cost.sent, cost.answered, cost.retried, cost.failed) == (1, 2, 1, 1, 0)
    kinds = {"slow": "timeout", "cut": "connection", "cut json": "unreadable", "reset": "connection"}
    assert cost.faults == {kinds.get(fault, fault): 1}
    assert server.answered.total() == 1
    assert (cost.prompt_tokens, cost.completion_tokens) == (2, 1)


def test_a_server_that_names_a_waiting_time_is_given_it(serve: Start):
    wait = {"status": 429, "body": {"error": {"message": "slow down"}}, "headers": {"Retry-After": "0.4"}}
    server = serve(fault=once(wait))
    begun = time.monotonic()
    policy(server, backoff_s=0.0).respond([talk()], seed=0)
    assert time.monotonic() - begun >= 0.4


def test_a_waiting_time_may_be_a_number_milliseconds_or_a_date():
    assert retry_after({"retry-after": "3"}) == 3.0
    assert retry_after({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 97 < retry_after({"retry-after": later}) <= 100
    assert [retry_after(headers) for headers in ({}, {"retry-after": "soon"}, {"retry-after": "-5"})] == [0.0, 0.0, 0.0]


def test_patience_ends_with_a_line_that_says_what_to_do(serve: Start):
    server = serve(fault=lambda name, number: "500")
    asked = policy(server, max_tries=3)
    with pytest.raises(UnansweredError, match=r"no answer in 3 tries \(last: 500\).*--resume"):
        asked.respond([talk()], seed=0)
    cost = asked.journal.cost()
    assert (cost.sent, cost.answered, cost.failed, cost.faults) == (3, 0, 1, {"500": 3})


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (400, None, "check the settings"),
        (401, "invalid_api_key", "check the key"),
        (403, None, "another key or model"),
        (404, None, "check base_url"),
        (413, None, "jpeg"),
        (429, "insufficient_quota", "add to the account"),
    ],
)
def test_what_no_patience_mends_ends_at_once_and_never_shows_the_key(
    status: int, code: str | None, advice: str, serve: Start, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SOME_KEY", KEY)
    body = {"error": {"message": f"bad request by {KEY}\nsee above", "code": code}}
    server = serve(fault=lambda name, number: {"status": status, "body": body})
    asked = policy(server, key_variable="SOME_KEY")
    with pytest.raises(ModelError) as raised:
        asked.respond([talk()], seed=0)
    assert advice in str(raised.value)
    assert "\n" not in str(raised.value)
    assert KEY not in str(raised.value)
    assert raised.value.__cause__ is None
    assert len(server.requests) == 1
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("before", range(240, 300, 7))
def test_no_part_of_a_key_is_left_where_a_message_is_cut(before: int, serve: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    body = {"error": {"message": "a" * before + KEY}}
    asked = policy(
        serve(fault=lambda name, number: {"status": 401, "body": body}), key_variable="SOME_KEY", concurrency=1
    )
    with pytest.raises(ModelError) as raised:
        asked.respond([talk()], seed=0)
    assert KEY[:4] not in str(raised.value)


def test_one_request_that_is_not_accepted_keeps_no_other_from_being_asked(serve: Start):
    server = serve(fault=lambda name, number: {"status": 413, "body": {}} if len(server.requests) == 2 else None)
    asked = policy(server, concurrency=1)
    asked.ask(talk("a#0"), seed=0)
    with pytest.raises(RejectedError, match="413"):
        asked.ask(talk("b#0"), seed=0)
    assert asked.ask(talk("c#0"), seed=0).text == "hello"


def test_after_three_that_are_not_accepted_and_no_answer_nothing_more_is_asked(serve: Start):
    server = serve(fault=lambda name, number: {"status": 400, "body": {}})
    asked = policy(server, concurrency=1)
    for number in range(3):
        with pytest.raises(RejectedError):
            asked.ask(talk(f"{number}#0"), seed=0)
    with pytest.raises(ModelError, match="nothing more is asked"):
        asked.ask(talk("late#0"), seed=0)
    assert len(server.requests) == 3


def test_a_server_that_drips_bytes_without_end_is_given_up(serve: Start):
    drips = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        taken, _ = drips.accept()
        taken.recv(65536)
        with contextlib.suppress(OSError):
            taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n")
            for _ in range(30):
                time.sleep(0.1)
                taken.sendall(b" ")

    threading.Thread(target=drip, daemon=True).start()
    config = EndpointConfig(
        f"http://127.0.0.1:{drips.getsockname()[1]}/v1", "m", key_variable="", timeout_s=0.4, max_tries=1
    )
    begun = time.monotonic()
    with drips, pytest.raises(UnansweredError, match="last: timeout"):
        EndpointPolicy(config).ask(talk(), seed=0)
    assert 0.4 <= time.monotonic() - begun < 2.5


def test_after_such_an_error_nothing_more_is_asked(serve: Start):
    server = serve(fault=lambda name, number: {"status": 401, "body": {"error": {"message": "no"}}})
    asked = policy(server, concurrency=1)
    with pytest.raises(ModelError):
        asked.respond([talk(f"{number}#0") for number in range(20)], seed=0)
    with pytest.raises(ModelError, match="nothing more is asked"):
        asked.respond([talk("late#0")], seed=0)
    assert len(server.requests) == 1
    cost = asked.journal.cost()
    assert (cost.sent, cost.faults, cost.unknown) == (1, {"not accepted": 1}, 0)


def test_threads_finish_what_is_under_way_begin_nothing_after_an_error_and_raise_it():
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.02 * (number + 1))
        if number == 0:
            raise ValueError("the first")
        return number

    results: list[tuple[int, int]] = []
    with pytest.raises(ValueError, match="the first"):
        for result in in_threads(range(20), work, workers=3):
            results.append(result)  # noqa: PERF402 - what came before the error counts
    assert results == [(1, 1), (2, 2)]
    assert begun == [0, 1, 2]
    assert sorted(in_threads(range(1, 6), work, workers=2)) == [(place, place + 1) for place in range(5)]
    assert list(in_threads([], work, workers=2)) == []


def test_a_missing_key_is_said_before_the_first_request(serve: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(ConfigError, match="SOME_KEY is not set"):
        policy(serve(), key_variable="SOME_KEY")


@pytest.mark.parametrize("key", ["sk-\u00e9", "sk-a\nb"])
def test_a_key_that_no_header_can_carry_is_refused(key: str, serve: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_KEY", key)
    with pytest.raises(ConfigError, match="SOME_KEY holds characters") as raised:
        policy(serve(), key_variable="SOME_KEY")
    assert key not in str(raised.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"base_url": ""},
        {"base_url": "http://me:secret@127.0.0.1/v1"},
        {"base_url": "http://127.0.0.1/v1?key=secret"},
        {"model": ""},
        {"concurrency": 0},
        {"max_tries": 0},
        {"timeout_s": 0.0},
        {"image_format": "webp"},
        {"top_log_probs": 21},
        {"log_probs": True, "top_log_probs": 0},
        {"base_url": "http://[::1"},
    ],
)
def test_settings_that_cannot_work_are_refused(fields: dict[str, Any]):
    with pytest.raises(ConfigError):
        EndpointConfig(**{"base_url": "http://127.0.0.1:1/v1", "model": "m", **fields}).check()


def choice(**fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "<think>partly</think>", **fields.pop("message", {})}
    return {"message": message, **fields}


@pytest.mark.parametrize(
    "made",
    [
        choice(finish_reason="content_filter"),
        choice(message={"content": None, "refusal": "I cannot help with that."}),
    ],
)
def test_a_refusal_is_a_reply_that_says_nothing(made: dict[str, Any], serve: Start):
    asked = policy(serve(lambda body: made))
    reply = asked.respond([talk()], seed=0)[0]
    assert isinstance(reply, EndpointReply)
    assert reply.text == ""
    assert reply.refusal in ("content_filter", "I cannot help with that.")
    assert asked.journal.cost().refused == 1


def test_a_filter_that_answers_with_an_error_is_a_refusal_too(serve: Start):
    body = {"error": {"message": "filtered", "code": "content_filter"}}
    server = serve(fault=lambda name, number: {"status": 400, "body": body})
    reply = policy(server).respond([talk()], seed=0)[0]
    assert isinstance(reply, EndpointReply)
    assert (reply.text, reply.refusal, len(server.requests)) == ("", "content_filter", 1)


def test_an_answer_that_ran_into_the_token_limit_says_so(serve: Start):
    reply = policy(serve(lambda body: choice(finish_reason="length"))).respond([talk()], seed=0)[0]
    assert reply.truncated
    assert not policy(serve()).respond([talk()], seed=0)[0].truncated


def test_thinking_in_a_field_of_its_own_is_put_back_in_front(serve: Start):
    apart = {"content": "<answer>{}</answer>", "reasoning_content": "I see noise."}
    reply = policy(serve(lambda body: choice(message=apart))).respond([talk()], seed=0)[0]
    assert reply.text == "<think>I see noise.</think><answer>{}</answer>"
    both = {"content": "<think>Mine.</think><answer>{}</answer>", "reasoning_content": "hidden"}
    reply = policy(serve(lambda body: choice(message=both))).respond([talk()], seed=0)[0]
    assert reply.text == both["content"]


def test_characters_that_could_not_be_asked_or_written_again_are_taken_out(serve: Start, tmp_path: Path):
    odd = choice(message={"content": f"a{PICTURE}b\ud83dc", "reasoning_content": f"{PICTURE}x\udc00"})
    server, path = serve(lambda body: odd), tmp_path / "journal.jsonl"
    first = policy(server, journal=Journal(path)).respond([talk()], seed=0)
    assert first[0].text == "<think>x?</think>ab?c"
    assert policy(server, journal=Journal(path)).respond([talk()], seed=0) == first
    refusal = choice(message={"content": None, "refusal": f"no{PICTURE}\ud83d"})
    said = policy(serve(lambda body: refusal)).ask(talk(), seed=0)
    assert said.refusal == "no?"


def test_content_in_parts_of_text_is_read_and_other_parts_are_not(serve: Start):
    parts = [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]
    assert policy(serve(lambda body: choice(message={"content": parts}))).ask(talk(), seed=0).text == "hello"
    for strange in ([{"type": "image"}], 5, {"text": "a"}, [{"text": 3}]):
        with pytest.raises(UnreadableAnswerError):
            read_reply(json.dumps({"choices": [{"message": {"content": strange}}]}), seconds=0.0)


def test_entropy_is_that_of_the_alternatives_and_the_rest():
    assert entropy_of([0.0]) == 0.0
    assert entropy_of([math.log(0.5), math.log(0.5)]) == pytest.approx(math.log(2))
    assert entropy_of([math.log(0.5), math.log(0.25)]) == pytest.approx(1.5 * math.log(2))
    # A server's rounding may bring the sum above one.
    assert entropy_of([0.001]) == 0.0


def test_the_entropy_of_a_part_is_read_from_where_it_begins(serve: Start):
    even = [{"token": "x", "logprob": math.log(0.5)}, {"token": "y", "logprob": math.log(0.5)}]
    sure = [{"token": "x", "logprob": 0.0}]
    content = [
        {"token": "ab", "logprob": 0.0, "top_logprobs": sure},
        {"token": "cd", "logprob": 0.0, "top_logprobs": even},
        {"token": "e", "logprob": 0.0, "top_logprobs": even},
    ]
    made = choice(message={"content": "abcde"}, logprobs={"content": content})
    server = serve(lambda body: made)
    reply = policy(server, log_probs=True, top_log_probs=3).respond([talk()], seed=0)[0]
    assert isinstance(reply, EndpointReply)
    assert reply.entropy_from(0) == pytest.approx(2 / 3 * math.log(2), abs=1e-4)
    assert reply.entropy_from(2) == pytest.approx(math.log(2), abs=1e-4)
    assert reply.entropy_from(5) is None
    assert (server.requests[0]["logprobs"], server.requests[0]["top_logprobs"]) == (True, 3)


def test_log_probs_that_cannot_be_read_are_none():
    for broken in ("3", '{"content": [{"token": "a"}]}', '{"content": "abc"}', "null"):
        reply = read_reply(f'{{"choices": [{{"message": {{"content": "a"}}, "logprobs": {broken}}}]}}', seconds=0.0)
        assert (reply.text, reply.entropies) == ("a", ())


def test_replies_come_in_order_and_no_more_requests_run_than_allowed(serve: Start):
    server = serve(lambda body: server_module.texts(body), seconds=0.03)
    asked = [talk(f"{number}#0", f"number {number}") for number in range(12)]
    replies = policy(server, concurrency=3).respond(asked, seed=0)
    assert [reply.text for reply in replies] == [f"number {number}" for number in range(12)]
    assert server.most_in_flight == 3


def test_a_request_depends_on_its_key_and_seed_and_not_on_its_neighbours(serve: Start):
    server = serve()
    policy(server).respond([talk("a#0"), talk("b#0")], seed=1)
    policy(server).respond([talk("b#0")], seed=1)
    policy(server).respond([talk("b#0")], seed=2)
    seeds = [body["seed"] for body in server.requests]
    assert seeds[2] in seeds[:2]
    assert len(set(seeds)) == 3


def test_what_is_in_the_journal_is_not_asked_again(serve: Start, tmp_path: Path):
    server, path = serve(), tmp_path / "journal.jsonl"
    first = policy(server, journal=Journal(path))
    before = first.respond([talk("a#0", images=1), talk("b#0", images=1)], seed=0)
    again = policy(server, journal=Journal(path))
    assert again.respond([talk("a#0", images=1), talk("b#0", images=1)], seed=0) == before
    assert len(server.requests) == 2
    assert again.journal.cost() == first.journal.cost()
    again.respond([talk("a#0", images=1, seed=5)], seed=0)
    again.respond([talk("a#0", "Other words?", images=1)], seed=0)
    assert len(server.requests) == 4


def test_tries_without_an_end_and_torn_rows_are_counted_as_unknown_and_asked_again(serve: Start, tmp_path: Path):
    server, path = serve(), tmp_path / "journal.jsonl"
    policy(server, journal=Journal(path)).respond([talk("a#0")], seed=0)
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(rows[0] + rows[1][:40])
    again = policy(server, journal=Journal(path))
    assert again.journal.cost().unknown == 1
    again.respond([talk("a#0")], seed=0)
    cost = again.journal.cost()
    assert (cost.requests, cost.sent, cost.answered, cost.unknown) == (1, 2, 1, 1)
    assert server.answered.total() == 2
    assert Journal(path).cost() == cost


def test_the_journal_holds_no_key(serve: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    path = tmp_path / "journal.jsonl"
    server = serve(fault=once("429"))
    policy(server, journal=Journal(path), key_variable="SOME_KEY").respond([talk(images=1)], seed=0)
    assert len(read_jsonl(path)) == 4
    assert KEY.encode() not in path.read_bytes()


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path):
    append_jsonl(tmp_path / "other.jsonl", {"step": 1})
    with pytest.raises(ValueError, match="does not fit"):
        Journal(tmp_path / "other.jsonl")


def test_a_server_that_drops_pictures_is_found_out(serve: Start):
    blind = serve()
    blind_usage = server_module.usage_of
    policy(blind).check_sight()
    try:
        server_module.usage_of = lambda body, choice: {"prompt_tokens": 7, "completion_tokens": 1}
        with pytest.raises(ModelError, match="drops pictures"):
            policy(blind).check_sight()
    finally:
        server_module.usage_of = blind_usage


def test_whether_a_server_sees_is_asked_anew_and_counted_each_time(serve: Start, tmp_path: Path):
    server, path = serve(), tmp_path / "journal.jsonl"
    for times in (1, 2):
        asked = policy(server, journal=Journal(path))
        asked.check_sight()
        cost = asked.journal.cost()
        assert len(server.requests) == cost.sent == cost.answered == 2 * times
        assert (cost.requests, cost.retried, cost.failed, cost.unknown) == (2, 0, 0, 0)
        assert cost.prompt_tokens == server.tokens["prompt_tokens"]
    assert len(server.answered) == 4


def test_a_refusal_or_a_server_that_counts_nothing_says_nothing_about_its_sight(
    serve: Start, monkeypatch: pytest.MonkeyPatch
):
    def answer(body: Any) -> Any:
        seen = bool(server_module.pictures(body))
        return choice(message={"content": None, "refusal": "No."}) if seen else "OK"

    def usage(body: Any, choice: Any) -> dict[str, int]:
        return {} if server_module.pictures(body) else {"prompt_tokens": 2, "completion_tokens": 1}

    monkeypatch.setattr(server_module, "usage_of", usage)
    policy(serve(answer)).check_sight()
    policy(serve()).check_sight()


def test_transformers_serve_with_the_pocket_agent_is_an_endpoint_that_sees(tmp_path: Path):
    with server_module.served_pocket_agent(tmp_path / "log") as (url, model):
        config = EndpointConfig(url, model, key_variable="", temperature=0.0, concurrency=1)
        asked = EndpointPolicy(config)
        asked.check_sight()
        dark = Image.new("RGB", (224, 224), (6, 6, 6))
        noisy = Image.fromarray(np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8))
        inputs = [LoopInput("dark", "dark", dark), LoopInput("noisy", "noisy", noisy)]
        played = play(asked, inputs, load_protocol("zoom-brief"))
        found = [item.episode.turns[0].answer.distortion_class for item in played]
        assert found == ["darken", "noise"]


def test_transformers_serve_that_cannot_load_the_processor_drops_pictures_and_is_found_out(tmp_path: Path):
    served = server_module.served_pocket_agent(tmp_path / "log", registered=False)
    with served as (url, model), pytest.raises(ModelError, match="drops pictures"):
        EndpointPolicy(EndpointConfig(url, model, key_variable="")).check_sight()
