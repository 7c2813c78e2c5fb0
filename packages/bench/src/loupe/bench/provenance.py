"""What stands beside the numbers of an evaluation: who answered, what was asked, how it was decoded, on what it ran."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from loupe.core.environment import PACKAGES
from loupe.core.protocol import Protocol


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
        "decoding": "greedy" if settings["temperature"] == 0 else f"sampled at temperature {settings['temperature']}",
        "seed": settings["seed"],
        "crop": asdict(protocol.crop),
        "data": settings["data"],
        "split": settings["split"],
        "data_sha256": environment["data_sha256"],
        "bootstrap": f"{settings['n_boot']} draws, whole groups of one reference image, 95 % percentile interval",
        "unusable": "rated 3.0 (mid-scale) and counted as wrong in the main figures; left out under `usable`",
        "failed_later_look": "the rating of the look before it is kept and counted under `kept_earlier`",
        "fitted_to_labels": False,
        "python": environment["python"],
        "versions": {name: environment["versions"][name] for name in PACKAGES},
    }
