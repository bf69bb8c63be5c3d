"""Draw the pictures that the README shows, of the window and of the memory: ``make screenshots``.

From bundled photos, which may be redistributed, with the bundled model, without a display.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
SIZE = "1280x800"
SAMPLES = "resources/samples"

# name: photos in the queue (the last in the order of the samples is shown), options
SCENES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "restore-dark": (
        ("rainy/dogs.jpg", "rainy/hill.jpg", "camera/dragonfly.jpg"),
        ("--theme", "dark", "--mode", "wipe"),
    ),
    "restore-light": (
        ("rainy/dogs.jpg", "rainy/hill.jpg", "rainy/stream.jpg"),
        ("--theme", "light", "--mode", "side"),
    ),
    "shadows-light": (
        (
            "shaded/bricks.jpg",
            "shaded/gravel.jpg",
            "shaded/path.jpg",
            "clean/bricks.jpg",
            "camera/dragonfly.jpg",
        ),
        ("--theme", "light", "--task", "deshadow", "--review"),
    ),
    "start-dark": ((), ("--theme", "dark")),
    "memory-dark": (("rainy/hill.jpg",), ("--theme", "dark", "--memory")),
    "memory-slots-light": (("rainy/dogs.jpg",), ("--theme", "light", "--memory", "--below", "slots")),
    "memory-map-dark": (("rainy/hill.jpg",), ("--theme", "dark", "--memory", "--below", "map")),
    "memory-moves-light": (("rainy/hill.jpg",), ("--theme", "light", "--memory", "--below", "moves")),
}
# name: options of pictures of the Train page; their runs are trained for them, which takes some minutes
TRAIN_SCENES: dict[str, tuple[str, ...]] = {
    "train-dark": ("--theme", "dark"),
}
TRAIN_RECIPE = "quick-look"
TRAIN_RUNS: tuple[tuple[str, dict[str, float]], ...] = (
    ("mist-1", {"lr": 2e-4}),
    ("mist-2", {}),
)  # the last is shown
MEMORY = "memory"
MEMORY_PHOTO = "resources/samples/rainy/dogs.jpg"
MEMORY_MAPS = ("negative-before", "negative-after", "positive-semantic")
MEMORY_MAP_PX = 560  # width of one map
MEMORY_PLACE = 420, 300  # of the photo, told about on its own


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw the pictures that the README shows.")
    known = (*SCENES, *TRAIN_SCENES, MEMORY)
    parser.add_argument("--out", type=Path, default=PICTURES, metavar="DIR", help="[docs/pictures]")
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        help="training runs to show [some are trained, which takes minutes]",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(known)} [all]")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(known))
    if unknown:
        parser.error(f"no picture {', '.join(unknown)} (known: {', '.join(known)})")
    args.out.mkdir(parents=True, exist_ok=True)
    names = args.names or known
    with tempfile.TemporaryDirectory() as folder:
        runs = args.runs or Path(folder)
        if args.runs is None and set(names) & set(TRAIN_SCENES):
            train_runs(runs)
        for name in names:
            if name == MEMORY:
                draw_memory(args.out / f"{MEMORY}.webp")
                continue
            photos, options = SCENES.get(name) or ((), ("--runs", str(runs.resolve()), *TRAIN_SCENES[name]))
            paths = [f"{SAMPLES}/{photo}" for photo in photos]
            if not draw_window(args.out.resolve() / f"{name}.png", paths, options):
                print(f"{name}: not drawn", file=sys.stderr)
                return 1
    return 0


def draw_window(target: Path, photos: Sequence[str], options: Sequence[str]) -> bool:
    """Have the window draw itself, and keep the picture as WebP. False when it could not."""
    command = [sys.executable, "-m", "memorynet_gui.snapshot", *photos, str(target), "--size", SIZE, *options]
    # a process each: a window that was shown leaves fonts, themes and threads behind
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0:
        return False
    small = target.with_suffix(".webp")  # a fifth of the size, and nobody can tell
    with Image.open(target) as drawn:
        drawn.save(small, quality=90, method=6)
    target.unlink()
    print(f"{small.name} ({small.stat().st_size / 1000:.0f} kB)")
    return True


def train_runs(folder: Path) -> None:
    """Real runs of the ready recipe, one after the other."""
    from core.model import catalog
    from core.training.recipe import TrainRecipe

    for name, changes in TRAIN_RUNS:
        recipe = replace(TrainRecipe.from_toml(catalog.recipe(TRAIN_RECIPE)), name=name, **changes)
        file = folder / f"{name}.toml"
        file.write_text(recipe.to_toml(), "utf-8")
        command = [sys.executable, "-m", "core.cli", "train", str(file), "--out", str(folder / name)]
        subprocess.run(command, cwd=ROOT, check=True)


def draw_memory(target: Path) -> None:
    """What the memory sees in a rainy photo: some maps of ``memorynet inspect`` side by side, and one place of it."""
    with tempfile.TemporaryDirectory() as folder:
        x, y = MEMORY_PLACE
        command = [
            *(sys.executable, "-m", "core.cli", "inspect", MEMORY_PHOTO),
            *("--out", folder, "--place", f"{x},{y}"),
        ]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        place = next(path for path in Path(folder).iterdir() if path.is_dir())
        maps = [Image.open(place / f"{name}.png").convert("RGB") for name in MEMORY_MAPS]
        with Image.open(place / f"place-{x}-{y}.png") as drawn:
            drawn.convert("RGB").save(target.with_stem(f"{target.stem}-place"), quality=88, method=6)
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
