"""Damages real files at random and reads them, for as long as one likes: nothing but the errors we name may come out.

    python -m benchmarks.fuzz --seconds 60 --seed 1

Each find is printed with the seed that makes it again. Exit 1 when there is one. The tests try a few seeds, too.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core import extras
from core.images import io as image_io
from core.images import place
from core.images import xmp as image_xmp
from core.images.exif import ExifError
from core.images.io import ImageError, WriteOptions
from core.model import catalog, checkpoint
from core.model.checkpoint import CheckpointError
from core.model.memory_edit import MemoryEdit, MemoryEditError, Slots, Step
from core.training.recipe import RecipeError, TrainRecipe

SLOW_S = 5.0


def damaged(data: bytes, dice: random.Random) -> bytes:
    """A few bytes changed, a part cut out or repeated."""
    hurt = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 5, 20])):
        at = dice.randrange(len(hurt))
        match dice.randrange(4):
            case 0:
                hurt[at] ^= 1 << dice.randrange(8)
            case 1:
                hurt[at : at + 4] = dice.choice([b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff"])
            case 2 if len(hurt) > 64:
                del hurt[at : at + dice.randrange(1, 32)]
            case _:
                hurt[at:at] = hurt[at : at + dice.randrange(1, 32)]
    return bytes(hurt) or b"\0"


Subject = tuple[str, bytes, Callable[[Path], object]]


def subjects(folder: Path) -> list[Subject]:
    """Name, whole file, and what reads it."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (48, 64, 3), np.uint8)
    found: list[Subject] = []
    for format_name, extension in image_io.FORMAT_EXTENSION.items():
        for depth in (np.uint8, np.uint16):
            path = folder / f"whole{extension}"
            scaled = pixels.astype(depth) * (257 if depth is np.uint16 else 1)
            picture = replace(image_io.from_array(scaled.astype(depth)), dpi=(72.0, 72.0))
            image_io.write(path, picture, WriteOptions(format_name, overwrite=True), {"model": "fuzz"})
            found.append((path.name, path.read_bytes(), _image))
    recipe = catalog.recipe(catalog.recipes()[0])
    found.append(("whole.toml", recipe.read_bytes(), TrainRecipe.from_toml))
    model = catalog.default_model("derain") / checkpoint.WEIGHTS_FILE
    found.append(("whole.safetensors", model.read_bytes(), checkpoint.load))
    edit = MemoryEdit((Step("boost", Slots("negative", "part", (3, 17)), 2.0), Step("mute")))
    found.append(("whole.json", edit.to_json().encode(), MemoryEdit.read))
    if not extras.missing("heic"):
        import pillow_heif

        packed = io.BytesIO()
        pillow_heif.from_bytes("RGB", (64, 48), pixels.tobytes()).save(packed, quality=80)
        found.append(("whole.heic", packed.getvalue(), _image))
    return found


def _image(path: Path) -> None:
    picture = image_io.read(path)
    place.in_exif(picture.exif)
    image_xmp.places(picture.xmp)
    image_io.thumbnail(path, 32)


def tried(seed: int, files: Sequence[Subject], folder: Path) -> tuple[str, str]:
    """What came of one damaged file, and the sentence of a find, else empty."""
    dice = random.Random(seed)
    what, whole, look = dice.choice(files)
    path = folder / f"hurt{Path(what).suffix}"
    path.write_bytes(damaged(whole, dice))
    began = time.monotonic()
    said, find = "read", ""
    try:
        look(path)
    except (ImageError, CheckpointError, RecipeError, ExifError, MemoryEditError) as error:
        said = type(error).__name__
    except Exception as error:
        said, find = "find", f"seed {seed}, {what}: {type(error).__name__}: {error}"
    if (took_s := time.monotonic() - began) > SLOW_S:
        said, find = "find", f"seed {seed}, {what}: took {took_s:.1f} s"
    return said, find


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    said: Counter[str] = Counter()
    finds = 0
    until = time.monotonic() + args.seconds
    with tempfile.TemporaryDirectory() as name:
        files = subjects(Path(name))
        seed = args.seed
        while time.monotonic() < until:
            came, find = tried(seed, files, Path(name))
            said[came] += 1
            if find:
                finds += 1
                print(find, file=sys.stderr)
            seed += 1
    print(json.dumps({"seeds": [args.seed, seed], "finds": finds, "said": dict(said)}))
    return int(finds > 0)


if __name__ == "__main__":
    sys.exit(main())
