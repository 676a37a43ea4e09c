"""Pictures that a visitor uploads, as plain RGB: the type is read from the bytes, never from the name.

Size and pixel caps are checked before anything is decoded; animated WebP and PNG give their first frame only.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps

from xkd_core.errors import BadInputError
from xkd_core.types import Float64, UInt8

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 25_000_000
FORMATS = ("PNG", "JPEG", "WEBP")
_ACCEPTED = "PNG, JPEG and WebP are accepted."
_FORBIDDEN = {  # first bytes of what people try -> what to call it
    b"GIF8": "a GIF",
    b"%PDF": "a PDF",
    b"BM": "a BMP",
    b"II*\x00": "a TIFF",
    b"MM\x00*": "a TIFF",
    b"PK\x03\x04": "a ZIP archive",
    b"\x00\x00\x01\x00": "an icon file",
}


def decode(data: bytes) -> UInt8:
    """Turn the bytes of an upload into (H, W, 3) uint8: EXIF orientation applied, transparency laid on white.

    16-bit grey is scaled to 8 bits (divided by 257), CMYK, grey and palette pictures become RGB.
    Raises BadInputError with one sentence for every file that cannot be used.
    """
    form = _sniffed(data)
    try:
        _check_pixels(*_declared(data, form))
        with Image.open(io.BytesIO(data), formats=[form]) as image:
            _check_pixels(*image.size)
            image.load()
            return _as_rgb(ImageOps.exif_transpose(image))
    except BadInputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadInputError(
            f"The picture has more than {MAX_PIXELS:,} pixels when unpacked. Save it smaller."
        ) from None
    except MemoryError:
        raise BadInputError("The picture needs more memory than there is. Upload a smaller one.") from None
    except Exception as error:  # Pillow's decoders raise many kinds: OSError, SyntaxError, ValueError, struct.error
        raise BadInputError(
            f"The {form} file is damaged or cut off and cannot be read. Save the picture again and upload the new file."
        ) from error


def _sniffed(data: bytes) -> str:
    """The format by content, or a refusal."""
    if not data:
        raise BadInputError(f"The file is empty. {_ACCEPTED}")
    if len(data) > MAX_BYTES:
        raise BadInputError(
            f"The file has {len(data) / 1024**2:.1f} MB; at most {MAX_BYTES // 1024**2} MB are accepted. "
            "Save the picture smaller."
        )
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    raise BadInputError(f"The file is {_called(data)}. {_ACCEPTED} Save the picture in one of these.")


def _called(data: bytes) -> str:
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head or head.startswith(b"<?xml"):
        return "an SVG or other XML text, not a picture made of pixels"
    if data[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file"
    return next(
        (name for start, name in _FORBIDDEN.items() if data.startswith(start)), "not a picture that is known here"
    )


def _declared(data: bytes, form: str) -> tuple[int, int]:
    """Width and height that the header claims; 0 x 0 for JPEG, whose header Pillow reads without allocating.

    libwebp allocates the whole canvas when a file is opened, so it must not see one that is too large.
    """
    if form == "PNG":
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if form == "JPEG":
        return 0, 0
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        both = int.from_bytes(data[21:25], "little")
        return 1 + (both & 0x3FFF), 1 + (both >> 14 & 0x3FFF)
    return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BadInputError(
            f"The picture has {width} x {height} = {width * height:,} pixels; at most {MAX_PIXELS:,} are accepted. "
            "Save it smaller."
        )


def _as_rgb(image: Image.Image) -> UInt8:
    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image).astype(np.float64)
        grey = _eight_bits(np.where(deep == image.info.get("transparency", -1), 65535.0, deep))
        return np.repeat(grey[..., None], 3, axis=-1)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_white(image.convert("RGBA"))
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _eight_bits(deep: Float64) -> UInt8:
    """0..65535 to 0..255."""
    eight: UInt8 = np.floor(np.clip(deep / 257.0, 0.0, 255.0) + 0.5).astype(np.uint8)
    return eight


def _on_white(image: Image.Image) -> UInt8:
    """Lay RGBA over white, rounded half up: (H, W, 3)."""
    values = np.asarray(image, dtype=np.uint32)
    alpha = values[..., 3:]
    laid: UInt8 = ((values[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return laid
