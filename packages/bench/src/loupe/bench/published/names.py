"""One name for each data set, whatever a folder, a recipe or a paper calls it."""

import re

ALIASES = {
    "koniq-10k": ("koniq", "koniq10k"),
    "spaq": ("spaq",),
    "kadid-10k": ("kadid", "kadid10k"),
    "pipal": ("pipal",),
    "livec": ("livec", "livew", "livewild", "liveinthewild", "clive", "challengedb"),
    "live": ("live", "liver2", "liveiqa"),
    "agiqa-3k": ("agiqa", "agiqa3k"),
    "csiq": ("csiq",),
    "bid": ("bid",),
    "tid2013": ("tid2013", "tid"),
    "flive": ("flive", "paq2piq"),
    "liu13": ("liu13", "deblur", "liu13deblurring"),
    "sriqa-bench": ("sriqabench", "sriqa"),
    "min19": ("min19", "dehaze", "min19dehazing"),
}
"""Names without case and marks, by the name of the recipe."""
_KNOWN = {alias: name for name, aliases in ALIASES.items() for alias in aliases}


def data_set(name: str) -> str | None:
    """The name of the recipe, or None for a data set that no table knows. A split or a size may follow the name, as in
    `test_koniq_2k` or `koniq-10k-test`; anything else may not: a name that only looks alike is no match."""
    words = [word for word in re.split(r"[^0-9a-z]+", name.casefold()) if word]
    while words and words[0] in _AROUND:
        words.pop(0)
    while len(words) > 1 and (
        words[-1] in _AROUND or (re.fullmatch(r"[0-9]+k?", words[-1]) and _joined(words) is None)
    ):
        words.pop()
    return _joined(words)


_AROUND = frozenset({"test", "val", "train", "all", "official"})


def _joined(words: list[str]) -> str | None:
    return _KNOWN.get("".join(words))
