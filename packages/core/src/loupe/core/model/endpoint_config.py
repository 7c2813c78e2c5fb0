"""Settings of an OpenAI-compatible endpoint. The key itself is never a setting: only the name of its variable is."""

import os
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from loupe.core.errors import ConfigError

NO_KEY = "none"
"""What is sent as the key where none is wanted: servers at home take anything."""


@dataclass
class EndpointConfig:
    """Where a model is served, how it is asked, and how patiently."""

    base_url: str = ""
    """Address up to and with /v1, for example http://127.0.0.1:8000/v1."""
    model: str = ""
    """Name of the model there."""
    key_variable: str | None = "OPENAI_API_KEY"
    """Environment variable that holds the key; empty (`key_variable=`) where the server wants none."""
    image_format: str = "png"
    """How pictures are sent: png (nothing is lost) or jpeg (smaller, and compresses what is to be judged)."""
    jpeg_quality: int = 95
    """Quality of a jpeg, 1 to 100."""
    detail: str = ""
    """The `detail` of a picture (low, high, auto), where the server knows it; empty to leave it out."""
    temperature: float | None = None
    """Temperature of the draw; null takes the server's own."""
    top_p: float | None = None
    """Share of the probability to draw from; null takes the server's own."""
    max_new_tokens: int = 0
    """Tokens that one answer may have; 0 for as many as the protocol allows, else the smaller of the two."""
    max_tokens_field: str = "max_tokens"
    """Name of that bound in a request; newer hosted models want max_completion_tokens."""
    send_seed: bool = True
    """Whether each request carries a seed of its own, for servers that take one."""
    log_probs: bool = False
    """Whether to ask for log-probabilities; the entropy of an answer is known only where the server gives them."""
    top_log_probs: int = 5
    """Alternatives a token that come with them, 1 to 20."""
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    """Further fields of each request, as the server at hand names them."""
    concurrency: int = 4
    """Requests under way at a time."""
    timeout_s: float = 120.0
    """Seconds that one try may take in all, from the first byte sent to the last one read, before the request is made
    again."""
    max_tries: int = 8
    """How often one request is made before it counts as failed."""
    backoff_s: float = 1.0
    """Seconds before the second try; they double from try to try, less up to a half by chance."""
    max_backoff_s: float = 60.0
    """The longest of these waits; a server that names a time of its own is obeyed, up to ten times as long."""

    def check(self) -> None:
        """Refuse what cannot work, before the first request. Raises ConfigError."""
        try:
            address = urlsplit(self.base_url)
        except ValueError as error:
            raise ConfigError(
                f"got base_url={self.base_url!r} ({error}); wanted an address as http://HOST/v1"
            ) from error
        if address.scheme not in ("http", "https") or not address.hostname or not self.model:
            raise ConfigError(
                "an endpoint wants base_url and model, for example base_url=http://127.0.0.1:8000/v1 model=NAME"
            )
        if address.username or address.password or address.query:
            raise ConfigError(
                "base_url holds credentials or a query, which would end up in files; put the key into an environment "
                "variable and its name into key_variable"
            )
        if self.image_format not in ("png", "jpeg") or not 1 <= self.jpeg_quality <= 100:
            raise ConfigError(
                f"got image_format {self.image_format!r} and jpeg_quality {self.jpeg_quality}; "
                "wanted png or jpeg, and 1 to 100"
            )
        if not (self.concurrency >= 1 and self.max_tries >= 1 and self.timeout_s > 0):
            raise ConfigError(
                f"got concurrency {self.concurrency}, max_tries {self.max_tries}, timeout_s {self.timeout_s}; "
                "wanted 1 or more, 1 or more, and above 0"
            )
        if not 1 <= self.top_log_probs <= 20:
            raise ConfigError(
                f"got top_log_probs {self.top_log_probs}; wanted 1 to 20: entropy is that of alternatives"
            )
        if not (self.backoff_s >= 0 and self.max_backoff_s >= 0 and self.max_new_tokens >= 0):
            raise ConfigError(
                f"got backoff_s {self.backoff_s}, max_backoff_s {self.max_backoff_s}, max_new_tokens "
                f"{self.max_new_tokens}; wanted 0 or more of each"
            )

    def key(self) -> str:
        """The key, from the environment. Raises ConfigError where the variable is not set."""
        if not self.key_variable:
            return NO_KEY
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise ConfigError(
                f"the environment variable {self.key_variable} is not set; export the key in it, or set key_variable "
                "to the name of another one, or to nothing where the server wants no key"
            )
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(
                f"the key in the environment variable {self.key_variable} holds characters that no header can carry; "
                "wanted plain ASCII in one line; copy it again"
            )
        return key
