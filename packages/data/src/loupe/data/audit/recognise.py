"""Which public data set rows come from, by the name that they carry or by how its files are called.

A folder that was converted elsewhere may be named anything; file names are kept by nearly everybody. They decide only
where the name says nothing.
"""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from loupe.core.records import Sample

NAMES = {
    "koniq": ("koniq",),
    "kadid": ("kadid",),
    "spaq": ("spaq",),
    "livec": ("livec", "clive", "livewild", "liveitw", "liveinthewild", "challengedb"),
    "csiq": ("csiq",),
    "tid2013": ("tid2013",),
    "pipal": ("pipal",),
    "agiqa": ("agiqa",),
}
"""What a name holds, in small letters and digits."""
LIVE = ("live", "liver2", "liveiqa", "liveiqar2", "liverelease2", "liveiqarelease2")
"""Names of LIVE as a whole: too many others begin like it."""
FILES = {
    "kadid": r"i\d\d_\d\d_0[1-5]",
    "tid2013": r"i\d\d_\d\d_[1-5]",
    "csiq": r"\w+\.(awgn|blur|contrast|fnoise|jpeg|jpeg2000)\.[1-5]",
    "pipal": r"a\d{4}_\d\d_\d\d",
    "agiqa": r"(attngan|dalle2|glide|midjourney|sd1\.5|xl2\.2|sdxl2\.2)_\w+_\d{3}",
}
"""How the files of a release are called without their ending, in small letters."""
_SHARE = 0.8
"""Share of rows whose file names must fit."""


def recognise(dataset: str, samples: Sequence[Sample]) -> str | None:
    """A key of NAMES, or `live`, for the rows of a data set; None for a set without known traps."""
    plain = re.sub(r"[^a-z0-9]", "", dataset.lower())
    if plain in LIVE:
        return "live"
    for key, words in NAMES.items():
        if any(word in plain for word in words):
            return key
    names = [PurePosixPath(sample.image).stem.lower() for sample in samples]
    for key, pattern in FILES.items():
        if sum(re.fullmatch(pattern, name) is not None for name in names) >= _SHARE * len(names):
            return key
    return None
