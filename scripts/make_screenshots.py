"""The pictures of the window that the README shows, from photos that ship: ``make screenshots``.

Written to ``docs/pictures/`` as WebP, drawn offscreen by the window itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
RAINY = ROOT / "resources" / "samples" / "rainy"

# name, further options; the last photo opened is the one restored and shown
_SHOTS: tuple[tuple[str, tuple[str, ...], list[str]], ...] = (
    ("restore-dark", ("dogs", "hill", "launchpad", "stream"), ["--theme", "dark"]),
    ("restore-light", ("stream", "dogs", "launchpad", "hill"), ["--theme", "light"]),
    ("side-by-side-dark", ("hill", "stream", "dogs", "launchpad"), ["--theme", "dark", "--mode", "side"]),
    ("empty-light", (), ["--theme", "light", "--size", "1024x640"]),
)


def main() -> int:
    from PIL import Image

    PICTURES.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    with tempfile.TemporaryDirectory() as folder:
        for name, photos, options in _SHOTS:
            drawn = Path(folder) / f"{name}.png"
            files = [str(RAINY / f"{photo}.jpg") for photo in photos]
            command = [sys.executable, "-m", "memorynet_gui.snapshot", *files, str(drawn), *options]
            subprocess.run(command, check=True, cwd=ROOT, env=environment)
            target = PICTURES / f"{name}.webp"
            Image.open(drawn).save(target, quality=86, method=6)
            print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
