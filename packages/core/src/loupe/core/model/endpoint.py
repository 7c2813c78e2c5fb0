"""A policy behind an OpenAI-compatible endpoint: a hosted model, vLLM, `transformers serve`, or a server of one's own.

Whatever may pass (a limit of requests, a server's fault, a lost connection, a body that is cut off) is tried again,
ever more slowly; what no patience mends (a wrong key, model or request) ends the run with one line. Every try is noted
in a journal, and an answer that is there already is not asked for again.
"""

import random
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import openai
from PIL import Image

from loupe.core.errors import ModelError
from loupe.core.model.endpoint_config import NO_KEY, EndpointConfig
from loupe.core.model.endpoint_journal import Journal
from loupe.core.model.endpoint_reply import EndpointReply, UnreadableAnswerError, read_reply, refused
from loupe.core.model.endpoint_request import request_body, request_name
from loupe.core.model.threads import in_threads, within
from loupe.core.policy import Conversation, Reply, UserTurn
from loupe.core.printable import printable

_PASSING = (408, 409, 425, 429)
_FILTERED = ("content_filter", "content_policy_violation", "moderation_blocked", "invalid_prompt")
"""Codes of an error 400 that says that the words or the picture were not let through."""
_SPENT = "insufficient_quota"
"""Code of an error 429 that no waiting mends."""
_ADVICE = {
    401: "check the key in the environment variable that key_variable names",
    403: "the key has no right to this model; use another key or model",
    404: "check base_url, which ends in /v1 with most servers, and model",
    413: "the picture is too large for this server; use smaller ones or image_format=jpeg",
}
_PATIENCE = 10
"""A server's own waiting time is obeyed up to this multiple of the longest wait."""
_STRIKES = 3
"""Requests that a server may reject before it has answered any; then it is the settings that it rejects."""
_GRACE_S = 0.5
"""Seconds beyond its time for a try that hears nothing to end by itself, and close its connection."""


class UnansweredError(ModelError):
    """A request failed as often as it may be made; the same request may work later."""


class RejectedError(ModelError):
    """The server does not take one request (400, 413), as where a picture or words are too long; others it may."""


class _BrokenError(ModelError):
    """Another request of this policy met an error that no patience mends."""


class _Fault(Exception):  # noqa: N818 - it is no error that leaves this file
    def __init__(self, kind: str, *, wait: float = 0.0) -> None:
        super().__init__(kind)
        self.kind, self.wait = kind, wait


class EndpointPolicy:
    """Asks the endpoint. May be used by many threads; at most `config.concurrency` requests are under way at a time."""

    def __init__(self, config: EndpointConfig, *, journal: Journal | None = None) -> None:
        """Raises ConfigError for settings that cannot work, and where the key is not in the environment."""
        config.check()
        self.config, self.journal = config, journal or Journal()
        self._key = config.key()
        self._client = openai.OpenAI(
            base_url=config.base_url, api_key=self._key, timeout=config.timeout_s, max_retries=0
        )
        self._places = threading.BoundedSemaphore(config.concurrency)
        self._broken = threading.Event()
        self._rejected = 0

    def respond(self, conversations: Sequence[Conversation], *, seed: int) -> list[Reply]:
        """One reply per conversation, in order. Raises ModelError; UnansweredError where patience was not enough."""

        def ask(conversation: Conversation) -> EndpointReply:
            return self.ask(conversation, seed=seed)

        replies = dict(in_threads(conversations, ask, workers=self.config.concurrency))
        return [replies[place] for place in range(len(conversations))]

    def ask(self, conversation: Conversation, *, seed: int, anew: bool = False) -> EndpointReply:
        """The reply to one conversation, from the journal where it is there and not wanted `anew`. Raises as `respond`,
        and RejectedError where the server does not take this request."""
        body = request_body(conversation, self.config, seed=seed)
        name = request_name(conversation, body)
        if not anew and (kept := self.journal.find(name)) is not None:
            return kept
        # A server that knows the header must not repeat what it answered to another process.
        header = f"{name}-{secrets.token_hex(8)}" if anew else name
        last = ""
        for number in range(1, self.config.max_tries + 1):
            try:
                with self._places:
                    if self._broken.is_set():
                        raise _BrokenError(f"{self.config.base_url} refused another request; nothing more is asked")
                    self.journal.sent(name, conversation.key)
                    reply = self._try(header, body)
            except _Fault as fault:
                last = fault.kind
                self.journal.fault(name, fault.kind)
                if number < self.config.max_tries:
                    self._wait(number, fault)
            except _BrokenError:
                raise
            except ModelError as error:
                self.journal.fault(name, "not accepted")
                if not isinstance(error, RejectedError) or self._strikes():
                    self._broken.set()
                raise
            else:
                self.journal.answered(name, reply)
                return reply
        raise UnansweredError(
            f"{self.config.base_url} gave no answer in {self.config.max_tries} tries (last: {last}); "
            "go on later with --resume, or raise max_tries"
        )

    def check_sight(self) -> None:
        """Ask once with and once without a picture. Raises ModelError where both take the same number of prompt tokens:
        some servers drop the pictures of a model that they take for a language model, and say nothing.

        Both are asked each time, whatever the journal holds: the server may be another one. Where it counts no tokens,
        or refuses to answer, nothing is known and nothing is raised.
        """
        words = "Say OK."
        picture = Image.new("RGB", (224, 224), (96, 128, 160))
        seeing = Conversation("sight/picture", "", [UserTurn((picture,), words)], max_new_tokens=16)
        blind = Conversation("sight/words", "", [UserTurn((), words)], max_new_tokens=16)
        replies = [self.ask(item, seed=0, anew=True) for item in (seeing, blind)]
        shown, unseen = (reply.prompt_tokens for reply in replies)
        if any(reply.refusal for reply in replies) or not shown or not unseen:
            return
        if shown <= unseen:
            raise ModelError(
                f"{self.config.base_url}: {self.config.model} takes {shown} prompt tokens with a picture, {unseen} "
                "without one: the server drops pictures; serve a vision model, with the processor that belongs to it"
            )

    def _strikes(self) -> bool:
        """Whether the server has rejected too much, and answered nothing, to be asked on."""
        self._rejected += 1
        return self._rejected >= _STRIKES and not self.journal.has_answers

    def _try(self, name: str, body: dict[str, Any]) -> EndpointReply:
        begun = time.monotonic()
        rest = {key: value for key, value in body.items() if key not in ("model", "messages")}

        def send() -> str:
            raw = self._client.chat.completions.with_raw_response.create(
                model=body["model"],
                messages=body["messages"],
                extra_body=rest,
                extra_headers={"Idempotency-Key": name},
            )
            return raw.text

        try:
            # The client's own time is that of each read: a server that sends a byte now and then would never run out.
            text = within(self.config.timeout_s + _GRACE_S, send)
        except (openai.APITimeoutError, TimeoutError) as error:
            raise _Fault("timeout") from error
        except openai.APIConnectionError as error:
            raise _Fault("connection") from error
        except openai.APIStatusError as error:
            return self._no_answer(error, seconds=time.monotonic() - begun)
        try:
            return read_reply(text, seconds=time.monotonic() - begun)
        except UnreadableAnswerError as error:
            raise _Fault("unreadable") from error

    def _no_answer(self, error: openai.APIStatusError, *, seconds: float) -> EndpointReply:
        """The refusal that an error may be; else raises a fault that passes, or ModelError for one that does not."""
        status, code = error.status_code, str(error.code or "")
        if status == 400 and code in _FILTERED:
            return refused(code, seconds)
        if (status in _PASSING or status >= 500) and code != _SPENT:
            raise _Fault(str(status), wait=retry_after(error.response.headers)) from error
        advice = "add to the account" if code == _SPENT else _ADVICE.get(status, "check the settings of the endpoint")
        said = " ".join(error.message.split())
        if self._key != NO_KEY:
            # Before the cut, or the first half of a key would be left.
            said = said.replace(self._key, "***")
        kind = RejectedError if status in (400, 413) else ModelError
        # Without its cause: that holds the request, and with it the key.
        raise kind(f"{self.config.base_url} answers {status}: {printable(said[:300])}; {advice}") from None

    def _wait(self, number: int, fault: _Fault) -> None:
        longest = self.config.max_backoff_s
        grown = min(longest, self.config.backoff_s * 2 ** (number - 1)) * random.uniform(0.5, 1.0)
        self._broken.wait(max(grown, min(fault.wait, _PATIENCE * longest)))


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a server asks to wait for, at least 0: a number, or a date; 0 where it asks for nothing readable."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        try:
            return max(0.0, min(float(value) * scale, 86_400.0))
        except ValueError:
            pass
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0
