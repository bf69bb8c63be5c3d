"""Draw the pictures that the README shows, of the window and of the memory: ``make screenshots``.

From bundled photos, which may be redistributed, with the bundled model, without a display.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
SIZE = "1280x800"
SAMPLES = "resources/samples/rainy"

# name: photos in the queue (the last in the order of the samples is shown), options
SCENES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "restore-dark": (("dogs.jpg", "hill.jpg"), ("--theme", "dark", "--mode", "wipe")),
    "restore-light": (("dogs.jpg", "hill.jpg", "stream.jpg"), ("--theme", "light", "--mode", "side")),
    "start-dark": ((), ("--theme", "dark")),
}
MEMORY = "memory"
MEMORY_PHOTO = "resources/samples/rainy/dogs.jpg"
MEMORY_MAPS = ("negative-before", "negative-after", "positive-semantic")
MEMORY_MAP_PX = 560  # width of one map


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw the pictures that the README shows.")
    known = (*SCENES, MEMORY)
    parser.add_argument("--out", type=Path, default=PICTURES, metavar="DIR", help="[docs/pictures]")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(known)} [all]")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(known))
    if unknown:
        parser.error(f"no picture {', '.join(unknown)} (known: {', '.join(known)})")
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names or known:
        if name == MEMORY:
            draw_memory(args.out / f"{MEMORY}.webp")
            continue
        photos, options = SCENES[name]
        target = args.out.resolve() / f"{name}.png"
        command = [sys.executable, "-m", "memorynet_gui.snapshot"]
        command += [*(f"{SAMPLES}/{photo}" for photo in photos), str(target), "--size", SIZE, *options]
        # a process each: a window that was shown leaves fonts, themes and threads behind
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
        if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0:
            print(f"{name}: not drawn", file=sys.stderr)
            return 1
        small = target.with_suffix(".webp")  # a fifth of the size, and nobody can tell
        with Image.open(target) as drawn:
            drawn.save(small, quality=90, method=6)
        target.unlink()
        print(f"{small.name} ({small.stat().st_size / 1000:.0f} kB)")
    return 0


def draw_memory(target: Path) -> None:
    """What the memory sees in a rainy photo: some maps of ``memorynet inspect``, side by side."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "core.cli", "inspect", MEMORY_PHOTO, "--out", folder]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        place = next(path for path in Path(folder).iterdir() if path.is_dir())
        maps = [Image.open(place / f"{name}.png").convert("RGB") for name in MEMORY_MAPS]
    maps = [
        drawn.resize((MEMORY_MAP_PX, round(drawn.height * MEMORY_MAP_PX / drawn.width))) for drawn in maps
    ]
    sheet = Image.new(
        "RGB", (MEMORY_MAP_PX * len(maps), max(drawn.height for drawn in maps)), maps[0].getpixel((0, 0))
    )
    for index, drawn in enumerate(maps):
        sheet.paste(drawn, (MEMORY_MAP_PX * index, 0))
    sheet.save(target, quality=90, method=6)
    print(f"{target.name} ({target.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    sys.exit(main())
