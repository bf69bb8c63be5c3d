"""Pixels into files. Everything goes band by band into an open file, so that no second full copy arises
where the format's library does not insist on one."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

import numpy as np
from PIL import Image

from core.images import apart
from core.images import exif as image_exif
from core.images.colour import grey_of, row_bands, to_8bit, to_16bit
from core.images.decode16 import quiet_cv2
from core.images.exif import RawTag, TagTree
from core.images.formats import FORMATS
from core.images.headers_boxes import EXIF_UUID, XMP_UUID, boxes
from core.images.sniff import ByteSource

_BAND_PIXELS = 500_000
_DEFLATE_LEVEL = 2  # on photos three times as fast as 6, for 1 to 3 percent more bytes

_T = TypeVar("_T")
_R = TypeVar("_R")


# OpenCV's encoder, the one that keeps 16 bits, halves the picture five times whatever its size.
MIN_DEEP_JPEG2000_EDGE_PX = 64
MAX_JPEG_SEGMENT_BYTES = 65_502


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """A picture ready to be written; metadata already fit for output."""

    format: str
    pixels: np.ndarray  # (H, W, 3) uint8 | uint16
    alpha: np.ndarray | None
    grey: bool
    depth: int  # 8 | 16: what to write (16 means 12 in AVIF)
    quality: int
    icc: bytes | None
    exif: bytes | None
    xmp: bytes | None
    dpi: tuple[float, float] | None

    @property
    def channels(self) -> int:
        return (1 if self.grey else 3) + (self.alpha is not None)

    @property
    def pillow_mode(self) -> str:
        return {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[self.channels]

    def band(self, rows: slice) -> np.ndarray:
        """(h, w) or (h, w, channels), contiguous, in the depth to write."""
        convert = to_16bit if self.depth == 16 else to_8bit
        pixels = self.pixels[rows]
        colour = convert(grey_of(pixels) if self.grey else pixels)
        if self.alpha is None:
            return np.ascontiguousarray(colour)
        out = np.empty((*colour.shape[:2], self.channels), colour.dtype)
        out[..., :-1] = colour if colour.ndim == 3 else colour[..., None]
        out[..., -1] = convert(self.alpha[rows])
        return out


def encode(job: EncodeJob, file: BinaryIO) -> None:
    """Write ``job`` to an open binary file. Raises OSError, ValueError and whatever encoders raise."""
    if job.format == "TIFF":
        _write_tiff(job, file)
    elif job.format == "PNG":
        _write_png(job, file)
    elif job.format == "JPEG2000":
        _write_jpeg2000(job, file)
    elif job.format == "AVIF" and job.depth == 16:
        _write_avif12(job, file)
    elif job.format == "BMP" and job.alpha is not None:
        _write_bmp5(job, file)
    else:
        _write_pillow(job, file)


def flattened(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """``pixels`` laid on white, for formats without transparency; same shape and depth."""
    top = int(np.iinfo(pixels.dtype).max)
    out = np.empty_like(pixels, order="C")
    for rows in row_bands(pixels):
        cover = alpha[rows][..., None].astype(np.uint64)
        mixed = pixels[rows].astype(np.uint64) * cover + top * (top - cover) + top // 2
        out[rows] = mixed // top
    return out


# --- Pillow --------------------------------------------------------------------------------------


def _pillow_image(job: EncodeJob) -> Image.Image:
    height, width = job.pixels.shape[:2]
    image = Image.new(job.pillow_mode, (width, height))
    for rows in row_bands(job.pixels, _BAND_PIXELS):
        image.paste(Image.fromarray(job.band(rows)), (0, rows.start))
    return image


def _write_pillow(job: EncodeJob, file: BinaryIO) -> None:
    options: dict[str, Any] = {}
    if FORMATS[job.format].metadata:
        options["icc_profile"] = job.icc
        if job.exif:
            options["exif"] = job.exif
    if job.dpi and job.format in ("JPEG", "BMP"):
        options["dpi"] = job.dpi
    match job.format:
        case "JPEG":
            options |= {"quality": job.quality, "subsampling": 0 if job.quality >= 90 else 2}
            if job.exif:
                options["exif"] = b"Exif\0\0" + job.exif
            if job.xmp:
                options["xmp"] = job.xmp
        case "WEBP":
            options |= {"quality": job.quality, "lossless": job.quality == 100, "exact": True}
            options["xmp"] = job.xmp or b""
        case "AVIF":
            options |= {"quality": job.quality, "subsampling": "4:0:0" if job.grey else "4:4:4", "speed": 8}
            if job.exif:
                # Given an orientation, Pillow would build the block anew and break the maker's notes.
                options["exif"] = image_exif.without_orientation(job.exif)
            if job.xmp:
                options["xmp"] = job.xmp
    sink: Any = _Sink(file)
    _pillow_image(job).save(sink, format=job.format, **options)


class _Sink:
    """A file without a number. Given one, Pillow writes past Python and forgets what went wrong."""

    def __init__(self, file: BinaryIO) -> None:
        self.write, self.flush = file.write, file.flush


# --- many hands for zlib -------------------------------------------------------------------------


def _in_order(work: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
    """``map`` on a few threads (zlib lets go of the interpreter) that never runs far ahead."""
    workers = min(8, os.cpu_count() or 1)
    waiting: deque[Future[_R]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="deflate") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


# --- PNG --------------------------------------------------------------------------------


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _write_png(job: EncodeJob, file: BinaryIO) -> None:
    height, width = job.pixels.shape[:2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[job.channels]
    file.write(b"\x89PNG\r\n\x1a\n")
    file.write(_png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, job.depth, colour, 0, 0, 0)))
    if job.icc:
        file.write(_png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(job.icc)))
    if job.dpi:
        x, y = (round(value / 0.0254) for value in job.dpi)
        file.write(_png_chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
    if job.exif:
        file.write(_png_chunk(b"eXIf", job.exif))
    if job.xmp:
        file.write(_png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + job.xmp))
    file.write(_png_chunk(b"IDAT", b"\x78\x9c"))  # the zlib header; blocks follow
    checksum = 1

    def packed(rows: slice) -> tuple[bytes, bytes]:
        filtered = _png_filtered(job, rows)
        machine = zlib.compressobj(_DEFLATE_LEVEL, zlib.DEFLATED, -15, 8)
        # A full flush ends on a byte border, so that bands packed apart make one stream.
        return filtered, machine.compress(filtered) + machine.flush(zlib.Z_FULL_FLUSH)

    for filtered, data in _in_order(packed, row_bands(job.pixels, _BAND_PIXELS)):
        checksum = zlib.adler32(filtered, checksum)
        file.write(_png_chunk(b"IDAT", data))
    file.write(_png_chunk(b"IDAT", b"\x03\x00" + struct.pack(">I", checksum)))
    file.write(_png_chunk(b"IEND", b""))


def _png_filtered(job: EncodeJob, rows: slice) -> bytes:
    """Rows with the filter (1: left neighbour, 2: row above) that leaves the smaller differences."""
    first = max(rows.start - 1, 0)
    wide = job.band(slice(first, rows.stop))
    data = wide.astype(wide.dtype.newbyteorder(">"), copy=False).view(np.uint8).reshape(wide.shape[0], -1)
    step = job.depth // 8 * job.channels
    above = np.zeros_like(data[:1]) if rows.start == 0 else data[:1]
    data = data if rows.start == 0 else data[1:]
    left = data.copy()
    left[:, step:] -= data[:, :-step]
    up = data.copy()
    up[0] -= above[0]
    up[1:] -= data[:-1]
    # Differences count as signed: 255 is a step of -1.
    cost_left, cost_up = (
        np.minimum(part, np.uint8(0) - part).sum(axis=1, dtype=np.int64) for part in (left, up)
    )
    out = np.empty((data.shape[0], data.shape[1] + 1), np.uint8)
    better = cost_left <= cost_up
    out[:, 0] = np.where(better, 1, 2)
    np.copyto(out[:, 1:], up)
    out[better, 1:] = left[better]
    return out.tobytes()


# --- TIFF ----------------------------------------------------------------------------------------


def _write_tiff(job: EncodeJob, file: BinaryIO) -> None:
    """Deflate with horizontal differencing, a strip a band: the lossless TIFF most programs read."""
    height, width = job.pixels.shape[:2]
    rows = row_bands(job.pixels, _BAND_PIXELS)
    file.write(b"II*\0" + bytes(4))
    position, offsets, sizes = 8, [], []
    for data in _in_order(lambda band: _tiff_strip(job, band), rows):
        file.write(data)
        offsets.append(position)
        sizes.append(len(data))
        position += len(data)
    if position % 2:
        file.write(b"\0")
        position += 1
    main = _tiff_tags(job, width, height, rows[0].stop, offsets, sizes)
    tree = TagTree(())
    if job.exif:
        tree = image_exif.block_tree(job.exif)
        own = {tag.tag for tag in main}
        main += [tag for tag in tree.main if tag.tag not in own]
    directories, first = image_exif.build_directories(
        TagTree(tuple(main), tree.exif, tree.gps, tree.interop), position
    )
    if position + len(directories) >= 2**32:
        raise ValueError(f"a TIFF of {position + len(directories)} bytes; the format ends at 4 GiB")
    file.write(directories)
    file.seek(4)
    file.write(struct.pack("<I", first))
    file.seek(0, os.SEEK_END)


def _tiff_strip(job: EncodeJob, rows: slice) -> bytes:
    band = job.band(rows)
    out = band.copy()
    out[:, 1:] -= band[:, :-1]
    return zlib.compress(out.astype(out.dtype.newbyteorder("<"), copy=False).data, _DEFLATE_LEVEL)


def _tiff_tags(
    job: EncodeJob, width: int, height: int, rows: int, offsets: list[int], sizes: list[int]
) -> list[RawTag]:
    def short(tag: int, *values: int) -> RawTag:
        return RawTag(tag, 3, len(values), struct.pack(f"<{len(values)}H", *values))

    def long(tag: int, *values: int) -> RawTag:
        return RawTag(tag, 4, len(values), struct.pack(f"<{len(values)}I", *values))

    tags = [
        long(254, 0),
        long(256, width),
        long(257, height),
        short(258, *[job.depth] * job.channels),
        short(259, 8),  # Adobe deflate
        short(262, 1 if job.grey else 2),
        long(273, *offsets),
        short(image_exif.ORIENTATION, 1),
        short(277, job.channels),
        long(278, rows),
        long(279, *sizes),
        short(284, 1),
        short(317, 2),
    ]
    if job.alpha is not None:
        tags.append(short(338, 2))  # not premultiplied
    if job.dpi:
        for tag, value in zip((282, 283), job.dpi, strict=True):
            tags.append(RawTag(tag, 5, 1, struct.pack("<II", round(value * 1000), 1000)))
        tags.append(short(296, 2))
    if job.icc:
        tags.append(RawTag(image_exif.ICC_PROFILE, 7, len(job.icc), job.icc))
    if job.xmp:
        tags.append(RawTag(image_exif.XMP_PACKET, 1, len(job.xmp), job.xmp))
    return tags


# --- JPEG 2000 -----------------------------------------------------------------------------------


def _write_jpeg2000(job: EncodeJob, file: BinaryIO) -> None:
    data = _jpeg2000_deep(job) if job.depth == 16 else _jpeg2000_plain(job)
    source = ByteSource("", io.BytesIO(data))
    for kind, at, length in boxes(source, 0, len(data)):
        content = data[at : at + length]
        if kind == b"jp2h" and job.icc:
            content = _with_profile(source, at, length, job.icc)
        file.write(_box(kind, content))
    if job.exif:
        file.write(_box(b"uuid", EXIF_UUID + job.exif))
    if job.xmp:
        file.write(_box(b"uuid", XMP_UUID + job.xmp))


def _box(kind: bytes, content: bytes) -> bytes:
    if len(content) + 8 < 2**32:
        return struct.pack(">I4s", len(content) + 8, kind) + content
    return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content


def _with_profile(source: ByteSource, at: int, length: int, icc: bytes) -> bytes:
    out = b""
    for kind, inner_at, inner_length in boxes(source, at, at + length):
        content = source.at(inner_at, inner_length)
        out += _box(kind, b"\2\0\0" + icc if kind == b"colr" else content)
    return out


def _jpeg2000_plain(job: EncodeJob) -> bytes:
    height, width = job.pixels.shape[:2]
    options: dict[str, Any] = {"num_resolutions": max(1, min(6, min(height, width).bit_length()))}
    if job.quality < 100:
        # Quality 95 asks for 47.5 dB, 80 for 40: what JPEG gives at those settings, about.
        options |= {"irreversible": True, "quality_mode": "dB", "quality_layers": [job.quality / 2]}
    if not job.grey:
        options["mct"] = 1
    if apart.is_worth_it(width, height):
        bands = (job.band(rows) for rows in row_bands(job.pixels, _BAND_PIXELS))
        return _encoded_apart(lambda: apart.encoded(bands, job.pillow_mode, (width, height), options))
    buffer = io.BytesIO()
    _pillow_image(job).save(buffer, format="JPEG2000", **options)
    return buffer.getvalue()


def _encoded_apart(encode: Callable[[], bytes]) -> bytes:
    try:
        return encode()
    except apart.ApartFailed as error:
        raise ValueError(f"JPEG 2000 encoder: {error}") from error


def _jpeg2000_deep(job: EncodeJob) -> bytes:
    """Lossless: whoever keeps 16 bits in this format wants them all."""
    cv2 = quiet_cv2()
    height, width = job.pixels.shape[:2]
    planes = _bgr(job, 65535)
    if apart.is_worth_it(width, height):
        return _encoded_apart(lambda: apart.encoded_deep(planes))
    done, data = cv2.imencode(".jp2", planes, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])
    if not done:
        raise ValueError(f"JPEG 2000 encoder refused {width} x {height} px at 16 bits")
    return bytes(data)


# --- BMP with transparency -----------------------------------------------------------------------


def _write_bmp5(job: EncodeJob, file: BinaryIO) -> None:
    """Version 5, which says where the alpha of a pixel is; Pillow writes version 3, where it is nothing."""
    height, width = job.pixels.shape[:2]
    size, pixels_at = 4 * width * height, 14 + 124
    per_m = [round(dpi / 0.0254) for dpi in job.dpi or (0, 0)]
    file.write(struct.pack("<2sIHHI", b"BM", pixels_at + size, 0, 0, pixels_at))
    file.write(struct.pack("<IiiHHIIiiII", 124, width, height, 1, 32, 3, size, *per_m, 0, 0))
    file.write(
        struct.pack("<4I4s48x4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs", 4, 0, 0, 0)
    )  # sRGB, a photo
    for rows in reversed(list(row_bands(job.pixels, _BAND_PIXELS))):  # the lowest row comes first
        band = job.band(rows)
        order = [2, 1, 0, 3] if job.channels == 4 else [0, 0, 0, 1]
        file.write(np.ascontiguousarray(band[::-1][..., order]).data)


# --- OpenCV's order ------------------------------------------------------------------------------


def _bgr(job: EncodeJob, top: int) -> np.ndarray:
    """A 16-bit picture as OpenCV wants it, with values 0..``top``: grey, BGR or BGRA."""
    height, width = job.pixels.shape[:2]
    shape = (height, width) if job.channels == 1 else (height, width, 3 if job.alpha is None else 4)
    planes = np.empty(shape, np.uint16)
    for rows in row_bands(job.pixels, _BAND_PIXELS):
        band = job.band(rows)
        if job.channels == 2:
            band = band[..., [0, 0, 0, 1]]
        elif job.channels >= 3:
            band = band[..., [2, 1, 0, 3][: job.channels]]
        planes[rows] = band if top == 65535 else (band.astype(np.uint32) * top + 32767) // 65535
    return planes


def _write_avif12(job: EncodeJob, file: BinaryIO) -> None:
    cv2 = quiet_cv2()
    kinds = (cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_XMP, cv2.IMAGE_METADATA_ICCP)
    blocks = [(k, b) for k, b in zip(kinds, (job.exif, job.xmp, job.icc), strict=True) if b]
    done, data = cv2.imencodeWithMetadata(
        ".avif",
        _bgr(job, 4095),
        [kind for kind, _ in blocks],
        [np.frombuffer(block, np.uint8) for _, block in blocks],
        [cv2.IMWRITE_AVIF_DEPTH, 12, cv2.IMWRITE_AVIF_QUALITY, job.quality],
    )
    if not done:
        raise ValueError("AVIF encoder refused the picture")
    file.write(data.data)
