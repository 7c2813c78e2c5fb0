"""Pictures as people see them, whatever the file; and one line for each file that is no picture."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from loupe.core.errors import ImageError, LoupeError, MissingFileError
from loupe.core.images import open_image

RED, WHITE = (255, 0, 0), (255, 255, 255)
ORIENTATION = 0x0112


def corner_marked(width: int = 24, height: int = 16) -> Image.Image:
    """White, with a red block in the upper left corner."""
    image = Image.new("RGB", (width, height), WHITE)
    image.paste(RED, (0, 0, 8, 8))
    return image


def with_orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = value
    return exif


def reason(path: Path, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        open_image(path, **options)
    text = str(caught.value)
    assert path.name in text
    assert "\n" not in text
    return text


def test_an_ordinary_picture_comes_back_pixel_by_pixel(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = open_image(tmp_path / "a.png")
    assert image.mode == "RGB"
    assert (np.asarray(image) == pixels).all()


# Where the marked corner of the upright picture lies in the stored one, for each orientation of the EXIF standard.
STORED = {
    1: lambda image: image,
    2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
    4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
    7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
}


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_rotated_picture_is_brought_upright_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"a.{suffix}"
    options = {"quality": 100} | ({"lossless": True} if suffix == "webp" else {})
    STORED[orientation](corner_marked()).save(path, exif=with_orientation(orientation), **options)
    image = open_image(path)
    assert image.size == (24, 16)
    assert image.getexif().get(ORIENTATION) is None
    assert np.abs(np.asarray(image)[2:6, 2:6].astype(int) - RED).max() < 12
    assert np.asarray(image)[10:, 12:].min() > 240


def test_an_orientation_that_does_not_exist_leaves_the_picture_as_it_is(tmp_path: Path) -> None:
    corner_marked().save(tmp_path / "a.png", exif=with_orientation(77))
    assert open_image(tmp_path / "a.png").size == (24, 16)


def test_damaged_metadata_does_not_refuse_a_good_picture(tmp_path: Path) -> None:
    corner_marked().save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffgarbage")
    assert open_image(tmp_path / "a.jpg").size == (24, 16)


def test_alpha_lies_over_white(tmp_path: Path) -> None:
    half = Image.new("RGBA", (16, 16), (255, 0, 0, 128))
    half.paste((0, 255, 0, 0), (0, 0, 8, 8))
    half.save(tmp_path / "a.png")
    image = open_image(tmp_path / "a.png")
    assert image.getpixel((2, 2)) == WHITE
    assert image.getpixel((12, 12)) == (255, 127, 127)


def test_grey_with_alpha_lies_over_white(tmp_path: Path) -> None:
    Image.new("LA", (16, 16), (0, 0)).save(tmp_path / "a.png")
    assert open_image(tmp_path / "a.png").getpixel((2, 2)) == WHITE


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_a_transparent_palette_colour_is_white_and_the_others_are_themselves(tmp_path: Path, suffix: str) -> None:
    image = Image.new("P", (16, 16), 0)
    image.putpalette([0, 0, 255, 255, 0, 0] + [0] * 762)
    image.paste(1, (8, 8, 16, 16))
    image.save(tmp_path / f"a.{suffix}", transparency=0)
    read = open_image(tmp_path / f"a.{suffix}")
    assert read.getpixel((2, 2)) == WHITE
    assert read.getpixel((12, 12)) == RED


def test_a_palette_is_resolved(tmp_path: Path) -> None:
    corner_marked().convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "a.png")
    assert np.asarray(open_image(tmp_path / "a.png"))[2, 2].tolist() == [255, 0, 0]


def test_black_and_white_is_black_and_white(tmp_path: Path) -> None:
    image = Image.new("1", (16, 16), 1)
    image.paste(0, (0, 0, 8, 8))
    image.save(tmp_path / "a.png")
    read = open_image(tmp_path / "a.png")
    assert [read.getpixel((2, 2)), read.getpixel((12, 12))] == [(0, 0, 0), WHITE]


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_sixteen_bits_of_grey_are_scaled_and_not_clipped(tmp_path: Path, suffix: str) -> None:
    grey = np.repeat(np.array([[0, 255, 256, 257, 32768, 65278, 65535, 40000]], dtype=np.uint16), 8, axis=0)
    path = tmp_path / f"a.{suffix}"
    if suffix == "pgm":
        path.write_bytes(b"P5 8 8 65535\n" + grey.astype(">u2").tobytes())
    else:
        Image.fromarray(grey).save(path)
    image = np.asarray(open_image(path))
    assert image[0, :, 0].tolist() == [0, 1, 1, 1, 128, 254, 255, 156]
    assert (image[..., 0] == image[..., 2]).all()


def test_values_of_unknown_scale_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16), 0.5, dtype=np.float32)).save(tmp_path / "a.tiff")
    assert "save it as 8 or 16 bit" in reason(tmp_path / "a.tiff")


def test_cmyk_without_a_profile_is_the_plain_complement(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    pixel = np.asarray(open_image(tmp_path / "a.jpg"))[8, 8].astype(int)
    assert np.abs(pixel - RED).max() <= 3


def test_a_profile_that_does_not_fit_cmyk_falls_back_to_the_plain_complement(tmp_path: Path) -> None:
    for number, profile in enumerate([ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"garbage"]):
        path = tmp_path / f"{number}.jpg"
        Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path, quality=100, icc_profile=profile)
        assert np.abs(np.asarray(open_image(path))[8, 8].astype(int) - RED).max() <= 3


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tiff"])
def test_of_an_animation_the_first_frame_counts(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
    assert open_image(tmp_path / f"a.{suffix}").getpixel((8, 8)) == RED


def test_a_name_says_nothing_about_the_format(tmp_path: Path) -> None:
    with (tmp_path / "really_png.jpg").open("wb") as stream:
        corner_marked().save(stream, "PNG")
    assert open_image(tmp_path / "really_png.jpg").size == (24, 16)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"gone\.jpg: no such file"):
        open_image(tmp_path / "gone.jpg")


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    assert "is a folder" in reason(tmp_path)


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    assert "is empty" in reason(tmp_path / "a.jpg")


def test_a_text_that_is_called_jpg_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("dear diary, today I took no picture\n" * 40)
    assert "is no image that can be read" in reason(tmp_path / "notes.jpg")


def test_formats_that_run_an_interpreter_are_not_opened(tmp_path: Path) -> None:
    corner_marked().save(tmp_path / "a.eps")
    assert "is no image that can be read" in reason(tmp_path / "a.eps")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "tiff", "bmp"])
def test_a_truncated_picture_is_refused_and_not_filled_up(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cannot be decoded" in reason(path) or "no image that can be read" in reason(path)


def test_a_picture_of_one_pixel_holds_too_little_to_judge(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "a.png")
    assert "is 1 x 1 px; wanted at least 8 px a side" in reason(tmp_path / "a.png")


def test_the_smallest_picture_is_eight_pixels_wide(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    Image.new("RGB", (7, 8)).save(tmp_path / "b.png")
    assert open_image(tmp_path / "a.png").size == (8, 8)
    reason(tmp_path / "b.png")


def test_a_side_of_thirty_thousand_pixels_is_refused_with_advice(tmp_path: Path) -> None:
    Image.new("L", (30_000, 400)).save(tmp_path / "a.png")
    assert "is 30,000 x 400 px; wanted at most 20,000 px a side; cut it into windows" in reason(tmp_path / "a.png")


def test_a_strip_is_refused_for_its_ratio(tmp_path: Path) -> None:
    Image.new("L", (1608, 16)).save(tmp_path / "a.png")
    Image.new("L", (1600, 16)).save(tmp_path / "b.png")
    assert "ratio up to 100" in reason(tmp_path / "a.png")
    assert open_image(tmp_path / "b.png").size == (1600, 16)


def test_the_limit_of_pixels_can_be_set(tmp_path: Path) -> None:
    Image.new("L", (50, 40)).save(tmp_path / "a.png")
    assert open_image(tmp_path / "a.png", max_pixels=2000).size == (50, 40)
    assert "wanted at most 1,999 pixels in all" in reason(tmp_path / "a.png", max_pixels=1999)


@pytest.mark.parametrize("side", [9_000, 15_000, 60_000])
def test_a_bomb_is_refused_before_a_pixel_is_decoded(tmp_path: Path, side: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + data)
    assert "make it smaller" in reason(tmp_path / "bomb.png")


def test_control_codes_in_a_file_name_stay_out_of_the_message(tmp_path: Path) -> None:
    (tmp_path / "a\n\x1b[31m.jpg").write_bytes(b"")
    with pytest.raises(ImageError) as caught:
        open_image(tmp_path / "a\n\x1b[31m.jpg")
    assert str(caught.value).isprintable()


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


GOOD = [
    encoded(corner_marked(), "JPEG", exif=with_orientation(6)),
    encoded(corner_marked().convert("CMYK"), "JPEG"),
    encoded(corner_marked().convert("P"), "PNG"),
    encoded(corner_marked().convert("RGBA"), "PNG", exif=with_orientation(3)),
    encoded(corner_marked(), "WEBP"),
    encoded(corner_marked(), "GIF"),
    encoded(corner_marked(), "AVIF"),
    encoded(corner_marked(), "JPEG2000"),
]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_file_gives_a_picture_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from(GOOD)))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "a.bin"
    path.write_bytes(content)
    try:
        assert open_image(path).mode == "RGB"
    except LoupeError as error:
        assert "\n" not in str(error)
