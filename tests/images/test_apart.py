"""JPEG 2000 in a process of its own: the same pixels, and an end when it has to be ended."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.images import apart
from core.images import io as image_io
from core.images.io import DamagedImage
from tests.image_makers import photo


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "LEAST_PIXELS", 1)


def here_and_apart(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[image_io.Picture, image_io.Picture]:
    away = image_io.read(path)
    monkeypatch.setattr(apart, "LEAST_PIXELS", 1 << 60)
    return image_io.read(path), away


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_every_kind_of_pixel_is_as_it_is_here(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = photo(61, 47, channels=len(mode))
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if mode == "L" else pixels).save(buffer, "JPEG2000")
    path = tmp_path / "a.jp2"
    path.write_bytes(buffer.getvalue())
    here, away = here_and_apart(path, monkeypatch)
    assert (here.pixels == away.pixels).all() and here.info == away.info
    assert (here.alpha is None) == (away.alpha is None) == (mode in ("L", "RGB"))
    if here.alpha is not None and away.alpha is not None:
        assert (here.alpha == away.alpha).all()


def test_16_bits_and_thumbnails_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = photo(400, 300, np.uint16)
    path = tmp_path / "a.jp2"
    image_io.write(path, image_io.from_array(pixels))
    small = image_io.thumbnail(path, 100)
    here, away = here_and_apart(path, monkeypatch)
    assert (away.pixels == here.pixels).all() and (away.pixels == pixels).all()
    assert small.shape == (75, 100, 3) and (small == image_io.thumbnail(path, 100)).all()


def test_what_takes_too_long_is_ended_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jp2"
    image_io.write(path, image_io.from_array(photo(64, 48)))
    monkeypatch.setattr(apart, "_DECODE", "import time; time.sleep(60)")
    monkeypatch.setattr(apart, "_PATIENCE_S", 0.2)
    began = time.monotonic()
    with pytest.raises(DamagedImage, match="takes too long"):
        image_io.read(path)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "code", ["raise SystemExit('no such thing')", apart._HEAD + "out.write(b'[\"RGB\", [64, 48]]\\n')"]
)
def test_what_fails_there_is_a_damaged_picture_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    path = tmp_path / "a.jp2"
    image_io.write(path, image_io.from_array(photo(64, 48)))
    monkeypatch.setattr(apart, "_DECODE", code)
    with pytest.raises(DamagedImage, match=r"no such thing|ends too soon"):
        image_io.read(path)


def test_other_threads_go_on_meanwhile(tmp_path: Path) -> None:
    """A beat every few milliseconds is never held up for the time that decoding takes."""
    path = tmp_path / "a.jp2"
    image_io.write(path, image_io.from_array(np.tile(photo(300, 200), (4, 4, 1))))
    beats, over = 0, threading.Event()

    def read() -> None:
        image_io.read(path)
        over.set()

    thread = threading.Thread(target=read)
    thread.start()
    while not over.wait(0.005):
        beats += 1
    thread.join()
    assert beats > 5


@pytest.mark.parametrize(
    ("quality", "kind", "channels"),  # every two of them meet
    [
        (80, np.uint8, 1), (100, np.uint16, 1), (100, np.uint8, 3), (80, np.uint16, 3), (80, np.uint8, 4),
        (100, np.uint16, 4),
    ],
)  # fmt: skip
def test_what_is_written_apart_is_what_is_written_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quality: int, kind: type, channels: int
) -> None:
    picture = image_io.from_array(photo(90, 70, kind, channels=channels))
    options = image_io.WriteOptions(quality=quality)
    image_io.write(tmp_path / "away.jp2", picture, options)
    monkeypatch.setattr(apart, "LEAST_PIXELS", 1 << 60)
    image_io.write(tmp_path / "here.jp2", picture, options)
    assert (tmp_path / "away.jp2").read_bytes() == (tmp_path / "here.jp2").read_bytes()


@pytest.mark.parametrize(("kind", "name"), [(np.uint8, "_ENCODE"), (np.uint16, "_ENCODE_DEEP")])
def test_an_encoder_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, name: str
) -> None:
    monkeypatch.setattr(apart, name, "raise SystemExit('no such thing')")
    big = np.tile(photo(90, 70, kind), (9, 9, 1))  # more than a pipe holds
    with pytest.raises(image_io.WriteFailed, match="no such thing"):
        image_io.write(tmp_path / "a.jp2", image_io.from_array(big))
    assert not [*tmp_path.glob("*.jp2"), *tmp_path.glob(".*")]
