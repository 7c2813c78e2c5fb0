"""A data set as data: where its files lie, what its columns mean, on which scale, and how it is split.

One YAML under data_recipes/ is one `Recipe`. What differs between two label files of the same data set (their columns,
their scale, where the deviation stands) is a flavour: a few fields that replace those of the recipe. Layouts and traps
are facts about the releases; the form of the recipe is ours.
"""

from dataclasses import dataclass, field
from typing import Any

from loupe.core.errors import ConfigError

STDS = ("none", "std", "variance")
PLACES = ("link", "copy", "none")
SPLITS_BY = ("official", "reference", "group", "image", "whole")
RATINGS = ("nominal", "observed")


@dataclass
class SplitPlan:
    """How the rows come to train, val and test."""

    by: str = "image"
    """official (the file says), reference, group or image (by draw; what belongs together stays so), whole (test)."""
    official: dict[str, str] = field(default_factory=dict[str, str])
    """Word of the label file to train, val or test; a word that is not here is refused."""
    shares: list[float] = field(default_factory=lambda: [0.7, 0.1, 0.2])
    """Shares of train, val and test, counted in references, groups or images, where they are drawn."""
    seed: int = 42
    """Seed of the draw: the same seed and names give the same split, in whatever order the rows come."""


@dataclass
class Expected:
    """What the full release holds; null is not checked. `build` refuses other counts unless `allow_missing`."""

    rows: int | None = None
    """Rated images, after those in `drop` are left out."""
    references: int | None = None
    """Different references, or groups where there is no reference."""
    mos: list[float] | None = None
    """Smallest and largest raw opinion of the release, to two digits."""
    std: list[float] | None = None
    """Smallest and largest deviation on the scale of mos."""
    known_counts: dict[int, str] = field(default_factory=dict[int, str])
    """Row count of a list that is known to be cut or padded, to what it is: `750: all blur images are missing`."""


@dataclass
class Recipe:
    """What `loupe data build` does with one data set."""

    name: str = ""
    """Short name; it stands in every sample and begins every id."""
    title: str = ""
    """Name as its authors write it, with year and paper."""
    licence: str = "check the licence of the release"
    """Terms of use, where they are known."""
    obtain: str = ""
    """How to get the files."""
    notes: list[str] = field(default_factory=list[str])
    """Traps of this release, one sentence each; they are copied into the manifest."""
    reader: str = "table"
    """Reader of the label files: a key of loupe.data.recipes.readers.READERS or PAIR_READERS."""
    labels: list[str] = field(default_factory=list[str])
    """Globs under root, `**` allowed, case ignored; every one must match, and the files reach the reader in order."""
    many: bool = False
    """Whether one glob may match several label files."""
    columns: dict[str, str] = field(default_factory=dict[str, str])
    """Meaning (image, mos, std, reference, group, split, distortion, level) to the name of its column; "" is none."""
    sheet: str = ""
    """Sheet of a workbook; empty takes the first one."""
    header: int = 1
    """Row of a workbook or csv that holds the column names, counted from 1; 0: there is none, columns are numbers."""
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    """Settings that one reader alone knows."""
    flavours: dict[str, Any] = field(default_factory=dict[str, Any])
    """Name to the fields above and below that differ; the first flavour whose labels are all there is taken."""
    flavour: str = ""
    """Take this flavour, whatever else is there; empty takes the first that fits."""
    image_name: str = ""
    """How the image column becomes a file name where it holds a number: `DatabaseImage{:0>4}.JPG`."""
    name_pattern: str = ""
    """Regular expression on an image's file name, whose groups (reference, group, distortion, level) fill a row."""
    reference_name: str = ""
    """How the reference found in a name becomes a file name: `I{}.png`."""
    images: list[str] = field(default_factory=lambda: ["**"])
    """Globs under root of the image files; a file that no row names is listed as extra."""
    references: list[str] = field(default_factory=list[str])
    """Globs under root of the reference images; empty: they lie among the images, or there are none."""
    scale_min: float | None = None
    """Lower end of the nominal scale of mos; null takes the observed minimum."""
    scale_max: float | None = None
    """Upper end; null takes the observed maximum."""
    higher_is_better: bool = True
    """Direction of mos."""
    std: str = "none"
    """What the std column holds: none (there is no such column), std, or variance."""
    std_scale: list[float] | None = None
    """Scale on which the deviation stands, where it is not that of mos; it is stretched to that of mos."""
    split: SplitPlan = field(default_factory=SplitPlan)
    """How the rows are split."""
    drop: dict[str, str] = field(default_factory=dict[str, str])
    """Glob of image names that are no rated images of the set, to the reason; an empty reason drops nothing."""
    distortions: dict[str, str | None] = field(default_factory=dict[str, str | None])
    """The data set's word for a damage, to Loupe's class; null where Loupe has none for it."""
    soft_levels: bool = False
    """Whether the spread of opinions is Gaussian enough for a soft distribution over five levels."""
    expected: Expected = field(default_factory=Expected)
    """What the full release holds."""
    short_side: int | None = None
    """Reduce larger images to this short side, as PNG; null keeps the files as they are."""
    root: str = ""
    """Folder where the download was unpacked."""
    out: str = ""
    """Data folder to write; empty: data/NAME."""
    rating: str = "nominal"
    """Range that becomes 1..5: nominal (the scale's), or observed (that of the rows, as in DeQA-Score)."""
    place: str = "link"
    """How images come into the folder: link (hard link, else a copy), copy, or none (labels alone)."""
    allow_missing: bool = False
    """Go on with the rows whose images are there, and where counts or ranges are not those of the full release."""
    part: bool = False
    """The labels are those of a split or another part: files that no row names are listed, and are no gap."""
    workers: int = 0
    """Threads or processes that place images; 0: one a core."""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("std", self.std, STDS),
            ("place", self.place, PLACES),
            ("rating", self.rating, RATINGS),
            ("split.by", self.split.by, SPLITS_BY),
        ):
            if value not in known:
                raise ConfigError(f"got {name}={value}; wanted one of {', '.join(known)}")
        ends = self.std_scale
        if ends is not None and (len(ends) != 2 or not ends[0] < ends[1]):
            raise ConfigError(f"got std_scale={ends}; wanted the lower and the upper end of the deviations' scale")
        shares = self.split.shares
        if len(shares) != 3 or min(shares) < 0.0 or abs(sum(shares) - 1.0) > 1e-9:
            raise ConfigError(f"got split.shares={shares}; wanted three shares of train, val and test that sum to 1")
        if self.short_side is not None and self.short_side < 32:
            raise ConfigError(f"got short_side={self.short_side}; wanted 32 pixels or more, or null")
