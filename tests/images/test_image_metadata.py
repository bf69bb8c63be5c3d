"""What stands in a written file beside its pixels, and what the receipt says of it."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.images import exif as image_exif
from core.images import io as image_io
from core.images import place
from core.images import xmp as image_xmp
from core.images.io import WriteOptions
from tests.image_makers import (
    MAKER_NOTE,
    XMP,
    exif_block,
    grey_profile,
    photo,
    pillow_bytes,
    png_bytes,
    png_chunk,
    rgb_profile,
)
from tests.images.io_kit import EXTENSIONS, PROVENANCE, lines, put

WITH_METADATA = [name for name in EXTENSIONS if name != "BMP"]


def rich_picture(**changes: object) -> image_io.Picture:
    """An upright photo that came with everything (as if read from a rotated camera JPEG)."""
    plain = image_io.from_array(photo(80, 64))
    thumbnail = pillow_bytes(photo(32, 24, seed=9), "JPEG")
    picture = replace(
        plain,
        icc=rgb_profile(1.8, "Test 1.8"),
        exif=exif_block(thumbnail=thumbnail),
        xmp=XMP,
        dpi=(300.0, 300.0),
    )
    return replace(picture, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("format", WITH_METADATA)
@pytest.mark.parametrize("endian", ["<", ">"])
def test_metadata_survives(tmp_path: Path, format: str, endian: str) -> None:
    picture = rich_picture(exif=exif_block(endian, thumbnail=pillow_bytes(photo(32, 24), "JPEG")))
    path = tmp_path / f"rich{EXTENSIONS[format]}"
    receipt = image_io.write(path, picture, provenance=PROVENANCE)
    again = image_io.read(path)

    assert again.icc == picture.icc and again.info.icc_name == "Test 1.8"
    assert lines(receipt)["Colour profile"] == (True, "Test 1.8")

    exif = Image.Exif()
    exif.load(b"Exif\0\0" + (again.exif or b""))
    assert exif[271] == "Camera!" and exif.get(274, 1) == 1
    sub = exif.get_ifd(34665)
    assert (sub[40962], sub[40963]) == (80, 64)
    assert sub[37500] == MAKER_NOTE
    assert sub[33434] == pytest.approx(1 / 250)
    assert exif.get_ifd(34853)[2] == (48.0, 51.0, 30.0)
    assert lines(receipt)["EXIF"][0] and lines(receipt)["GPS position"] == (True, "still in the file")

    assert again.xmp is not None
    assert b"Pluie &amp; soleil" in again.xmp and b'Rating="4"' in again.xmp
    assert b'tiff:Orientation="1"' in again.xmp and b"48,51.5N" in again.xmp
    assert image_io.read_provenance(path) == PROVENANCE
    with Image.open(path) as other:  # others still open it
        assert other.size == (80, 64)
        assert "icc_profile" in other.info or format == "JPEG2000"


@pytest.mark.parametrize("format", WITH_METADATA)
def test_metadata_survives_a_second_time(tmp_path: Path, format: str) -> None:
    first, second = (tmp_path / f"{i}{EXTENSIONS[format]}" for i in (1, 2))
    image_io.write(first, rich_picture(), provenance=PROVENANCE)
    image_io.write(second, image_io.read(first), provenance={"model": "newer"})
    again = image_io.read(second)
    assert again.exif is not None and again.icc is not None
    assert image_io.read_provenance(second) == {"model": "newer"}, "the old record must be gone"
    assert again.xmp is not None and again.xmp.count(b"Pluie") == 1


@pytest.mark.parametrize("format", WITH_METADATA)
def test_gps_is_stripped_on_request(tmp_path: Path, format: str) -> None:
    picture = rich_picture()
    path = tmp_path / f"nogps{EXTENSIONS[format]}"
    receipt = image_io.write(path, picture, WriteOptions(strip_gps=True))
    again = image_io.read(path)
    assert not place.in_exif(again.exif).named and not image_xmp.places(again.xmp).gps
    data = path.read_bytes()
    degrees = struct.pack("<6I", 48, 1, 51, 1, 30, 1)
    for trace in (b"48,51.5N", b"2,17.4E", b"123.4", b"WGS-84", degrees):
        assert trace not in data
    assert lines(receipt)["GPS position"] == (False, "removed as asked")
    assert again.exif is not None and not image_exif.has_maker_note(again.exif)
    assert again.xmp is not None and b"Pluie" in again.xmp


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "JPEG2000"])
def test_maker_notes_do_not_move(tmp_path: Path, format: str) -> None:
    """Their offsets count from the start of the block."""
    picture = rich_picture()
    assert picture.exif is not None
    path = tmp_path / f"m{EXTENSIONS[format]}"
    image_io.write(path, picture)
    exif = image_io.read(path).exif
    assert exif is not None
    assert exif.index(MAKER_NOTE) == picture.exif.index(MAKER_NOTE)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "JPEG2000"])
@pytest.mark.parametrize("old_bytes", [100, 60_000])
def test_the_exif_thumbnail_shows_the_new_picture(tmp_path: Path, format: str, old_bytes: int) -> None:
    stale = b"\xff\xd8 the old picture \xff\xd9".ljust(old_bytes, b"x")
    pixels = np.zeros((120, 200, 3), np.uint8)
    pixels[..., 1] = 200
    picture = replace(image_io.from_array(pixels), exif=exif_block(thumbnail=stale))
    path = tmp_path / f"t{EXTENSIONS[format]}"
    image_io.write(path, picture)
    assert b"the old picture" not in path.read_bytes()
    exif = image_io.read(path).exif
    assert exif is not None
    reader = image_exif.block_reader(exif)
    second = reader.chain()[1]
    start, length = (reader.number(second, tag, 0) for tag in (513, 514))
    with Image.open(io.BytesIO(exif[start : start + length])) as thumbnail:
        assert thumbnail.size == (160, 96)
        assert np.abs(np.asarray(thumbnail)[50, 50].astype(int) - [0, 200, 0]).max() <= 4


def test_too_much_exif_for_jpeg_loses_its_thumbnail_then_gives_up(tmp_path: Path) -> None:
    picture = rich_picture(exif=exif_block(thumbnail=bytes(64_000)))
    receipt = image_io.write(tmp_path / "a.jpg", picture)
    assert lines(receipt)["EXIF"][0]
    huge = rich_picture(exif=exif_block() + b"x" * 70_000)
    receipt = image_io.write(tmp_path / "b.jpg", huge)
    kept, detail = lines(receipt)["EXIF"]
    assert not kept and "too many" in detail
    assert image_io.read(tmp_path / "b.jpg").exif is None
    receipt = image_io.write(tmp_path / "b.png", huge)
    assert lines(receipt)["EXIF"][0]


def test_too_much_xmp_for_jpeg_still_records_the_provenance(tmp_path: Path) -> None:
    picture = rich_picture(xmp=XMP.replace(b"Pluie", b"Pluie" * 20_000))
    receipt = image_io.write(tmp_path / "a.jpg", picture, provenance=PROVENANCE)
    assert not lines(receipt)["XMP"][0]
    assert image_io.read_provenance(tmp_path / "a.jpg") == PROVENANCE


@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_reads_metadata_that_others_wrote(tmp_path: Path, source: str) -> None:
    options: dict = {"icc_profile": rgb_profile(2.2, "Other")}
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6
    exif.get_ifd(34665)[33434] = 0.004
    options["exif"] = exif
    if source == "PNG":
        from PIL.PngImagePlugin import PngInfo

        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
        options["pnginfo"] = texts
    elif source == "TIFF":
        exif[700] = XMP
        options["exif"] = exif.tobytes()
    else:
        options["xmp"] = XMP
    picture = image_io.read(put(tmp_path, "other", pillow_bytes(photo(40, 30), source, **options)))
    assert picture.info.icc_name == "Other"
    assert picture.info.orientation == 6 and picture.pixels.shape == (40, 30, 3)
    assert picture.xmp is not None and b"Pluie" in picture.xmp
    again = Image.Exif()
    again.load(b"Exif\0\0" + (picture.exif or b""))
    assert again[271] == "Maker" and again.get_ifd(34665)[33434] == pytest.approx(0.004)


def test_png_with_exif_behind_the_pixels_or_in_imagemagicks_text(tmp_path: Path) -> None:
    exif = exif_block(orientation=3)
    behind = png_bytes(photo(8, 8), after=png_chunk(b"eXIf", exif))
    assert image_io.read(put(tmp_path, "a.png", behind)).info.orientation == 3
    text = b"\nexif\n%8d\n" % (len(exif) + 6) + (b"Exif\0\0" + exif).hex().encode() + b"\n"
    old = png_bytes(photo(8, 8), png_chunk(b"tEXt", b"Raw profile type exif\0" + text))
    assert image_io.read(put(tmp_path, "b.png", old)).exif == exif


def test_jpeg_profile_in_several_segments(tmp_path: Path) -> None:
    icc = rgb_profile() + bytes(150_000)
    path = put(tmp_path, "a.jpg", pillow_bytes(photo(8, 8), "JPEG", icc_profile=icc))
    assert image_io.read(path).icc == icc


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_print_resolution_is_kept(tmp_path: Path, format: str) -> None:
    path = put(tmp_path, "in", pillow_bytes(photo(20, 10), format, dpi=(240, 240)))
    out = tmp_path / f"out{EXTENSIONS[format]}"
    image_io.write(out, image_io.read(path))
    with Image.open(out) as image:
        assert float(image.info["dpi"][0]) == pytest.approx(240, abs=0.1)


def test_grey_profile_goes_with_grey_only(tmp_path: Path) -> None:
    picture = replace(image_io.from_array(photo(20, 10)[..., 0]), icc=grey_profile())
    assert lines(image_io.write(tmp_path / "a.png", picture))["Colour profile"][0]
    assert image_io.read(tmp_path / "a.png").icc == picture.icc
    assert not lines(image_io.write(tmp_path / "a.webp", picture))["Colour profile"][0]
    assert image_io.read(tmp_path / "a.webp").icc is None


def test_what_points_to_lost_pictures_is_taken_out_of_the_xmp() -> None:
    gain = XMP.replace(
        b' xmp:Rating="4"',
        b' xmp:Rating="4" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"',
    )
    packet = image_xmp.for_output(gain, None, strip_gps=False)
    assert packet.xmp is not None and b'hdrgm:Version="1.0"' not in packet.xmp and b"Pluie" in packet.xmp


def test_provenance_survives_another_programs_way_to_write_it() -> None:
    packet = image_xmp.for_output(None, PROVENANCE, strip_gps=False)
    assert packet.xmp is not None
    elements = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:m="urn:memorynet:provenance:1.0#"><m:model>abc</m:model>'
        b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    assert image_xmp.read_provenance(elements) == {"model": "abc"}


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text("abcz_", min_size=1, max_size=12), st.text(max_size=40), min_size=1))
def test_any_text_can_be_provenance(record: dict[str, str]) -> None:
    packet = image_xmp.for_output(XMP, record, strip_gps=True)
    found = image_xmp.read_provenance(packet.xmp)
    assert found is not None and set(found) == set(record)
    for key, value in record.items():
        if value.isprintable():
            assert found[key] == value


def test_no_provenance_in_a_foreign_file(tmp_path: Path) -> None:
    assert (
        image_io.read_provenance(put(tmp_path, "a.jpg", pillow_bytes(photo(8, 8), "JPEG", xmp=XMP))) is None
    )
    assert image_io.read_provenance(put(tmp_path, "a.bmp", pillow_bytes(photo(8, 8), "BMP"))) is None
