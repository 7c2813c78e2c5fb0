"""A real server on loopback that speaks chat completions, and misbehaves when told to.

What it answers depends on the request alone, so two runs over the same pictures get the same answers whatever goes
wrong on the way. A fault comes before the answer; an answered request is one whose body was sent whole.
"""

import base64
import contextlib
import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image

from loupe.core.model.checkpoints import checkpoint_path

Body = dict[str, Any]
FAULTS = ("429", "500", "503", "slow", "cut", "cut json", "reset")
"""What passes: each is overcome by asking again."""
SLOW = 1.5
"""Seconds that a slow server lets a client wait before it hangs up."""


class Server:
    """Serves until `close`. `answer` makes the message of a request (text, or fields of the choice), `fault` names what
    goes wrong with a try (its request's name and number, from 0), None for nothing."""

    def __init__(
        self,
        answer: Callable[[Body], str | Body],
        *,
        fault: Callable[[str, int], str | Body | None] = lambda name, number: None,
        seconds: float = 0.0,
    ) -> None:
        self.answer, self.fault, self.seconds = answer, fault, seconds
        self.requests: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.tries: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.tokens = Counter[str]()
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def take(self, body: Body, headers: dict[str, str]) -> tuple[str, int]:
        """Note a request; its name and how often it was seen before."""
        name = headers.get("idempotency-key", "")
        with self.lock:
            self.requests.append(body)
            self.headers.append(headers)
            number = self.tries[name]
            self.tries[name] += 1
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return name, number


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {key.lower(): value for key, value in self.headers.items()}
            body = json.loads(raw)
            name, number = server.take(body, headers)
            try:
                if server.seconds:
                    time.sleep(server.seconds)
                what = server.fault(name, number)
                if what is not None:
                    with server.lock:
                        server.faults[what if isinstance(what, str) else str(what["status"])] += 1
                    self._misbehave(what)
                else:
                    self._answer(name, body)
            finally:
                with server.lock:
                    server.in_flight -= 1

        def _answer(self, name: str, body: Body) -> None:
            made = server.answer(body)
            choice = {"message": {"role": "assistant", "content": made}} if isinstance(made, str) else made
            usage = usage_of(body, choice)
            # Counted before the last byte: a client that has it may ask for the counts at once.
            with server.lock:
                server.answered[name] += 1
                server.tokens.update(usage)
            self._send(
                200,
                {
                    "id": name,
                    "object": "chat.completion",
                    "created": 0,
                    "model": body["model"],
                    "choices": [{"index": 0, "finish_reason": "stop", **choice}],
                    "usage": usage,
                },
            )

        def _misbehave(self, what: str | Body) -> None:
            if isinstance(what, dict):
                self._send(what["status"], what["body"], **what.get("headers", {}))
            elif what == "slow":
                time.sleep(SLOW)
                self.close_connection = True
            elif what == "cut":
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "5000")
                self.end_headers()
                self.wfile.write(b'{"choices": [{"message": {"content": "<think>Summ')
                self.close_connection = True
            elif what == "cut json":
                self._raw(200, b'{"choices": [{"message": {"content": "<think>Summ')
            elif what == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
            else:
                later = {"Retry-After": "0.02"} if what == "429" else {}
                self._send(int(what), {"error": {"message": "not now", "code": None}}, **later)

        def _send(self, status: int, body: Body, **headers: str) -> None:
            self._raw(status, json.dumps(body).encode(), **headers)

        def _raw(self, status: int, data: bytes, **headers: str) -> None:
            self.send_response(status)
            for key, value in (
                {"Content-Type": "application/json", "Content-Length": str(len(data))} | headers
            ).items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data)

        def finish(self) -> None:
            with contextlib.suppress(OSError, ValueError):
                super().finish()

        def handle(self) -> None:
            with contextlib.suppress(OSError):
                super().handle()

    return Handler


def sometimes(share: float, *, seed: int = 0, most: int = 3) -> Callable[[str, int], str | None]:
    """Faults in this share of the tries, drawn by request and try; none after `most` of a request."""

    def fault(name: str, number: int) -> str | None:
        rng = random.Random(f"{seed}/{name}/{number}")
        return rng.choice(FAULTS) if number < most and rng.random() < share else None

    return fault


def texts(body: Body) -> str:
    """All words of a request."""
    made: list[str] = []
    for message in body["messages"]:
        content = message["content"]
        made += [content] if isinstance(content, str) else [part.get("text", "") for part in content]
    return "\n".join(made)


def pictures(body: Body) -> list[Image.Image]:
    """All pictures of a request, in order."""
    parts = [
        part for message in body["messages"] if isinstance(message["content"], list) for part in message["content"]
    ]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))) for url in urls]


def usage_of(body: Body, choice: Body) -> dict[str, int]:
    """Tokens as this server counts them: a word is one, a picture is 64."""
    prompt = len(texts(body).split()) + 64 * len(pictures(body))
    return {"prompt_tokens": prompt, "completion_tokens": len(str(choice["message"].get("content") or "").split())}


def draws(body: Body) -> random.Random:
    """Random numbers that belong to a request: to its words, pictures and seed."""
    digest = sha256(texts(body).encode())
    for picture in pictures(body):
        digest.update(picture.tobytes())
    return random.Random(f"{digest.hexdigest()}/{body.get('seed')}")


REGISTER = "from loupe.core.model.processors import register_image_only_processors as register; register(); "
SERVE = "from transformers.cli.transformers import main; main()"


@contextlib.contextmanager
def served_pocket_agent(log: Path, *, registered: bool = True) -> Iterator[tuple[str, str]]:
    """Address and model of `transformers serve` with the shipped agent. Without its processor `registered`, the library
    takes it for a language model."""
    model = str(checkpoint_path("pocket-agent"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", model, "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    code = (REGISTER if registered else "") + SERVE
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=stream, stderr=stream, env=environment)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1", model
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert process.poll() is None
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")
