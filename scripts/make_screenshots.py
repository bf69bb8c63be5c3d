"""Draw the pictures of the window that the README shows: ``make screenshots``.

From bundled photos, which may be redistributed, with the bundled model, without a display.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
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


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw the pictures of the window that the README shows.")
    parser.add_argument("--out", type=Path, default=PICTURES, metavar="DIR", help="[docs/pictures]")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(SCENES)} [all]")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(SCENES))
    if unknown:
        parser.error(f"no picture {', '.join(unknown)} (known: {', '.join(SCENES)})")
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names or SCENES:
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


if __name__ == "__main__":
    sys.exit(main())
