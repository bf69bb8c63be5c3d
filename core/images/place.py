"""What in a photo's metadata can name the place it was taken at, and metadata without any of it.

Places hide in more corners than anyone lists: makers' private notes, fields of programs nobody heard of, bytes of
a directory that an editor cut loose but left in the block. So this is no list of what goes. It is a list of what
may stay, and the EXIF block is built anew from it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from core.images import exif as image_exif
from core.images.exif import Directory, ExifError, RawTag, TagTree, TiffReader

GPS = "the GPS position"
_MAKER_NOTE, _IPTC, _USER_COMMENT, _XMP, _PHOTOSHOP = 37500, 33723, 37510, 700, 34377
_DESCRIPTION = 270
_CAPTION_TAGS = frozenset({_DESCRIPTION, *range(40091, 40096), 42038})
_PIXEL_X, _PIXEL_Y = 40962, 40963
_INTEROP_TAGS = frozenset({1, 2, 4096, 4097, 4098})

# Print matching (50341) is a maker's private block too; pressure and depth of water tell of the height.
_MAIN_TAGS = image_exif.DESCRIPTIVE_TAGS - {_IPTC, 50341}
_EXIF_TAGS = frozenset(
    {33434, 33437, 34850, 34852, 34855, 34856, *range(34864, 34870), 36864, 36867, 36868}
    | {*range(36880, 36883), 37121, 37122, *range(37377, 37387), *range(37393, 37397), *range(37520, 37523)}
    | {37888, 37892, 37893, *range(40960, 40965), 41483, 41484, *range(41486, 41489), 41492, 41493, 41495}
    | {*range(41728, 41731), *range(41985, 41997), 42016, *range(42032, 42045), *range(42080, 42083), 42240}
)
_NAMES = {
    image_exif.GPS_IFD: GPS,
    _MAKER_NOTE: "the maker's private notes",
    _IPTC: "IPTC fields",
    _PHOTOSHOP: "IPTC fields",
    _USER_COMMENT: "the comment a program left",
    _XMP: "a second XMP packet",
    33550: "map coordinates",
    33922: "map coordinates",
    34264: "map coordinates",
}


@dataclass(frozen=True, slots=True)
class ExifPlaces:
    """What an EXIF block holds: ``named`` in words, GPS first, what can name a place; ``captions``: free words."""

    named: tuple[str, ...] = ()
    captions: bool = False


def in_exif(exif: bytes | None) -> ExifPlaces:
    """What of a block :func:`exif_without` takes out, as far as the block can be read."""
    named: set[str] = set()
    captions = False
    for reader, directory in _directories(exif):
        for entry in (*directory.entries.values(), *directory.repeated):
            if entry.tag == image_exif.GPS_IFD:
                gps = _pointed_at(reader, entry)
                # Cameras without a fix write the version tag alone.
                if gps is not None and any(tag != 0 for tag in gps.entries):
                    named.add(GPS)
            elif entry.tag in _NAMES:
                named.add(_NAMES[entry.tag])
            elif entry.tag in _CAPTION_TAGS and entry.count > 1:
                captions = True
    return ExifPlaces(tuple(sorted(named, key=lambda name: (name != GPS, name))), captions)


def exif_without(
    exif: bytes, width: int, height: int, thumbnail_jpeg: bytes | None = None
) -> tuple[bytes, bool]:
    """A new block for a picture of ``width`` x ``height`` px, upright, of the tags that cannot name a place.

    Returns the block and whether it has a thumbnail: ``thumbnail_jpeg``, where the old block had one. Raises
    :class:`ExifError` when the block is broken.
    """
    try:
        reader = image_exif.block_reader(exif)
        main = reader.directory(reader.first)
        tree = image_exif.tag_tree(reader, main)
    except struct.error as error:
        raise ExifError(str(error)) from error
    size = {_PIXEL_X: width, _PIXEL_Y: height}
    kept = TagTree(
        main=tuple(tag for tag in tree.main if tag.tag in _MAIN_TAGS),
        exif=tuple(_sized(tag, size) for tag in tree.exif if tag.tag in _EXIF_TAGS),
        interop=tuple(tag for tag in tree.interop if tag.tag in _INTEROP_TAGS),
    )
    thumbnail = thumbnail_jpeg if main.next_offset else None
    return image_exif.build_block(kept, 1, thumbnail), thumbnail is not None


def _sized(tag: RawTag, size: dict[int, int]) -> RawTag:
    if tag.tag not in size or tag.count != 1 or tag.type not in (3, 4):
        return tag
    return replace(tag, type=4, value=struct.pack("<I", size[tag.tag]))


def _directories(exif: bytes | None) -> Iterator[tuple[TiffReader, Directory]]:
    """The directories of a block that can be read: its own chain, and the camera's part of each."""
    if not exif:
        return
    try:
        reader = image_exif.block_reader(exif)
        offset, seen = reader.first, set[int]()
        while offset and offset not in seen and len(seen) < 16:
            seen.add(offset)
            directory = reader.directory(offset)
            yield reader, directory
            for entry in (*directory.entries.values(), *directory.repeated):
                if entry.tag == image_exif.EXIF_IFD:
                    sub = _pointed_at(reader, entry)
                    if sub is not None:
                        yield reader, sub
            offset = directory.next_offset
    except (ExifError, struct.error):
        return


def _pointed_at(reader: TiffReader, entry: image_exif.Entry) -> Directory | None:
    try:
        return reader.directory(reader.numbers(entry)[0])
    except (ExifError, IndexError, struct.error):
        return None


# --- XMP -----------------------------------------------------------------------------------------

_ADOBE = "http://ns.adobe.com/"
_HARMLESS_SPACES = frozenset(
    [
        "http://purl.org/dc/elements/1.1/",
        f"{_ADOBE}xap/1.0/",
        f"{_ADOBE}xap/1.0/rights/",
        f"{_ADOBE}xap/1.0/mm/",
        f"{_ADOBE}xap/1.0/sType/ResourceRef#",
        f"{_ADOBE}xap/1.0/sType/ResourceEvent#",
        f"{_ADOBE}xap/1.0/sType/Dimensions#",
        f"{_ADOBE}xmp/sType/Area#",
        f"{_ADOBE}tiff/1.0/",
        f"{_ADOBE}exif/1.0/",
        f"{_ADOBE}exif/1.0/aux/",
        "http://cipa.jp/exif/1.0/",
        f"{_ADOBE}photoshop/1.0/",
        f"{_ADOBE}camera-raw-settings/1.0/",
        f"{_ADOBE}camera-raw-defaults/1.0/",
        f"{_ADOBE}lightroom/1.0/",
        "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
        "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
        "http://ns.useplus.org/ldf/xmp/1.0/",
        "http://ns.microsoft.com/photo/1.0/",
        "http://www.metadataworkinggroup.com/schemas/regions/",
        "http://www.w3.org/XML/1998/namespace",
    ]
)
_PLACE_NAME = re.compile(
    r"gps|latitude|longitude|altitude|location|country|city|province|state$|address|ciadr|coverage|coordinate"
    r"|^creatorcontactinfo|^geo|place|^lat$|^lon$|^lng$|filepath|^makernote|^usercomment|^sidecar|^event",
    re.IGNORECASE,
)
_CAPTION_NAME = re.compile(
    r"^(title|description|subject|headline|instructions|imagedescription|hierarchicalsubject|lastkeyword.*)$",
    re.IGNORECASE,
)
_GPS_NAME = re.compile(r"gps|latitude|longitude|altitude|coordinate|^lat$|^lon$|^lng$|^geo", re.IGNORECASE)


def xmp_name_is_harmless(space: str, local: str) -> bool:
    """Whether a property of this namespace and name cannot name a place, but for what people write as caption."""
    return space in _HARMLESS_SPACES and not _PLACE_NAME.search(local)


def xmp_name_is_gps(space: str, local: str) -> bool:
    return "wgs84_pos" in space or bool(_GPS_NAME.search(local))


def xmp_name_is_caption(local: str) -> bool:
    return bool(_CAPTION_NAME.match(local))
