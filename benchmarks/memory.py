"""Peak memory of restoring a large picture on the processor, reading and writing included.

    python benchmarks/memory.py [--megapixels 100] [--scale auto] [--tile auto] [--format tif]

For each of 8 and 16 bit it writes a large picture, the bundled rainy photo repeated and mirrored, to a temporary folder,
runs ``memorynet restore`` on it in a process of its own and prints that process's largest resident size (the operating
system's own count).
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.images import io as image_io


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", type=float, default=100.0)
    parser.add_argument("--scale", default="auto")
    parser.add_argument("--tile", default="auto")
    parser.add_argument("--format", default="tif", choices=("tif", "png"))
    parser.add_argument("--bits", default="8,16")
    options = parser.parse_args()
    height = round((options.megapixels * 1e6 / 1.5) ** 0.5)
    width = round(1.5 * height)
    print(f"{platform.machine()}, {os.cpu_count()} processors; {width}x{height} px, {options.format}")
    failed = False
    for bits in map(int, options.bits.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / f"large.{options.format}"
            _write_large(source, width, height, bits)
            began = time.monotonic()
            code, peak_bytes = _run(source, Path(folder) / "out", options.scale, options.tile)
            seconds = time.monotonic() - began
        failed |= code != 0
        print(f"{bits:2d} bit: exit {code}, peak {peak_bytes / 1e9:.2f} GB, {seconds:.0f} s", flush=True)
    return int(failed)


def _write_large(path: Path, width: int, height: int, bits: int) -> None:
    rainy = image_io.read(Path("resources/samples/camera/dragonfly.jpg")).pixels
    down, right = height - rainy.shape[0], width - rainy.shape[1]
    pixels = np.pad(rainy, ((0, max(0, down)), (0, max(0, right)), (0, 0)), mode="symmetric")[:height, :width]
    if bits == 16:
        pixels = pixels.astype(np.uint16) * 257
    image_io.write(path, image_io.from_array(np.ascontiguousarray(pixels)))


def _run(source: Path, out: Path, scale: str, tile: str) -> tuple[int, int]:
    """Exit code and peak resident bytes of the command in a process of its own."""
    command = [
        sys.executable,
        "main.py",
        "restore",
        str(source),
        "--out",
        str(out),
        "--scale",
        scale,
        "--tile",
        tile,
    ]
    child = os.posix_spawn(sys.executable, command, os.environ)
    _, status, usage = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    raise SystemExit(main())
