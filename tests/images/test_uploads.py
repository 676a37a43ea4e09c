"""Uploads: what is read how, and that every hostile or broken file gives one sentence."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from xkd_core.errors import BadInputError
from xkd_core.images import uploads
from xkd_core.images.uploads import decode


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *middle: bytes, bits: int = 8, colour: int = 2, rows: bytes = b"\0" * 52) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(middle) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def noisy(side: int = 64) -> Image.Image:
    return Image.fromarray(np.random.RandomState(0).randint(0, 255, (side, side, 3), dtype=np.uint8))


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_a_lossless_rgb_picture_comes_back_as_it_is(form: str) -> None:
    image = noisy()
    assert np.array_equal(decode(saved(image, form, lossless=True)), np.asarray(image))


def test_a_jpeg_is_read() -> None:
    assert np.abs(decode(saved(Image.new("RGB", (9, 5), (10, 200, 90)), "JPEG")).astype(int) - (10, 200, 90)).max() <= 3


@pytest.mark.parametrize(
    ("orientation", "corner"), [(1, (0, 0)), (2, (0, -1)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))]
)
@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_the_exif_orientation_is_applied(form: str, orientation: int, corner: tuple[int, int]) -> None:
    image = Image.new("RGB", (6, 3), (255, 0, 0))
    image.putpixel((0, 0), (0, 0, 255))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(saved(image, form, exif=exif, lossless=True))
    assert pixels.shape == ((3, 6, 3) if orientation < 5 else (6, 3, 3))
    assert tuple(pixels[corner]) == (0, 0, 255)
    assert (pixels == (0, 0, 255)).all(axis=2).sum() == 1


@pytest.mark.parametrize(
    ("image", "options", "expected"),
    [
        (Image.new("RGBA", (3, 2), (255, 0, 0, 0)), {}, (255, 255, 255)),
        (Image.new("RGBA", (3, 2), (0, 0, 0, 128)), {}, (127, 127, 127)),
        (Image.new("LA", (3, 2), (0, 128)), {}, (127, 127, 127)),
        (Image.new("L", (3, 2), 99), {}, (99, 99, 99)),
        (Image.new("L", (3, 2), 0), {"transparency": 0}, (255, 255, 255)),
        (Image.new("RGB", (3, 2), (1, 2, 3)), {"transparency": (1, 2, 3)}, (255, 255, 255)),
        (Image.new("1", (3, 2), 1), {}, (255, 255, 255)),
        (Image.fromarray(np.full((2, 3), 65_535, dtype=np.uint16)), {}, (255, 255, 255)),
        (Image.fromarray(np.full((2, 3), 257 * 7, dtype=np.uint16)), {}, (7, 7, 7)),
        (Image.fromarray(np.full((2, 3), 5, dtype=np.uint16)), {"transparency": 5}, (255, 255, 255)),
    ],
    ids=["rgba", "half", "grey-alpha", "grey", "grey-trns", "rgb-trns", "bit", "deep-white", "deep", "deep-trns"],
)
def test_every_png_mode_becomes_rgb_over_white(
    image: Image.Image, options: dict, expected: tuple[int, int, int]
) -> None:
    pixels = decode(saved(image, "PNG", **options))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (2, 3, 3)
    assert (pixels == expected).all()


def test_a_palette_png_with_transparency_is_laid_on_white() -> None:
    image = Image.new("P", (3, 2), 3)
    image.putpalette([value % 256 for value in range(768)])
    image.putpixel((0, 0), 1)
    pixels = decode(saved(image, "PNG", transparency=3))
    assert tuple(pixels[0, 0]) == (3, 4, 5)
    assert (pixels[1] == 255).all()


def test_a_16_bit_rgb_png_is_scaled() -> None:
    data = png(1, 1, bits=16, rows=b"\0" + struct.pack(">HHH", 65_535, 0x8080, 0))
    assert decode(data).tolist() == [[[255, 128, 0]]]


def test_a_cmyk_jpeg_becomes_rgb() -> None:
    assert tuple(decode(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))[4, 4]) == (255, 0, 0)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(form: str) -> None:
    first, second = Image.new("RGB", (5, 4), "red"), Image.new("RGB", (5, 4), "blue")
    data = saved(first, form, save_all=True, append_images=[second], lossless=True)
    assert (decode(data) == (255, 0, 0)).all()


def test_the_type_is_read_from_the_bytes() -> None:
    """There is no file name to trust; a PNG signature before other content does not help either."""
    with pytest.raises(BadInputError, match="PNG file is damaged"):
        decode(b"\x89PNG\r\n\x1a\n" + saved(Image.new("RGB", (3, 3)), "GIF"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (saved(Image.new("RGB", (3, 3)), "GIF"), "a GIF"),
        (saved(Image.new("RGB", (3, 3)), "TIFF"), "a TIFF"),
        (saved(Image.new("RGB", (3, 3)), "BMP"), "a BMP"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG"),
        (b"\xef\xbb\xbf  <SVG onload='alert(1)'>", "an SVG"),
        (b"%PDF-1.7", "a PDF"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"hello", "not a picture"),
        (b"RIFF\0\0\0\0WAVE", "not a picture"),
    ],
)
def test_other_files_are_refused_by_name(data: bytes, words: str) -> None:
    with pytest.raises(BadInputError, match=words) as caught:
        decode(data)
    assert "PNG, JPEG and WebP are accepted." in str(caught.value)


def test_a_file_over_ten_megabytes_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(BadInputError, match="10 MB"):
        decode(b"\x89PNG\r\n\x1a\n" + bytes(uploads.MAX_BYTES))


def webp_header(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBP" + kind + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "data",
    [
        png(50_000, 50_000),
        png(5_000, 5_001),
        png(2**31 - 1, 1),
        webp_header(b"VP8X", b"\x02\0\0\0" + b"\xff" * 6),
        webp_header(b"VP8L", b"\x2f" + b"\xff\xff\xff\x0f" + b"\0" * 9),
        webp_header(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 16_000, 16_000) + b"\0" * 9),
    ],
    ids=["png", "just over", "wide", "webp-x", "webp-lossless", "webp-lossy"],
)
def test_a_bomb_is_refused_from_its_header_alone(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(BadInputError, match=r"pixels; at most 25,000,000 are accepted"):
        decode(data)


@pytest.mark.parametrize("side", [6_000, 16_000, 65_500])
def test_a_jpeg_bomb_is_refused_before_decoding(side: int) -> None:
    data = bytearray(saved(Image.new("RGB", (8, 8)), "JPEG"))
    place = data.index(b"\xff\xc0")
    data[place + 5 : place + 9] = struct.pack(">HH", side, side)
    with pytest.raises(BadInputError, match=r"pixels.*Save it smaller"):
        decode(bytes(data))


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_a_bomb_inside_a_png_chunk_is_refused(kind: bytes) -> None:
    filler = zlib.compress(b"\0" * 100_000_000, 9)
    with pytest.raises(BadInputError, match="damaged"):
        decode(png(4, 4, chunk(kind, b"a\0\0" + filler)))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_off_file_is_refused(form: str, share: float) -> None:
    data = saved(noisy(), form)
    with pytest.raises(BadInputError, match=f"{form} file is damaged or cut off"):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_flipped_bytes_give_pixels_or_a_sentence_and_nothing_else(form: str) -> None:
    random, data = np.random.RandomState(3), saved(noisy(24), form)
    for _ in range(150):
        broken = bytearray(data)
        for _ in range(random.randint(1, 8)):
            broken[random.randint(8 if form == "PNG" else 0, len(data))] = random.randint(256)
        try:
            pixels = decode(bytes(broken))
        except BadInputError:
            continue
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3


def test_bad_exif_does_not_spoil_a_good_picture() -> None:
    assert decode(saved(noisy(8), "JPEG", exif=b"Exif\0\0garbage")).shape == (8, 8, 3)


def test_the_last_file_is_forgotten() -> None:
    """A large picture leaves nothing behind that a small one could show."""
    decode(saved(noisy(64), "PNG"))
    assert (decode(saved(Image.new("RGB", (4, 4), "white"), "PNG")) == 255).all()
