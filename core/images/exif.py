"""EXIF blocks, which are small TIFF files: read, edited in place, and built.

Camera makers' private notes hold offsets that count from the start of the block, so a block that is
taken apart and put together again loses them. Editing therefore never moves a byte: values are patched
where they stand, a removed entry closes its own gap inside its directory, new data goes to the end.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

ORIENTATION = 274
EXIF_IFD, GPS_IFD, INTEROP_IFD = 34665, 34853, 40965
ICC_PROFILE, XMP_PACKET = 34675, 700
_PIXEL_X, _PIXEL_Y = 40962, 40963
_MAKER_NOTE = 37500
_THUMB_OFFSET, _THUMB_LENGTH = 513, 514
_STRIP_OFFSETS, _STRIP_BYTES = 273, 279

# Tags of a TIFF's main directory that describe the photo rather than the way its pixels are stored.
DESCRIPTIVE_TAGS = frozenset(
    {*range(269, 273), 282, 283, 285, 296, 305, 306, 315, 316, 18246, 18249, 33432, 33723, 36867}
    | {*range(40091, 40096), 42033, 42035, 42036, 42037, 50341}
)

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_BIG_TYPE_BYTES = {16: 8, 17: 8, 18: 8}
_WORD_BYTES = {3: 2, 8: 2, 4: 4, 9: 4, 11: 4, 13: 4, 5: 4, 10: 4, 12: 8, 16: 8, 17: 8, 18: 8}
_MAX_ENTRIES = 4096
MAX_VALUE_BYTES = 64 << 20


class ExifError(ValueError):
    """The block's structure is broken."""


ReadAt = Callable[[int, int], bytes]
"""(offset, length) -> exactly that many bytes, or :class:`ExifError`/``EOFError``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One directory entry; ``value_at`` is where its bytes stand in the file or block."""

    tag: int
    type: int
    count: int
    at: int
    value_at: int

    @property
    def value_bytes(self) -> int:
        return (_TYPE_BYTES.get(self.type) or _BIG_TYPE_BYTES.get(self.type, 0)) * self.count


@dataclass(frozen=True, slots=True)
class Directory:
    offset: int
    entries: dict[int, Entry]
    count: int
    next_at: int  # where the pointer to the following directory stands
    next_offset: int
    repeated: tuple[Entry, ...] = ()  # further entries of a tag that came before


@dataclass(frozen=True, slots=True)
class RawTag:
    """A tag with its value as bytes in little-endian order, ready to be written."""

    tag: int
    type: int
    count: int
    value: bytes


class TiffReader:
    """Directories of a TIFF structure: an EXIF block, a TIFF or a BigTIFF file."""

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        head = read_at(0, 8)
        if head[:2] not in (b"II", b"MM"):
            raise ExifError(f"starts with {head[:4]!r}, not with a TIFF header")
        self.endian = "<" if head[:2] == b"II" else ">"
        magic = struct.unpack(self.endian + "H", head[2:4])[0]
        if magic not in (42, 43):
            raise ExifError(f"TIFF version {magic}, not 42 or 43")
        self.big = magic == 43
        if self.big:
            self.first = struct.unpack(self.endian + "Q", read_at(8, 8))[0]
        else:
            self.first = struct.unpack(self.endian + "I", head[4:8])[0]

    def directory(self, offset: int) -> Directory:
        e, big = self.endian, self.big
        head, size, inline = (8, 20, 8) if big else (2, 12, 4)
        if offset < 8:
            raise ExifError(f"directory at byte {offset}")
        (count,) = struct.unpack(e + ("Q" if big else "H"), self._read_at(offset, head))
        if count > _MAX_ENTRIES:
            raise ExifError(f"directory with {count} entries")
        body = self._read_at(offset + head, count * size + inline)
        entries: dict[int, Entry] = {}
        repeated: list[Entry] = []
        for i in range(count):
            at = i * size
            tag, kind, n = struct.unpack_from(e + ("HHQ" if big else "HHI"), body, at)
            width = _TYPE_BYTES.get(kind) or (_BIG_TYPE_BYTES.get(kind) if big else None)
            if width is None:
                continue  # an unknown type: readers must skip the entry
            field = at + size - inline
            if width * n <= inline:
                value_at = offset + head + field
            else:
                value_at = struct.unpack_from(e + ("Q" if big else "I"), body, field)[0]
            entry = Entry(tag, kind, n, offset + head + at, value_at)
            if entries.setdefault(tag, entry) is not entry:
                repeated.append(entry)
        (following,) = struct.unpack_from(e + ("Q" if big else "I"), body, count * size)
        return Directory(offset, entries, count, offset + head + count * size, following, tuple(repeated))

    def chain(self, limit: int = 4096) -> list[Directory]:
        """The directories that follow each other from the first one."""
        found: list[Directory] = []
        seen: set[int] = set()
        offset = self.first
        while offset and len(found) < limit:
            if offset in seen:
                raise ExifError(f"directories go round in a circle at byte {offset}")
            seen.add(offset)
            found.append(self.directory(offset))
            offset = found[-1].next_offset
        return found

    def raw(self, entry: Entry) -> bytes:
        if entry.value_bytes > MAX_VALUE_BYTES:
            raise ExifError(f"tag {entry.tag} claims {entry.value_bytes} bytes")
        return self._read_at(entry.value_at, entry.value_bytes)

    def numbers(self, entry: Entry) -> list[int]:
        """The value of an integer tag. Raises :class:`ExifError` for other types."""
        code = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}.get(
            entry.type
        )
        if code is None:
            raise ExifError(f"tag {entry.tag} has type {entry.type}, not an integer")
        return list(struct.unpack(f"{self.endian}{entry.count}{code}", self.raw(entry)))

    def number(self, directory: Directory, tag: int, default: int) -> int:
        entry = directory.entries.get(tag)
        if entry is None or entry.count < 1:
            return default
        return self.numbers(entry)[0]

    def raw_tags(self, directory: Directory, only: frozenset[int] | None = None) -> list[RawTag]:
        """Tags as they would be written little-endian; pointers and 64-bit types are left out."""
        tags = []
        for entry in directory.entries.values():
            if (only is not None and entry.tag not in only) or entry.type in _BIG_TYPE_BYTES:
                continue
            if entry.tag in (EXIF_IFD, GPS_IFD, INTEROP_IFD) or entry.type == 13:
                continue
            try:
                value = self.raw(entry)
            except (ExifError, EOFError):
                continue  # one entry that points outside does not cost the others
            if self.endian == ">" and entry.type in _WORD_BYTES:
                value = np.frombuffer(value, f"u{_WORD_BYTES[entry.type]}").byteswap().tobytes()
            tags.append(RawTag(entry.tag, entry.type, entry.count, value))
        return tags

    def sub_directory(self, directory: Directory, tag: int) -> Directory | None:
        entry = directory.entries.get(tag)
        if entry is None:
            return None
        try:
            return self.directory(self.numbers(entry)[0])
        except (ExifError, EOFError, IndexError, struct.error):
            return None


def block_reader(block: bytes | bytearray) -> TiffReader:
    def read_at(offset: int, length: int) -> bytes:
        if offset < 0 or offset + length > len(block):
            raise ExifError(f"bytes {offset}..{offset + length} lie outside a block of {len(block)}")
        return bytes(block[offset : offset + length])

    return TiffReader(read_at)


def strip_prefix(exif: bytes | None) -> bytes | None:
    """An EXIF block without the ``Exif\\0\\0`` some containers put before it; None when it is empty."""
    if exif is not None and exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    return exif or None


def orientation(exif: bytes | None) -> int:
    """EXIF orientation 1..8; 1 when there is none or it makes no sense."""
    if not exif:
        return 1
    try:
        reader = block_reader(exif)
        value = reader.number(reader.directory(reader.first), ORIENTATION, 1)
    except (ExifError, struct.error):
        return 1
    return value if 1 <= value <= 8 else 1


def has_maker_note(exif: bytes) -> bool:
    try:
        reader = block_reader(exif)
        sub = reader.sub_directory(reader.directory(reader.first), EXIF_IFD)
    except (ExifError, struct.error):
        return False
    return sub is not None and _MAKER_NOTE in sub.entries


# --- editing in place ----------------------------------------------------------------------------


def for_output(exif: bytes, width: int, height: int, thumbnail_jpeg: bytes | None) -> tuple[bytes, bool]:
    """The block for a written picture of ``width`` x ``height`` px, upright.

    Orientation becomes 1, the stored pixel size the new one. A thumbnail becomes
    ``thumbnail_jpeg``, or is removed when that is None. Returns the block and whether it has a
    thumbnail. Raises :class:`ExifError` when the block is broken.
    """
    block = bytearray(exif)
    try:
        reader = block_reader(block)
        if reader.big:
            raise ExifError("a BigTIFF structure in an EXIF block")
        main = _without_strays(block, reader, reader.directory(reader.first))
        _set_number(block, reader, main, ORIENTATION, 1)
        _set_number(block, reader, main, 256, width)
        _set_number(block, reader, main, 257, height)
        sub = reader.sub_directory(main, EXIF_IFD)
        if sub is not None:
            sub = _without_strays(block, reader, sub)
            _set_number(block, reader, sub, _PIXEL_X, width)
            _set_number(block, reader, sub, _PIXEL_Y, height)
        gps = reader.sub_directory(main, GPS_IFD)
        if gps is not None:
            _without_strays(block, reader, gps)
        has_thumbnail = _replace_thumbnail(block, reader, main, thumbnail_jpeg)
    except (struct.error, IndexError) as error:
        raise ExifError(str(error)) from error
    return bytes(block), has_thumbnail


def without_orientation(exif: bytes) -> bytes:
    """The block without an orientation tag, which counts as upright."""
    block = bytearray(exif)
    reader = block_reader(block)
    main = reader.directory(reader.first)
    if ORIENTATION in main.entries:
        _remove_entry(block, reader, main, ORIENTATION)
    return bytes(block)


def _set_number(block: bytearray, reader: TiffReader, directory: Directory, tag: int, value: int) -> None:
    entry = directory.entries.get(tag)
    if entry is None or entry.count != 1:
        return
    code, limit = {1: ("B", 255), 3: ("H", 65535), 4: ("I", 2**32 - 1)}.get(entry.type, ("", 0))
    if code and value <= limit:
        struct.pack_into(reader.endian + code, block, entry.value_at, value)


def _without_strays(block: bytearray, reader: TiffReader, directory: Directory) -> Directory:
    """Take out entries whose values lie outside the block: other programs stumble over them."""
    for entry in list(directory.entries.values()):
        if entry.value_at + entry.value_bytes > len(block):
            directory = _remove_entry(block, reader, directory, entry.tag)
    return directory


def _remove_entry(block: bytearray, reader: TiffReader, directory: Directory, tag: int) -> Directory:
    """Close the gap of one entry inside its directory; everything outside stays where it is."""
    at = directory.entries[tag].at
    end = directory.next_at + 4
    block[at : end - 12] = block[at + 12 : end]
    block[end - 12 : end] = bytes(12)
    struct.pack_into(reader.endian + "H", block, directory.offset, directory.count - 1)
    return reader.directory(directory.offset)


def _erase(block: bytearray, start: int, length: int) -> None:
    end = min(start + length, len(block))
    if 8 <= start < end:
        block[start:end] = bytes(end - start)


def _erase_directory(block: bytearray, directory: Directory) -> None:
    for entry in directory.entries.values():
        _erase(block, entry.value_at, entry.value_bytes)
    _erase(block, directory.offset, directory.next_at + 4 - directory.offset)


def _replace_thumbnail(
    block: bytearray, reader: TiffReader, main: Directory, thumbnail_jpeg: bytes | None
) -> bool:
    if main.next_offset == 0:
        return False
    try:
        second = reader.directory(main.next_offset)
    except ExifError:
        struct.pack_into(reader.endian + "I", block, main.next_at, 0)
        return False
    offset = reader.number(second, _THUMB_OFFSET, 0)
    length = reader.number(second, _THUMB_LENGTH, 0)
    _erase(block, offset, length)
    patchable = all(
        tag in second.entries and second.entries[tag].type == 4 for tag in (_THUMB_OFFSET, _THUMB_LENGTH)
    )
    if thumbnail_jpeg is None or not patchable:
        _erase_strips(block, reader, second)
        _erase_directory(block, second)
        struct.pack_into(reader.endian + "I", block, main.next_at, 0)
        return False
    if len(thumbnail_jpeg) > length:
        block.extend(bytes(len(block) % 2))
        offset = len(block)
        block.extend(thumbnail_jpeg)
    else:
        block[offset : offset + len(thumbnail_jpeg)] = thumbnail_jpeg
    struct.pack_into(reader.endian + "I", block, second.entries[_THUMB_OFFSET].value_at, offset)
    struct.pack_into(reader.endian + "I", block, second.entries[_THUMB_LENGTH].value_at, len(thumbnail_jpeg))
    _set_number(block, reader, second, ORIENTATION, 1)
    return True


def _erase_strips(block: bytearray, reader: TiffReader, directory: Directory) -> None:
    """An uncompressed thumbnail keeps its pixels in strips."""
    offsets, sizes = (directory.entries.get(tag) for tag in (_STRIP_OFFSETS, _STRIP_BYTES))
    if offsets is not None and sizes is not None:
        for start, length in zip(reader.numbers(offsets), reader.numbers(sizes), strict=False):
            _erase(block, start, length)


# --- building ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TagTree:
    """The tags of a photo, directory by directory, free of any place in a file."""

    main: tuple[RawTag, ...]
    exif: tuple[RawTag, ...] = ()
    gps: tuple[RawTag, ...] = ()
    interop: tuple[RawTag, ...] = ()

    @property
    def speaks(self) -> bool:
        return bool(self.main or self.exif or self.gps)


def tag_tree(reader: TiffReader, main: Directory) -> TagTree:
    """The descriptive tags reachable from ``main``: of an EXIF block, or of a TIFF file's picture."""
    exif = reader.sub_directory(main, EXIF_IFD)
    gps = reader.sub_directory(main, GPS_IFD)
    interop = reader.sub_directory(exif, INTEROP_IFD) if exif is not None else None
    return TagTree(
        tuple(reader.raw_tags(main, DESCRIPTIVE_TAGS)),
        tuple(reader.raw_tags(exif)) if exif is not None else (),
        tuple(reader.raw_tags(gps)) if gps is not None else (),
        tuple(reader.raw_tags(interop)) if interop is not None else (),
    )


def block_tree(exif: bytes) -> TagTree:
    """The tags of an EXIF block. Raises :class:`ExifError` when it is broken."""
    try:
        reader = block_reader(exif)
        return tag_tree(reader, reader.directory(reader.first))
    except struct.error as error:
        raise ExifError(str(error)) from error


def build_block(tree: TagTree, orientation_value: int = 1, thumbnail_jpeg: bytes | None = None) -> bytes:
    """A self-contained EXIF block (little-endian) of these tags, with a thumbnail where there is one."""
    main = [tag for tag in tree.main if tag.tag != ORIENTATION]
    main.append(RawTag(ORIENTATION, 3, 1, struct.pack("<H", orientation_value)))
    directories, offset = build_directories(replace(tree, main=tuple(main)), 8)
    block = bytearray(b"II*\0" + struct.pack("<I", offset) + directories)
    if thumbnail_jpeg is not None:
        second = len(block)
        (count,) = struct.unpack_from("<H", block, offset)
        struct.pack_into("<I", block, offset + 2 + 12 * count, second)
        at = second + 2 + 12 * 3 + 4
        block += _directory_bytes(
            [
                RawTag(259, 3, 1, struct.pack("<H", 6)),  # JPEG
                RawTag(_THUMB_OFFSET, 4, 1, struct.pack("<I", at)),
                RawTag(_THUMB_LENGTH, 4, 1, struct.pack("<I", len(thumbnail_jpeg))),
            ],
            second,
        )
        block += thumbnail_jpeg
    return bytes(block)


def build_directories(tree: TagTree, base: int) -> tuple[bytes, int]:
    """All directories of ``tree`` as they stand at byte ``base`` (even) of a little-endian file.

    Returns the bytes and the offset of the main directory within the file.
    """
    out = bytearray()

    def add(tags: Iterable[RawTag]) -> int:
        offset = base + len(out)
        out.extend(_directory_bytes(tags, offset))
        return offset

    main, exif = list(tree.main), list(tree.exif)
    if tree.interop:
        exif.append(_pointer(INTEROP_IFD, add(tree.interop)))
    if exif:
        main.append(_pointer(EXIF_IFD, add(exif)))
    if tree.gps:
        main.append(_pointer(GPS_IFD, add(tree.gps)))
    offset = add(main)
    return bytes(out), offset


def _pointer(tag: int, offset: int) -> RawTag:
    return RawTag(tag, 4, 1, struct.pack("<I", offset))


def _directory_bytes(tags: Iterable[RawTag], offset: int) -> bytes:
    ordered = sorted({tag.tag: tag for tag in tags}.values(), key=lambda tag: tag.tag)
    head = bytearray(struct.pack("<H", len(ordered)))
    data = bytearray()
    data_at = offset + 2 + 12 * len(ordered) + 4
    for tag in ordered:
        head += struct.pack("<HHI", tag.tag, tag.type, tag.count)
        if len(tag.value) <= 4:
            head += tag.value.ljust(4, b"\0")
        else:
            head += struct.pack("<I", data_at + len(data))
            data += tag.value + bytes(len(tag.value) % 2)
    return bytes(head + bytes(4) + data)
