"""From the body of a chat-completions answer to a reply, and back and forth to the row that it is kept in.

What a model refuses to say, or a filter takes away, is a reply without text: data, and no crash. Servers that move the
thinking into a field of its own get it put back in front, so that every dialect reads the same text from every server.
The entropy of a token is estimated from its best alternatives: their own terms, and the rest of the probability as one
more alternative, which bounds it from below (ours). In nats.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, cast

from loupe.core.dialects.tags import END_THINK, THINK
from loupe.core.policy import PICTURE, Reply

_LEAST = 1e-9


class UnreadableAnswerError(Exception):
    """A body with status 200 that is no answer; the request is made again."""


@dataclass(frozen=True, slots=True)
class EndpointReply(Reply):
    """A reply with what the server said about it. Tokens are counted by the server; their ids are not known.

    `refusal` says why there is no text. `offsets` and `entropies` have one number a token, where it begins in the
    completion's text and its entropy; both are empty where the server gives no log-probabilities.
    """

    refusal: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    offsets: tuple[int, ...] = ()
    entropies: tuple[float, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens that were written, as the server counts them."""
        return self.completion_tokens

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`."""
        fields: dict[str, Any] = dict(row)
        fields |= {key: tuple(fields[key]) for key in ("token_ids", "log_probs", "offsets", "entropies")}
        return cls(**fields)

    def entropy_from(self, start: int) -> float | None:
        """Mean entropy of the tokens that begin at `start` or behind it, in nats; None where there is none."""
        kept = [entropy for offset, entropy in zip(self.offsets, self.entropies, strict=True) if offset >= start]
        return sum(kept) / len(kept) if kept else None


def read_reply(text: str, *, seconds: float) -> EndpointReply:
    """Reply in the body of an answer with status 200. Raises UnreadableAnswerError."""
    try:
        body: Any = json.loads(text)
        choice = body["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        content, refusal = message.get("content"), message.get("refusal")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise UnreadableAnswerError(f"{type(error).__name__}: {str(error)[:80]}") from error
    prompt_tokens, completion_tokens = _usage(body)
    if refusal or reason == "content_filter":
        return refused(_clean(str(refusal or reason))[:300], seconds, prompt_tokens, completion_tokens)
    written = _clean(_text(content))
    thought = message.get("reasoning_content") or message.get("reasoning")
    said = _whole(written, _clean(thought) if isinstance(thought, str) else "")
    offsets, entropies = _entropies(choice, shift=len(said) - len(written))
    return EndpointReply(
        text=said,
        truncated=reason == "length",
        seconds=round(seconds, 3),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        offsets=offsets,
        entropies=entropies,
    )


def refused(reason: str, seconds: float, prompt_tokens: int = 0, completion_tokens: int = 0) -> EndpointReply:
    """The reply of a model that says nothing."""
    return EndpointReply(
        text="",
        seconds=round(seconds, 3),
        refusal=reason,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
    )


def _text(content: Any) -> str:
    """The text of a message: a string, or the parts of a list, all of them text. Raises UnreadableAnswerError."""
    if content is None or isinstance(content, str):
        return content or ""
    try:
        return "".join([str.__str__(part["text"]) for part in content])
    except (TypeError, LookupError) as error:
        raise UnreadableAnswerError(f"the content is a {type(content).__name__} that is not all text") from error


def _clean(text: str) -> str:
    """The text without what could not be asked, written or named again: places of pictures, and lone surrogates."""
    return text.replace(PICTURE, "").encode("utf-8", "replace").decode("utf-8")


def _whole(content: str, thought: str) -> str:
    return f"{THINK}{thought}{END_THINK}{content}" if thought and THINK not in content else content


def _usage(body: Mapping[str, Any]) -> tuple[int, int]:
    usage: Any = body.get("usage")
    if not isinstance(usage, dict):
        return 0, 0
    counts = cast(dict[str, Any], usage)
    return _count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens"))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _entropies(choice: Mapping[str, Any], *, shift: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Where each token begins and its entropy; nothing where the server's log-probabilities cannot be read."""
    offsets: list[int] = []
    entropies: list[float] = []
    place = shift
    try:
        for token in (choice.get("logprobs") or {}).get("content") or []:
            offsets.append(place)
            entropies.append(round(entropy_of([float(item["logprob"]) for item in token["top_logprobs"]]), 4))
            place += len(_clean(token["token"]))
    except (TypeError, LookupError, ValueError, AttributeError):
        return (), ()
    return tuple(offsets), tuple(entropies)


def entropy_of(log_probs: list[float]) -> float:
    """Entropy in nats, at least 0, of the alternatives and of one more that has the rest of the probability."""
    shares = [math.exp(min(0.0, value)) for value in log_probs]
    shares.append(max(0.0, 1.0 - sum(shares)))
    return -sum(share * math.log(share) for share in shares if share > _LEAST)
