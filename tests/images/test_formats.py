"""Every format is whole: its record, its file names, a way to write it and to read it back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.cli.common import format_type
from core.images import io as image_io
from core.images.formats import FORMATS, Format


@pytest.mark.parametrize("record", FORMATS.values(), ids=lambda record: record.name)
def test_what_a_record_says_a_format_holds_it_holds(record: Format, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 65536, (72, 80, 4), np.uint16)
    picture = replace(image_io.from_array(pixels), xmp=None)
    path = tmp_path / f"a{record.extension}"
    receipt = {line.what: line for line in image_io.write(path, picture).lines}
    info = image_io.read_info(path)
    assert info.format == record.name and info.has_alpha == record.alpha
    assert info.bit_depth == (16 if record.bits > 8 else 8)
    assert receipt["Transparency"].kept == record.alpha
    for extension in record.extensions:
        assert image_io.EXTENSION_FORMAT[extension] == record.name == format_type(extension)


def test_formats_are_told_apart() -> None:
    extensions = [extension for record in FORMATS.values() for extension in record.extensions]
    assert len(extensions) == len(set(extensions))
    assert len({record.words for record in FORMATS.values()}) == len(FORMATS)
