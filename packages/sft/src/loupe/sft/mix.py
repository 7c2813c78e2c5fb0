"""A mix of sources as what TRL gets: examples in one list, and an epoch of their numbers."""

from collections.abc import Sequence

import datasets
import numpy as np

from loupe.core.errors import ConfigError
from loupe.sft.config import SftConfig
from loupe.sft.examples import Example
from loupe.sft.fitted import Fitted
from loupe.sft.sources import load_examples


def examples_of_mix(config: SftConfig) -> tuple[list[Example], list[Example]]:
    """What is learnt from, and what is evaluated on. Raises ConfigError where there is none, or none of a source."""
    mix = config.mix.items()
    by_name = {name: load_examples(source, name, limit=source.limit) for name, source in mix}
    written = [item for examples in by_name.values() for item in examples]
    if not written:
        raise ConfigError(
            f"{config.data} has no rationales to learn from; make some with `loupe data synth`, or name other sources"
        )
    if hollow := [name for name, examples in by_name.items() if not examples]:
        file = config.mix[hollow[0]].file("train")
        raise ConfigError(f"{file} has no rationales; fill it, or leave out sources.{hollow[0]}")
    if not config.eval_every:
        return written, []
    held_out = [
        item for name, source in mix for item in load_examples(source, name, split="val", limit=config.eval_images)
    ]
    if not held_out:
        raise ConfigError(
            f"eval_every={config.eval_every}, and no source has held-out rationales; set sources.NAME.held_out, or "
            "eval_every=0"
        )
    return written, held_out


def epoch_of(config: SftConfig, fitted: Fitted) -> list[int]:
    """Places of the examples of an epoch, each as often as its source says. Raises ConfigError for an empty one."""
    weights = {name: source.weight for name, source in config.mix.items()}
    places: dict[str, list[int]] = {}
    for place, example in enumerate(fitted.kept):
        places.setdefault(example.source, []).append(place)
    made = [place for name, all_of in places.items() for place in repeated(all_of, weights.get(name, 1.0))]
    if not made:
        raise ConfigError(f"the weights of the sources leave no example of {len(fitted.kept)} in an epoch; raise one")
    return made


def numbered(places: Sequence[int], tokens: Sequence[int]) -> datasets.Dataset | None:
    """Rows that name an example and its length; None for no row. By lengths a sampler can put like to like."""
    if not places:
        return None
    return datasets.Dataset.from_dict({"index": list(places), "length": [tokens[place] for place in places]})


def repeated(places: Sequence[int], weight: float) -> list[int]:
    """Each of the places `weight` times: whole copies of all, and a draw for what is left, the same in every epoch."""
    copies, rest = divmod(weight, 1.0)
    drawn = np.random.default_rng(7).permutation(len(places))[: round(rest * len(places))]
    return [*places] * int(copies) + [places[place] for place in sorted(drawn.tolist())]
