"""Settings of a zoom audit: those of the evaluation that it builds on, and how much is drawn beside it."""

from dataclasses import dataclass, field

from loupe.bench.evaluate import EvaluateConfig
from loupe.core.errors import ConfigError
from loupe.core.protocol import load_protocol


@dataclass
class AuditConfig(EvaluateConfig):
    """Settings of `loupe evaluate --zoom-audit`."""

    seeds: int = 5
    """Repeats of whatever is drawn: random crops, and with a temperature above 0 every look."""
    pristine: int = 100
    """Undamaged images of the split that are judged with a forced crop; the first so many, whatever `limit` says."""
    shallow: int = 40
    """Of these, images that are made into shallow depth of field and into real blur beside it."""
    strengths: list[int] = field(default_factory=lambda: [2, 4])
    """Levels (1..5) of that blur; each image is made at every one."""


def check(config: AuditConfig) -> None:
    """Raises ConfigError for settings of the audit that cannot be; those of the evaluation are checked by it."""
    for name, least in (("seeds", 1), ("pristine", 0), ("shallow", 0)):
        if getattr(config, name) < least:
            raise ConfigError(f"{name}: got {getattr(config, name)}; wanted at least {least}")
    if not config.strengths or not set(config.strengths) <= set(range(1, 6)):
        raise ConfigError(f"strengths: got {config.strengths}; wanted one or more levels of blur, 1 to 5")
    if config.fast or config.samples > 1:
        raise ConfigError("a zoom audit looks at single answers and their crops; leave fast and samples out")
    protocol = load_protocol(config.protocol)
    if protocol.max_rounds < 2 or "rating" not in protocol.asks:
        raise ConfigError(
            f"protocol {protocol.name!r} asks for {', '.join(protocol.asks)} in {protocol.max_rounds} look(s); a zoom "
            "audit wants ratings and crops: take a protocol such as zoom-brief or zoom"
        )
