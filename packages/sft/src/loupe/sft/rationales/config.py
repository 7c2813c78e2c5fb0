"""Settings of the builder of grounded rationales."""

from dataclasses import dataclass, field

from loupe.core.errors import ConfigError
from loupe.core.model.endpoint_config import EndpointConfig
from loupe.core.protocol import load_protocol

TEACHERS = ("endpoint", "truth")
JUDGES = ("rules", "endpoint")
SPLITS = ("train", "val", "test")


@dataclass
class RelianceConfig:
    """Visual Reliance Filtering: did the decision need the picture? Which signs there are is the paper's; every number,
    and that signs are counted, is ours."""

    enabled: bool = True
    """Whether to ask without the picture at all."""
    max_iou: float = 0.5
    """Boxes that overlap (intersection over union) by less are different."""
    min_rating_gap: float = 0.5
    """Ratings that are this far apart, of 1 to 5, are different."""
    min_entropy_gap: float = 0.2
    """A decision whose tokens have this much more entropy without the picture, in nats a token, is different. Only used
    where the endpoint gives log-probabilities."""
    min_signs: int = 1
    """Signs of box, tool, rating and entropy that must differ for the decision to have needed the picture; where fewer
    can be measured, all of those."""


@dataclass
class HintBounds:
    """What must be measured in at least one region of the picture for a claim of the rule-based judge to stand. All
    ours; they are wide, for a measurement says less about a picture than a look at it."""

    noisy: float = 2.0
    """Noise of a picture that is called noisy, at least, in grey levels."""
    noiseless: float = 12.0
    """Noise of a picture that is said to have none, at most."""
    blurred: float = 0.35
    """Sharpness (0..1) of a picture that is called blurred, at most."""
    sharp: float = 0.35
    """Sharpness of a picture that is called sharp, at least."""
    blocky: float = 1.12
    """Blockiness (1 up) of a picture that is said to show blocks, at least."""
    blockless: float = 1.5
    """Blockiness of a picture that is said to show none, at most."""
    dark: float = 90.0
    """Brightness (0..255) of what is called dark, at most."""
    bright: float = 140.0
    """Brightness of what is called bright or too bright, at least."""
    low_contrast: float = 40.0
    """Contrast (0..127) of what is said to have little, at most."""
    high_contrast: float = 35.0
    """Contrast of what is said to have much, at least."""
    dull: float = 35.0
    """Colourfulness (0 up) of what is called colourless, at most."""
    colourful: float = 25.0
    """Colourfulness of what is called colourful, at least."""


@dataclass
class ConsistencyConfig:
    """Hint-Augmented Consistency Filtering: does a measurement speak against a sentence?"""

    enabled: bool = True
    """Whether to check sentences at all."""
    judge: str = "rules"
    """rules: the judge of ours that reads claims by words; endpoint: the model behind `judge_endpoint`."""
    judge_endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    """Where the judge is served."""
    use_label: bool = True
    """Whether the judge is told the damage where it is known, as of synthetic pictures."""
    max_dropped_share: float = 0.5
    """An item that would lose more of its sentences is made again."""
    bounds: HintBounds = field(default_factory=HintBounds)
    """Bounds of the rule-based judge."""


@dataclass
class PackConfig:
    """Which of the items that passed are packed."""

    balance: float = 3.0
    """Most items of a cell (easy or hard, and rating bin) as a multiple of the median cell; 0 keeps all."""
    bins: int = 8
    """Equal bins of the ratings 1 to 5."""


@dataclass
class RationalesConfig:
    """What `loupe data rationales` does: from labelled pictures to grounded rationales that passed two filters."""

    data: str = "data/pocket"
    """Data folder with the pictures and their labels."""
    out: str = "data/rationales"
    """Folder to write: a data folder that `loupe sft` reads."""
    splits: list[str] = field(default_factory=lambda: ["train", "val"])
    """Splits to write rationales for, those to learn from and those to be held out; the others are taken over as they
    are."""
    limit: int = 0
    """Pictures of a split to use, drawn by seed; 0 takes all."""
    protocol: str = "zoom-iqa"
    """Protocol by name, or the path of a YAML file; SFT must use the same one."""
    teacher: str = "endpoint"
    """endpoint: the model behind `endpoint`; truth: what the degradation engine knows of its own pictures."""
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    """Where the teacher is served."""
    prompts: str = ""
    """YAML file with the words for teacher and judge; empty for the built-in ones."""
    tell_opinion: bool = False
    """Whether the teacher is told the known opinion, as a hint."""
    rating_tolerance: float = 0.0
    """A rating further from the label than this is made again; 0 to accept any."""
    attempts: int = 3
    """How often an item is made before it is dropped."""
    on_failure: str = "stop"
    """What an item does whose request got no answer in all its tries or is not accepted (400, 413), or whose picture
    cannot be decoded: stop ends the run, which can go on later; drop drops the item."""
    reliance: RelianceConfig = field(default_factory=RelianceConfig)
    """Visual Reliance Filtering."""
    consistency: ConsistencyConfig = field(default_factory=ConsistencyConfig)
    """Hint-Augmented Consistency Filtering."""
    pack: PackConfig = field(default_factory=PackConfig)
    """Balance of what is packed."""
    resume: bool = False
    """Go on with what is in `out`."""
    seed: int = 0
    """Seed of the draw of pictures, of each request, and of the balance."""

    def check(self) -> None:
        """Refuse what cannot work, before any request. Raises ConfigError, and MissingFileError for an unknown
        protocol."""
        asks = load_protocol(self.protocol).asks
        if "rating" not in asks or "choice" in asks:
            raise ConfigError(
                f"got protocol={self.protocol}, which asks for {', '.join(asks) or 'nothing'}; wanted one that asks "
                "for the rating of one picture, as zoom-iqa does"
            )
        for name, value, known in (
            ("teacher", self.teacher, TEACHERS),
            ("consistency.judge", self.consistency.judge, JUDGES),
            ("on_failure", self.on_failure, ("stop", "drop")),
        ):
            if value not in known:
                raise ConfigError(f"got {name}={value}; wanted one of {', '.join(known)}")
        if not self.splits or set(self.splits) - set(SPLITS) or len(set(self.splits)) < len(self.splits):
            raise ConfigError(f"got splits={self.splits}; wanted one or more of {', '.join(SPLITS)}, each once")
        if self.attempts < 1 or self.limit < 0 or self.rating_tolerance < 0:
            raise ConfigError(
                f"got attempts={self.attempts}, limit={self.limit}, rating_tolerance={self.rating_tolerance}; wanted 1 "
                "or more, 0 or more, and 0 or more"
            )
        if not 1 <= self.reliance.min_signs <= 4 or not 0 <= self.reliance.max_iou <= 1:
            raise ConfigError(
                f"got reliance.min_signs={self.reliance.min_signs} and reliance.max_iou={self.reliance.max_iou}; "
                "wanted 1 to 4 signs, and 0 to 1"
            )
        if self.reliance.min_rating_gap <= 0 or self.reliance.min_entropy_gap <= 0:
            raise ConfigError(
                f"got reliance.min_rating_gap={self.reliance.min_rating_gap} and reliance.min_entropy_gap="
                f"{self.reliance.min_entropy_gap}; wanted gaps above 0, or every decision would differ"
            )
        if self.pack.balance < 0 or self.pack.bins < 1 or not 0 <= self.consistency.max_dropped_share <= 1:
            raise ConfigError(
                f"got pack.balance={self.pack.balance}, pack.bins={self.pack.bins}, consistency.max_dropped_share="
                f"{self.consistency.max_dropped_share}; wanted 0 or more, 1 or more, and 0 to 1"
            )
