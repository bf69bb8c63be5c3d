"""What a graphics card does with MemoryNet, in one run that ends within ten minutes.

    python benchmarks/gpu.py [--device cuda:0] [--minutes 9] [--json]

Without a card it says so, and measures nothing. With one, in turn:

1. the card's own rate: the best of several products of two 8192x8192 matrices in bf16 (fp32 where the card has no bf16);
2. the network of ``derain-s`` alone on pictures of 768x768 px in that precision: images a second, and the share of 1. that
   its multiplications and additions come to;
3. a photo of 24 megapixels restored as the program does it, reading and writing left out; and a piece of it on the card and on the
   processor, which must not differ by more than two levels of 255;
4. training: the recipe of the shipped model as ``benchmarks/training.py`` measures it, preset S at 128 px;
5. out of memory, for real: all of the card but a few hundred megabytes is taken away, and the photo is restored in one tile.
   The program has to step down (smaller tiles, at last the processor), say so, and come to the same picture.

A part that no longer fits into the time is left out and said so. What does not hold ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import inference  # noqa: E402  (sets what has to stand before torch)
import numpy as np  # noqa: E402
import torch  # noqa: E402
import training  # noqa: E402
from reference_networks import macs  # noqa: E402

from core.events import LadderStep  # noqa: E402
from core.images import io as image_io  # noqa: E402
from core.jobs import JobControl, ignore  # noqa: E402
from core.model import catalog  # noqa: E402
from core.model.network import MemoryNet  # noqa: E402
from core.model.tensors import DeviceError, choose_device, choose_precision, describe_devices, to_tensor  # noqa: E402
from core.restoring.passes import load_model  # noqa: E402
from core.restoring.restore import RestoreRequest, restore  # noqa: E402

NO_CARD = "No card here: nothing is measured."
PHOTO_PX = (6000, 4000)
EDGE_PX, PIECE_PX = 768, 512
LEAST_LEVELS = 2  # of 255, by which card and processor may differ
LEFT_MB = 300  # of the card's memory, where it runs short
TRAIN_STEPS = 24
MINUTES = 9.0


class Fault(AssertionError):
    """Something that has to hold does not."""


@dataclass(slots=True)
class Sizes:
    """Of what is measured; a test makes them small."""

    matrix: int = training.MATRIX_EDGE
    edge_px: int = EDGE_PX
    photo_px: tuple[int, int] = PHOTO_PX
    piece_px: int = PIECE_PX
    train_steps: int = TRAIN_STEPS


def photo(width: int, height: int) -> image_io.Picture:
    """Rain as it ships, laid side by side until it is as large as wanted."""
    sample = image_io.read(catalog.samples()[0].path).pixels
    times = -(-height // sample.shape[0]), -(-width // sample.shape[1]), 1
    return image_io.from_array(np.tile(sample, times)[:height, :width].copy())


def rate(device: str, precision: str, sizes: Sizes) -> dict[str, Any]:
    found = training.measured_matrix_rate(device, precision, sizes.matrix)
    return {"precision": precision, "flop_per_s": found}


def network(device: str, precision: str, sizes: Sizes, flop_per_s: float | None) -> dict[str, Any]:
    """The network alone, on a picture in the device's memory."""
    found = load_model(catalog.default_model("derain"), device, precision).network
    edge = sizes.edge_px
    run = inference.timed_forward(found, to_tensor(inference.photo(edge), device), device)
    for _ in range(3):
        run()
    seconds = min(run() for _ in range(10))
    counted = min(edge, 256)  # on the processor; the cost goes by the area
    flop = 2 * macs(MemoryNet(found.config), counted) * (edge / counted) ** 2
    return {
        "images_per_s": 1 / seconds,
        "megapixels_per_s": edge**2 / 1e6 / seconds,
        "flop_per_s": flop / seconds,
        "share_of_rate": None if flop_per_s is None else flop / seconds / flop_per_s,
    }


def whole_photo(device: str, sizes: Sizes) -> dict[str, Any]:
    """Restored as the program does. Raises Fault where card and processor disagree."""
    picture = photo(*sizes.photo_px)
    restored = restore(picture, RestoreRequest(device=device, scale="1"), ignore, JobControl())
    piece = photo(sizes.piece_px, sizes.piece_px)
    both = [
        restore(piece, RestoreRequest(device=name, scale="1", precision="fp32"), ignore, JobControl())
        for name in (device, "cpu")
    ]
    levels = int(np.abs(both[0].pixels.astype(int) - both[1].pixels).max())
    if levels > LEAST_LEVELS:
        raise Fault(f"{device} and the processor differ by {levels} levels of 255 in fp32")
    return {
        "megapixels": sizes.photo_px[0] * sizes.photo_px[1] / 1e6,
        "seconds": restored.seconds,
        "megapixels_per_s": restored.megapixels_per_s,
        "tile_px": restored.tile_px,
        "device": restored.device,
        "precision": restored.precision,
        "levels_from_processor": levels,
    }


def learning(device: str, sizes: Sizes, flop_per_s: float | None) -> dict[str, Any]:
    recipe = training.recipe_of("derain", "S", 128, None)
    row = training.measure(recipe, device, sizes.train_steps, flop_per_s)
    return {
        "images_per_s": row.images_per_s,
        "step_s": row.step_s,
        "data_wait": row.data_wait,
        "peak_device_mb": row.peak_device_mb,
        "share_of_rate": row.share_of_matrix_rate,
    }


def out_of_memory(device: str, sizes: Sizes) -> dict[str, Any]:
    """Raises Fault unless the program steps down, says so and comes to the same picture."""
    width, height = (edge // 2 for edge in sizes.photo_px)
    picture = photo(width, height)
    with_room = restore(picture, RestoreRequest(device=device, scale="1"), ignore, JobControl())
    torch.cuda.empty_cache()
    free, _total = torch.cuda.mem_get_info(torch.device(device))
    taken = torch.empty(max(0, free - LEFT_MB * 1_000_000), dtype=torch.uint8, device=device)
    steps: list[LadderStep] = []

    def watch(event: object) -> None:
        if isinstance(event, LadderStep):
            steps.append(event)

    try:
        request = RestoreRequest(device=device, scale="1", tile_px=max(width, height))
        short = restore(picture, request, watch, JobControl())
    finally:
        del taken
        torch.cuda.empty_cache()
    if not steps:
        raise Fault(f"{LEFT_MB} MB were left of the card, and nothing ran short")
    levels = int(np.abs(short.pixels.astype(int) - with_room.pixels).max())
    if levels > 2 * LEAST_LEVELS:  # bf16 here and there, on other tiles
        raise Fault(f"the picture differs by {levels} levels of 255 where memory ran short")
    return {
        "left_mb": LEFT_MB,
        "steps": [f"{step.tile_px} px on {step.device}" for step in steps],
        "seconds": short.seconds,
        "levels": levels,
    }


def measure(device: str, sizes: Sizes, until: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Part -> what it came to; a part for which no time was left is None. Raises Fault."""
    precision = choose_precision("auto", device)
    found: dict[str, Any] = {}
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "rate": lambda: rate(device, precision, sizes),
        "network": lambda: network(device, precision, sizes, found["rate"]["flop_per_s"]),
        "photo": lambda: whole_photo(device, sizes),
        "training": lambda: learning(device, sizes, found["rate"]["flop_per_s"]),
    }
    if device.startswith("cuda"):
        parts["out_of_memory"] = lambda: out_of_memory(device, sizes)
    for name, part in parts.items():
        if time.monotonic() > until:
            say(f"{name.replace('_', ' ')}: left out, the time is up")
            found[name] = None
            continue
        began = time.monotonic()
        found[name] = part()
        numbers = ", ".join(f"{key} {_told(value)}" for key, value in found[name].items())
        say(f"{name.replace('_', ' ')}: {numbers}  ({time.monotonic() - began:.0f} s)")
    return found


def _told(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cuda", help="the card [cuda]")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="after which no part is begun [9]")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    args = parser.parse_args(arguments)
    try:
        device = choose_device(args.device)
    except DeviceError as error:
        print(f"{NO_CARD} {error}")
        return 0
    if device == "cpu":
        print(NO_CARD)
        return 0
    title = next(found.title for found in describe_devices() if found.name == device)

    def say(text: str) -> None:
        print(text, file=sys.stderr if args.json else sys.stdout, flush=True)

    say(f"{title} ({device}), PyTorch {torch.__version__}")
    try:
        found = measure(device, Sizes(), time.monotonic() + 60 * args.minutes, say)
    except Fault as fault:
        print(f"FAULT: {fault}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"device": title, "torch": str(torch.__version__), **found}, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
