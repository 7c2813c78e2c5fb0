"""From a conversation to the body of a chat-completions request, and to the name by which its answer is kept."""

import base64
import io
import json
from hashlib import sha256
from typing import Any

from PIL import Image

from loupe.core.model.endpoint_config import EndpointConfig
from loupe.core.policy import Conversation, UserTurn


def request_body(conversation: Conversation, config: EndpointConfig, *, seed: int) -> dict[str, Any]:
    """Fields of the request. Its seed follows from the conversation's key, its round and `seed` alone."""
    body: dict[str, Any] = {"model": config.model, "messages": messages(conversation, config)}
    limits = [limit for limit in (conversation.max_new_tokens or 0, config.max_new_tokens) if limit > 0]
    if limits:
        body[config.max_tokens_field] = min(limits)
    for name in ("temperature", "top_p"):
        if (value := getattr(config, name)) is not None:
            body[name] = value
    if config.send_seed:
        words = f"{conversation.key}/{len(conversation.replies)}/{seed}"
        body["seed"] = int.from_bytes(sha256(words.encode()).digest()[:4], "big") >> 1
    if config.log_probs:
        body |= {"logprobs": True, "top_logprobs": config.top_log_probs}
    return body | config.extra


def request_name(conversation: Conversation, body: dict[str, Any]) -> str:
    """32 hex digits that are the same for the same conversation, words, pictures and settings, and for no others."""
    words = json.dumps([conversation.key, body], sort_keys=True, default=str)
    return sha256(words.encode("utf-8", errors="surrogatepass")).hexdigest()[:32]


def messages(conversation: Conversation, config: EndpointConfig) -> list[dict[str, Any]]:
    """System message, then user turns and replies in turn; pictures and text of a turn in the order they are shown."""
    made: list[dict[str, Any]] = []
    if conversation.system:
        made.append({"role": "system", "content": conversation.system})
    for number, turn in enumerate(conversation.user_turns):
        made.append({"role": "user", "content": _content(turn, config)})
        if number < len(conversation.replies):
            made.append({"role": "assistant", "content": conversation.replies[number].text})
    return made


def data_url(image: Image.Image, config: EndpointConfig) -> str:
    """The picture as a data URL, with all its pixels."""
    buffer = io.BytesIO()
    if config.image_format == "jpeg":
        image.save(buffer, "JPEG", quality=config.jpeg_quality, subsampling=0)
    else:
        image.save(buffer, "PNG")
    return f"data:image/{config.image_format};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _content(turn: UserTurn, config: EndpointConfig) -> str | list[dict[str, Any]]:
    if not turn.images:
        return turn.text
    made: list[dict[str, Any]] = []
    for part in turn.parts:
        if isinstance(part, str):
            made += [{"type": "text", "text": part}] if part.strip() else []
        else:
            picture = {"url": data_url(part, config)} | ({"detail": config.detail} if config.detail else {})
            made.append({"type": "image_url", "image_url": picture})
    return made
