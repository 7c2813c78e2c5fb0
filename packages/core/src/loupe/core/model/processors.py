"""Processors that need no torchvision, and the two settings that every processor must have here.

The stock processors of the Qwen families ask for a video processor, which asks for torchvision; ours handle images only
and are registered with AutoProcessor. Where torchvision is installed and works, stock processors are used. Every
processor pads on the left (TRL aligns image token types wrongly otherwise), and pixel limits sit on its image
processor, because that is the only place that all of its users read.
"""

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import (
    AutoProcessor,
    Qwen2_5_VLConfig,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLProcessor,
)

from loupe.core.files import read_json
from loupe.core.model.tokenizer import build_tokenizer

POCKET_SIDE = 112
"""Pixels a side of what the pocket agent sees of one view: 4 × 4 visual tokens."""


class ImageOnlyQwen2_5VLProcessor(Qwen2_5_VLProcessor):
    """Qwen2.5-VL's processor without the video half."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **kwargs)


class ImageOnlyQwen3VLProcessor(Qwen3VLProcessor):
    """Qwen3-VL's processor without the video half."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **kwargs)


_IMAGE_ONLY: dict[str, type[ImageOnlyQwen2_5VLProcessor] | type[ImageOnlyQwen3VLProcessor]] = {
    "qwen2_5_vl": ImageOnlyQwen2_5VLProcessor,
    "qwen3_vl": ImageOnlyQwen3VLProcessor,
}


def build_pocket_processor() -> ImageOnlyQwen2_5VLProcessor:
    """The pocket agent's processor: at most POCKET_SIDE² pixels an image, so at most 16 visual tokens.

    An image more than 16 times as long as it is wide takes more, at most 4 √ratio; above 200 it raises ValueError.
    """
    image_processor = Qwen2VLImageProcessorPil(
        patch_size=14,
        temporal_patch_size=2,
        merge_size=2,
        # One more than the square of the side: else rounding shrinks some squares, 384 pixels wide for one, to 84.
        size={"shortest_edge": 28 * 28, "longest_edge": POCKET_SIDE**2 + 1},
    )
    template = (files("loupe.core.model") / "chatml.jinja").read_text(encoding="utf-8")
    return ImageOnlyQwen2_5VLProcessor(image_processor, build_tokenizer(), chat_template=template)


def has_processor(folder: Path) -> bool:
    """True where a processor was saved in `folder`; adapters of other programs come without one."""
    return any((folder / name).is_file() for name in ("processor_config.json", "preprocessor_config.json"))


def load_processor(folder: Path, *, model_type: str) -> Any:
    """Processor saved in `folder`, padding on the left; `model_type` is the model's.

    A processor that was saved as image-only stays so, and keeps resizing by Pillow: what an agent sees, and so its
    rating, must not depend on what else is installed. Raises OSError, ValueError where the folder holds none.
    """
    register_image_only_processors()
    own = _IMAGE_ONLY[model_type]
    if _saved_class(folder) == own.__name__ or not _torchvision_works():
        # By its class and not by AutoProcessor: that would take a stock class by its name in the folder, and fail.
        processor: Any = own.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        processor.image_processor = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
    else:
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    processor.tokenizer.padding_side = "left"
    return processor


def register_image_only_processors() -> None:
    """Make AutoProcessor load the image-only classes in this process, where torchvision cannot be used."""
    if not _torchvision_works():
        AutoProcessor.register(Qwen2_5_VLConfig, ImageOnlyQwen2_5VLProcessor, exist_ok=True)
        AutoProcessor.register(Qwen3VLConfig, ImageOnlyQwen3VLProcessor, exist_ok=True)


def _saved_class(folder: Path) -> str | None:
    file = folder / "processor_config.json"
    return read_json(file).get("processor_class") if file.is_file() else None


def _torchvision_works() -> bool:
    if find_spec("torchvision") is None:
        return False
    try:
        import torchvision.ops  # noqa: F401 # pyright: ignore  - a build for another torch fails at import
    except (ImportError, RuntimeError, OSError):
        return False
    return True
