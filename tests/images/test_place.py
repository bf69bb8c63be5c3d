"""Asked to leave the place out, nothing in the written file tells it: not in any corner, not as loose bytes."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from core.images import exif as image_exif
from core.images import io as image_io
from core.images import place
from core.images import xmp as image_xmp
from core.images.exif import RawTag
from core.images.io import WriteOptions
from tests.image_makers import photo

EXTENSIONS = (".jpg", ".png", ".tif", ".webp", ".avif", ".jp2")
DEGREES = struct.pack("<6I", 48, 1, 51, 1, 30, 1)
SECRET = b"Chez nous"


def long_tag(tag: int, value: int) -> RawTag:
    return RawTag(tag, 4, 1, struct.pack("<I", value))


def text_tag(tag: int, value: bytes, kind: int = 2) -> RawTag:
    return RawTag(tag, kind, len(value), value)


def telling_exif() -> bytes:
    """GPS behind two entries of IFD0, one of IFD1 and one of the camera's part; a cut-off directory in between."""
    block = bytearray(b"II*\0" + bytes(4))
    gps = [text_tag(1, b"N\0"), RawTag(2, 5, 3, DEGREES), text_tag(27, SECRET + b" gps\0")]

    def add(tags: list[RawTag]) -> int:
        block.extend(bytes(len(block) % 2))
        at = len(block)
        block.extend(image_exif._directory_bytes(tags, at))
        return at

    places = [add(gps) for _ in range(4)]
    block += SECRET + b" of a directory that an editor cut loose"
    camera = [
        text_tag(36867, b"2024:05:06 07:08:09\0"),
        text_tag(37500, b"MAKER " + SECRET, 7),
        text_tag(37510, b"ASCII\0\0\0" + SECRET, 7),
        text_tag(42034, b"50 mm of a lens\0"),
        long_tag(image_exif.GPS_IFD, places[2]),
        text_tag(51000, b"unknown " + SECRET),
    ]
    camera_at = add(camera)
    second = add([long_tag(image_exif.GPS_IFD, places[3]), text_tag(270, SECRET)])
    main = [
        text_tag(271, b"Camera!\0"),
        text_tag(700, b"<x>" + SECRET, 1),
        text_tag(33723, b"\x1c\x02\x5a\0\x09" + SECRET, 7),
        text_tag(34377, b"8BIM\4\4" + SECRET, 7),
        long_tag(image_exif.EXIF_IFD, camera_at),
        long_tag(image_exif.GPS_IFD, places[0]),
        long_tag(34854, places[1]),  # becomes the second GPS entry
    ]
    at = add(main)
    twice = block.index(struct.pack("<HHI", 34854, 4, 1), at)
    struct.pack_into("<H", block, twice, image_exif.GPS_IFD)
    struct.pack_into("<I", block, at + 2 + 12 * len(main), second)
    struct.pack_into("<I", block, 4, at)
    return bytes(block)


TELLING_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- Chez nous --><?chez Chez nous?>'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="geo:Chez nous"'
    b' xmlns:geo="http://www.w3.org/2003/01/geo/wgs84_pos#" xmlns:my="urn:someones:own#"'
    b' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    b' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
    b' xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"'
    b' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    b' geo:lat="Chez nous" geo:long="Chez nous" my:spot="Chez nous" xmp:Rating="4" exif:GPSLatitude="Chez nous"'
    b' photoshop:City="Chez nous" photoshop:State="Chez nous" photoshop:Country="Chez nous"'
    b' Iptc4xmpCore:Location="Chez nous" Iptc4xmpCore:CountryCode="Chez nous">'
    b"<Iptc4xmpExt:LocationCreated><rdf:Bag><rdf:li><rdf:Description>"
    b"<Iptc4xmpExt:Sublocation>Chez nous</Iptc4xmpExt:Sublocation></rdf:Description></rdf:li></rdf:Bag>"
    b"</Iptc4xmpExt:LocationCreated><dc:coverage>Chez nous</dc:coverage>"
    b'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Pluie</rdf:li></rdf:Alt></dc:title>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def telling_picture() -> image_io.Picture:
    return replace(image_io.from_array(photo(64, 80)), exif=telling_exif(), xmp=TELLING_XMP)


def test_the_telling_picture_tells() -> None:
    found = place.in_exif(telling_exif())
    assert found.named[0] == place.GPS and found.captions
    assert set(found.named[1:]) == {
        "IPTC fields",
        "a second XMP packet",
        "the comment a program left",
        "the maker's private notes",
    }
    assert image_xmp.places(TELLING_XMP) == image_xmp.XmpPlaces(gps=True, other=True, captions=True)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_no_corner_of_the_file_tells_the_place(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"out{extension}"
    receipt = image_io.write(path, telling_picture(), WriteOptions(strip_gps=True), {"model": "m"})
    data = path.read_bytes()
    assert SECRET not in data and DEGREES not in data
    said = {line.what: line for line in receipt.lines}
    assert said["GPS position"].detail == "removed as asked"
    for what in ("the maker's private notes", "IPTC fields", "XMP fields"):
        assert what in said["What can name the place"].detail
    assert said["Caption and keywords"].kept, "what people wrote stays, and is spoken of"
    again = image_io.read(path)
    assert again.exif is not None and b"Camera!" in again.exif and b"50 mm of a lens" in again.exif
    assert again.xmp is not None and b"Pluie" in again.xmp and b'Rating="4"' in again.xmp
    assert image_io.read_provenance(path) == {"model": "m"}


def test_a_place_in_any_corner_is_told_of_when_it_stays() -> None:
    """One corner at a time: none is overlooked."""
    block = telling_exif()
    reader = image_exif.block_reader(block)
    main = reader.directory(reader.first)
    corners = [main.entries[image_exif.GPS_IFD], main.repeated[0]]
    corners += [
        directory.entries[image_exif.GPS_IFD]
        for directory in (reader.directory(main.next_offset), reader.sub_directory(main, image_exif.EXIF_IFD))
        if directory is not None
    ]
    assert len(corners) == 4
    for kept in corners:
        one = bytearray(block)
        for corner in corners:
            if corner is not kept:
                struct.pack_into("<I", one, corner.value_at, 0)
        assert place.GPS in place.in_exif(bytes(one)).named


def test_a_stripped_block_gets_the_new_thumbnail() -> None:
    block, has_thumbnail = place.exif_without(telling_exif(), 80, 64, b"\xff\xd8 new \xff\xd9")
    assert has_thumbnail
    reader = image_exif.block_reader(block)
    second = reader.chain()[1]
    at, length = (reader.number(second, tag, 0) for tag in (513, 514))
    assert block[at : at + length] == b"\xff\xd8 new \xff\xd9"


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_exiftool_finds_no_place(tmp_path: Path, extension: str) -> None:
    def tags(path: Path) -> dict[str, object]:
        words = ["exiftool", "-j", "-a", "-u", "-G4:1", "-ee", str(path)]
        return dict(json.loads(subprocess.run(words, capture_output=True, check=True, text=True).stdout)[0])

    path, told = tmp_path / f"out{extension}", tmp_path / f"told{extension}"
    image_io.write(path, telling_picture(), WriteOptions(strip_gps=True))
    image_io.write(told, telling_picture())
    words = ("gps", "city", "state", "country", "location", "iptc", "maker", "geo", "usercomment", "coverage")
    assert any("gps" in name.lower() for name in tags(told)), "the check can fail"
    found = tags(path)
    assert not [name for name in found if any(word in name.lower() for word in words)]
    assert not [name for name, value in found.items() if SECRET.decode() in str(value)]
    assert not [name for name in found if "Warning" in name]
    assert any(name.endswith("Make") for name in found)
