"""What stands beside the numbers of an evaluation: who answered, what was asked, how it was decoded, on what it ran."""

from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

from loupe.core.environment import PACKAGES
from loupe.core.errors import LoupeError
from loupe.core.files import read_json
from loupe.core.protocol import Protocol

FIGURES = ("scipy", "scikit-learn")
"""Libraries that figures are made with, and nothing else of a run."""
_PROCESSORS = ("processor_config.json", "preprocessor_config.json")


def protocol_block(
    protocol: Protocol, *, settings: dict[str, Any], environment: dict[str, Any], scripted: bool
) -> dict[str, Any]:
    """Plain dict for summary.json. `environment` is that of the run folder; `scripted` says that the caller brought its
    own policy, so that the model which the settings name did not answer."""
    return {
        "model": "a policy of the caller" if scripted else settings["model"],
        "weights_sha256": {}
        if scripted
        else {Path(name).name: digest for name, digest in environment["start_sha256"].items()},
        "protocol": protocol.name,
        "fingerprint": protocol.fingerprint,
        "max_rounds": protocol.max_rounds,
        "max_new_tokens": protocol.max_new_tokens,
        "layout": protocol.layout,
        "dialect": protocol.dialect,
        "decoding": _answering(protocol, settings),
        "seed": settings["seed"],
        "pixels": "the policy's own" if scripted else _pixels(environment["start"]),
        "max_pixels_an_episode": protocol.max_pixels or "no bound",
        "crop": asdict(protocol.crop),
        "data": settings["data"],
        "split": settings["split"],
        "data_sha256": environment["data_sha256"],
        "bootstrap": f"{settings['n_boot']} draws, whole groups of one reference image, 95 % percentile interval",
        "unusable": "rated 3.0 (mid-scale) and counted as wrong in the main figures; left out under `usable`",
        "failed_later_look": "the rating of the look before it is kept and counted under `kept_earlier`",
        "fitted_to_labels": False,
        "python": environment["python"],
        "versions": {name: environment["versions"][name] for name in PACKAGES} | figure_versions(),
    }


def figure_versions() -> dict[str, str | None]:
    """Versions of the libraries in `FIGURES` by name, None for one that is not there."""
    return {name: _version(name) for name in FIGURES}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _answering(protocol: Protocol, settings: dict[str, Any]) -> str:
    """How ratings came about: without a reply, from one reply, or from one and those that were drawn beside it."""
    if settings.get("fast"):
        return f"no reply: the expected rating behind {protocol.fast_opening!r}, in one pass"
    first, count, own = _decoding(protocol, settings["temperature"]), settings.get("samples", 1), "draw_temperature"
    drawn = protocol.sampling.temperature if settings.get(own) is None else settings[own]
    return first if count == 1 else f"{first}; beside it {count - 1} {_decoding(protocol, drawn)}"


def _decoding(protocol: Protocol, temperature: float) -> str:
    if temperature == 0:
        return "greedy"
    drawing = protocol.sampling
    filters = (("top_p", drawing.top_p, 1), ("top_k", drawing.top_k, 0), ("min_p", drawing.min_p, 0))
    return ", ".join(
        [f"sampled at temperature {temperature}", *(f"{name} {value}" for name, value, off in filters if value != off)]
    )


def _pixels(start: str | None) -> str:
    """How many pixels an image is scaled to before the model sees it, as the folder of the model says."""
    for path in (Path(start or "") / name for name in _PROCESSORS):
        try:
            found = read_json(path) if path.is_file() else {}
        except LoupeError:
            continue
        part = cast(dict[str, Any], found.get("image_processor") or found)
        size = cast(dict[str, Any], part.get("size") or {})
        low, high = (
            size.get("shortest_edge", part.get("min_pixels")),
            size.get("longest_edge", part.get("max_pixels")),
        )
        if low is not None and high is not None:
            return f"scaled to {low}..{high} pixels an image"
    return "not known: the model folder does not say"
