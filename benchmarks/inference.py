"""Megapixels per second of MemoryNet beside a published network of known size, in one run.

    python benchmarks/inference.py [--quick] [--device auto] [--edge 768] [--tile 384] [--repeats 7] [--json]

Each of our presets runs in fp32 and bf16, *whole* (the network alone on one picture in the device's memory)
and *tiled* (the restore job itself: 8-bit picture in, tiles with their halo, 8-bit picture out). The
reference has the size and the MACs of NAFNet-32, which the script checks first; it runs whole, in eager
PyTorch like ours, in whichever of fp32/bf16 × contiguous/channels_last a trial finds fastest. Weights are
random: speed does not depend on them. After a warm-up the cases run in turn, round after round, so that a
disturbance meets all of them; medians are shown, and ratios are taken within each round. ``--quick`` ends within two
minutes on two processors without bf16 units: preset S alone in the precision the program itself would choose, the
reference in the same and channels_last, 256 px, three rounds.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from core.model.tensors import choose_device, choose_precision, describe_devices, dtype_of, to_tensor  # noqa: E402  (before torch)

# isort: split
import numpy as np  # noqa: E402
import torch  # noqa: E402
from reference_networks import ReferenceNet, check_reference, macs, parameter_count  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from core import jobs  # noqa: E402
from core.images import io as image_io  # noqa: E402
from core.model import checkpoint  # noqa: E402
from core.model.config import STRIDE_PX, NetworkConfig  # noqa: E402
from core.model.network import MemoryNet  # noqa: E402
from core.restoring.restore import RestoreRequest, restore  # noqa: E402

PRECISIONS = ("fp32", "bf16")
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
REFERENCE = "NAFNet-32 size"
REFERENCE_STRIDE_PX = 16
TRIALS = 2
QUICK_PX = 256


@dataclass(slots=True)
class Case:
    """One thing to time. ``run`` does it once and returns the seconds it took."""

    network: str
    precision: str
    mode: str  # "whole" | "tiled"
    memory_format: str
    parameters: int
    gmacs_at_256: float
    run: Callable[[], float]
    seconds: list[float] = field(default_factory=list)

    def megapixels_per_s(self, edge_px: int) -> float:
        return edge_px**2 / 1e6 / statistics.median(self.seconds)

    def as_dict(self, edge_px: int) -> dict[str, Any]:
        return {
            "network": self.network,
            "precision": self.precision,
            "mode": self.mode,
            "memory_format": self.memory_format,
            "parameters": self.parameters,
            "gmacs_at_256": round(self.gmacs_at_256, 3),
            "megapixels_per_s": self.megapixels_per_s(edge_px),
            "seconds": {
                "median": statistics.median(self.seconds),
                "min": min(self.seconds),
                "max": max(self.seconds),
            },
        }


def photo(edge_px: int) -> np.ndarray:
    """(edge, edge, 3) uint8: a sample photo repeated until it is large enough."""
    pixels = image_io.read(HERE.parent / "resources" / "samples" / "clean" / "stream.jpg").pixels
    repeats = [-(-edge_px // size) for size in pixels.shape[:2]]
    return np.ascontiguousarray(np.tile(pixels, (*repeats, 1))[:edge_px, :edge_px])


def synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()


def timed_forward(network: nn.Module, x: Tensor, device: str) -> Callable[[], float]:
    def run() -> float:
        synchronise(device)
        began = time.perf_counter()
        with torch.inference_mode():
            network(x)
        synchronise(device)
        return time.perf_counter() - began

    return run


def timed_restore(
    folder: Path, pixels: np.ndarray, device: str, precision: str, tile_px: int
) -> Callable[[], float]:
    picture = image_io.from_array(pixels, "benchmark")
    request = RestoreRequest(model=folder, device=device, precision=precision, tile_px=tile_px, scale="1")

    def run() -> float:
        return restore(picture, request, jobs.ignore, jobs.JobControl()).seconds  # loading is not in it

    return run


def reference_cases(
    pixels: np.ndarray,
    device: str,
    precisions: Sequence[str] = PRECISIONS,
    formats: Sequence[str] = tuple(FORMATS),
) -> list[Case]:
    """The reference in each precision and memory format. Raises AssertionError if its size is not as published."""
    parameters, cost = check_reference()
    cases = []
    for precision in precisions:
        for name in formats:
            memory_format = FORMATS[name]
            network = ReferenceNet().eval().requires_grad_(False)
            network.to(device=device, dtype=dtype_of(precision), memory_format=memory_format)  # type: ignore[call-overload]
            x = to_tensor(pixels, device).to(dtype_of(precision)).contiguous(memory_format=memory_format)
            run = timed_forward(network, x, device)
            cases.append(Case(REFERENCE, precision, "whole", name, parameters, cost / 1e9, run))
    return cases


def fastest(cases: Sequence[Case]) -> Case:
    """The case with the shortest of a few runs, after one to warm up."""

    def shortest(case: Case) -> float:
        case.run()
        return min(case.run() for _ in range(TRIALS))

    return min(cases, key=shortest)


def our_cases(
    preset: str,
    pixels: np.ndarray,
    device: str,
    tile_px: int,
    folder: Path,
    precisions: Sequence[str] = PRECISIONS,
) -> list[Case]:
    config = NetworkConfig.preset(preset)
    network = MemoryNet(config)
    parameters, cost = parameter_count(network), macs(network)
    model = checkpoint.save(folder / preset, network, name=preset, task="derain", provenance={})
    cases = []
    for precision in precisions:
        whole = checkpoint.load(model, device).network.to(dtype_of(precision))
        run = timed_forward(whole, to_tensor(pixels, device), device)
        tiled = timed_restore(model, pixels, device, precision, tile_px)
        for mode, action in (("whole", run), ("tiled", tiled)):
            name = f"MemoryNet {preset}"
            cases.append(Case(name, precision, mode, "channels_last", parameters, cost / 1e9, action))
    return cases


def measure(cases: Sequence[Case], repeats: int, say: Callable[[str], None]) -> None:
    """One warm-up, then ``repeats`` rounds through all cases, each round beginning at another one."""
    for case in cases:
        case.run()
    for index in range(repeats):
        say(f"round {index + 1} of {repeats}")
        start = index % len(cases)
        for case in (*cases[start:], *cases[:start]):
            case.seconds.append(case.run())


def ratio(ours: Case, theirs: Case) -> dict[str, Any]:
    """How many times faster ``ours`` is: the median over rounds, and the extremes."""
    rounds = [b / a for a, b in zip(ours.seconds, theirs.seconds, strict=True)]
    return {
        "network": ours.network,
        "precision": ours.precision,
        "mode": ours.mode,
        "times_reference": statistics.median(rounds),
        "min": min(rounds),
        "max": max(rounds),
    }


def compare(cases: Sequence[Case], reference: Case) -> list[dict[str, Any]]:
    """Each of our networks and modes at its best precision against the reference at its best."""
    best: dict[tuple[str, str], Case] = {}
    for case in cases:
        if case is reference:
            continue
        key = (case.network, case.mode)
        if key not in best or statistics.median(case.seconds) < statistics.median(best[key].seconds):
            best[key] = case
    return [ratio(case, reference) for case in best.values()]


def report(result: dict[str, Any]) -> str:
    lines = [
        f"{result['device_title']}, PyTorch {result['torch']}, picture {result['edge_px']}x{result['edge_px']} px, "
        f"tiles of {result['tile_px']} px owned, median of {result['repeats']} rounds",
        "",
        f"{'network':<16}{'parameters':>12}{'GMAC@256':>10}  {'precision':<10}{'mode':<7}{'format':<15}{'MP/s':>9}",
    ]
    for row in result["rows"]:
        lines.append(
            f"{row['network']:<16}{row['parameters'] / 1e6:>10.2f} M{row['gmacs_at_256']:>10.2f}  "
            f"{row['precision']:<10}{row['mode']:<7}{row['memory_format']:<15}{row['megapixels_per_s']:>9.3f}"
        )
    lines.append("")
    for row in result["ratios"]:
        lines.append(
            f"{row['network']}, {row['mode']}, {row['precision']}: {row['times_reference']:.2f}x the reference "
            f"({row['min']:.2f} to {row['max']:.2f} over the rounds)"
        )
    return "\n".join(lines)


def whole_number(low: int, multiple: int = 1) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if value < low or value % multiple:
            raise argparse.ArgumentTypeError(f"{value}: need a multiple of {multiple} from {low}")
        return value

    parse.__name__ = "number"  # argparse names it when the text is no number at all
    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda:N or mps")
    parser.add_argument(
        "--edge",
        type=whole_number(REFERENCE_STRIDE_PX, REFERENCE_STRIDE_PX),
        metavar="PX",
        help="edge of the square picture (default: 768 on the CPU, 2048 otherwise)",
    )
    parser.add_argument(
        "--tile", type=whole_number(64, STRIDE_PX), metavar="PX", help="owned edge of a tile (default: half)"
    )
    parser.add_argument("--repeats", type=whole_number(1), metavar="N", help="rounds (default: 7; quick: 3)")
    parser.add_argument("--quick", action="store_true", help="an answer within two minutes, of less")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args(arguments)

    device = choose_device(options.device)
    edge_px = options.edge or (QUICK_PX if options.quick else 768 if device == "cpu" else 2048)
    repeats = options.repeats or (3 if options.quick else 7)
    precisions = (choose_precision("auto", device),) if options.quick else PRECISIONS
    formats = ("channels_last",) if options.quick else tuple(FORMATS)
    tile_px = options.tile or max(64, edge_px // 2 // STRIDE_PX * STRIDE_PX)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    torch.manual_seed(0)
    pixels = photo(edge_px)
    with tempfile.TemporaryDirectory() as folder:
        say("choosing the reference's precision and memory format")
        reference = fastest(reference_cases(pixels, device, precisions, formats))
        cases = [reference]
        for preset in ("S",) if options.quick else ("S", "B"):
            cases += our_cases(preset, pixels, device, tile_px, Path(folder), precisions)
        measure(cases, repeats, say)
    titles = {entry.name: entry.title for entry in describe_devices()}
    result = {
        "device": device,
        "device_title": titles[device],
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "edge_px": edge_px,
        "tile_px": tile_px,
        "repeats": repeats,
        "rows": [case.as_dict(edge_px) for case in cases],
        "ratios": compare(cases, reference),
    }
    print(json.dumps(result) if options.json else report(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
