"""What each part of the memory is worth: twins of equal parameters, data order, steps and seed, in one table.

    python benchmarks/ablation.py --data DATA --runs FOLDER          train what is missing, then print the table
    python benchmarks/ablation.py --table                            only print the table of what was measured

A twin without a part of the memory spends its parameters on convolutions (``NetworkConfig.with_memory``). Runs are
resumable: a finished one is not repeated, an interrupted one goes on where it stopped. Scores are those of the
averaged weights after the last step, on photos (rain) or scenes (shadows) that were never trained on; nothing is
chosen by them. Results are kept in ``benchmarks/results/ablation.json``; ``--write`` puts the table into
``docs/memory.md``. The order is by worth: the two ends first, then the parts, then further seeds of the ends.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch

from core import atomic
from core.events import StepDone
from core.jobs import JobControl
from core.model import catalog
from core.model.config import MEMORIES, NetworkConfig
from core.model.network import MemoryNet, with_memory
from core.training.learning import learner
from core.training.learning.memory import MemoryShaper
from core.training.recipe import TrainRecipe
from core.training.run_folder import read_curve
from core.training.trainer import train

RESULTS = Path(__file__).parent / "results" / "ablation.json"
DOCUMENT = Path(__file__).parents[1] / "docs" / "memory.md"
BEGIN, END = "<!-- ablation -->", "<!-- /ablation -->"

# title -> memory, whether slots are told their polarity, whether the contrastive term is on
VARIANTS: dict[str, tuple[str, bool, bool]] = {
    "no memory": ("none", False, False),
    "all": ("all", True, True),
    "no memory, same effects": ("path", False, False),
    "positive prototypes only": ("positive", False, False),
    "+ negative polarity": ("prototypes", True, False),
    "+ actual memory": ("all", True, False),
    "all, part only": ("part", True, True),
    "all, instance only": ("instance", True, True),
    "all, semantic only": ("semantic", True, True),
    "all, learned slots random": ("all", True, True),
}
SHOWN = (
    "no memory", "no memory, same effects", "positive prototypes only", "+ negative polarity", "+ actual memory", "all",
    "all, part only", "all, instance only", "all, semantic only", "all, learned slots random",
)  # fmt: skip
ENDS = ("no memory", "all")
RANDOM = "all, learned slots random"  # these stay as they were drawn, while all else learns
MIXED = "derain"
LIGHT = "derain of light drawn rain"  # the recipe before there were mixtures, in benchmarks/results only
TITLES = {LIGHT: "light drawn rain alone", "deblur": "blur"}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--runs", type=Path, help="folder for the run folders")
    parser.add_argument("--tasks", nargs="+", default=["derain", "deshadow"])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--patch-px", type=int, default=128)
    parser.add_argument("--validations", type=int, default=5, help="dead slots are filled anew as often [5]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", choices=tuple(VARIANTS), help="train these variants only")
    parser.add_argument("--table", action="store_true", help="train nothing")
    parser.add_argument("--cost", action="store_true", help="measure time and memory of each variant")
    parser.add_argument("--write", action="store_true", help="put the table into docs/memory.md")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        return _print_peak(options.peak_of, options.width)
    results = read_results()
    if not options.table:
        if options.data is None or options.runs is None:
            parser.error("need --data and --runs to train (--table only prints)")
        for task, variant, seed in plan(options.tasks, options.only or list(VARIANTS), options.seeds):
            entry = one_run(task, variant, seed, options)
            results["runs"] = [r for r in results["runs"] if _key(r) != _key(entry)] + [entry]
            keep_results(results)
            print(f"{task}, {variant}, seed {seed}: {entry['psnr_db']:.3f} dB", flush=True)
    if options.cost:
        results["cost"][str(options.width)] = cost(options.width)
        keep_results(results)
    text = table(results, options.steps, options.width)
    print(text)
    if options.write:
        document = DOCUMENT.read_text(encoding="utf-8")
        head, _, rest = document.partition(BEGIN)
        tail = rest.partition(END)[2]
        DOCUMENT.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")
    return 0


def plan(tasks: list[str], variants: list[str], seeds: list[int]) -> list[tuple[str, str, int]]:
    first = [(task, variant, seeds[0]) for variant in variants if variant in ENDS for task in tasks]
    further = [
        (task, variant, seed)
        for seed in seeds[1:]
        for task in tasks
        for variant in variants
        if variant in ENDS
    ]
    parts = [(task, variant, seeds[0]) for variant in variants if variant not in ENDS for task in tasks]
    return first + parts + further


def recipe_of(task: str, variant: str, seed: int, options: argparse.Namespace) -> TrainRecipe:
    """The shipped recipe of the task with a narrower network, fewer steps and the variant's memory."""
    memory, polarity, contrastive = VARIANTS[variant]
    base = TrainRecipe.from_toml(catalog.recipe(task))
    if memory in ("none", "path"):  # nothing to look up, so nothing to shape
        base = replace(base, smooth_weight=0.0, spread_weight=0.0, balance_weight=0.0, actual_dropped=0.0)
    return replace(
        base,
        name=f"{task}-ablation",
        seed=seed,
        preset="custom",
        width=options.width,
        memory=memory,
        steps=options.steps,
        patch_px=options.patch_px,
        camera_share=0.0,  # what the scores are taken on has not been through a camera either
        validate_every=max(1, options.steps // options.validations),
        polarity_weight=base.polarity_weight if polarity else 0.0,
        contrastive_weight=base.contrastive_weight if contrastive else 0.0,
    )


def one_run(task: str, variant: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    recipe = recipe_of(task, variant, seed, options)
    name = "".join(c if c.isalnum() else "-" for c in variant).strip("-")
    out = options.runs / f"{task}-{name}-{seed}-{options.steps}-{options.width}"
    last = [0.0]

    def emit(event: object) -> None:
        if isinstance(event, StepDone) and time.monotonic() - last[0] > 30:
            last[0] = time.monotonic()
            print(f"  {out.name}: step {event.step}, {event.seconds_left / 60:.0f} min left", flush=True)

    with slots_kept_random() if variant == RANDOM else nullcontext():
        train(recipe, (options.data,), out, emit, JobControl(), resume=True, device="auto")
    curve = read_curve(out)
    final = [line for line in curve if line["kind"] == "validation"][-1]
    speeds = [line["images_per_s"] for line in curve if line["kind"] == "step"]
    with torch.device("meta"):
        network = MemoryNet(with_memory(NetworkConfig(width=options.width), VARIANTS[variant][0]))
    return {
        "task": task,
        "variant": variant,
        "seed": seed,
        "steps": options.steps,
        "width": options.width,
        "patch_px": options.patch_px,
        "validations": options.validations,
        "parameters": sum(p.numel() for p in network.parameters()),
        "psnr_db": round(final["psnr_db"], 4),
        "ssim": round(final["ssim"], 5),
        **({"psnr_guided_db": round(final["psnr_guided_db"], 4)} if final.get("psnr_guided_db") else {}),
        **{
            key: round(final[key], 4) for key in final if key.startswith("psnr_db ")
        },  # of each source of a mixture
        "images_per_s": float(np.median(speeds)),
        "recipe_sha256": recipe.sha256(),
        "date": datetime.date.today().isoformat(),
    }


@contextmanager
def slots_kept_random() -> Iterator[None]:
    """Within, a new network's slots are not learned and no dead one is filled anew: what is learned is where to look."""
    new_network = learner._new_network

    def with_random_slots(recipe: TrainRecipe) -> MemoryNet:
        network = new_network(recipe)
        assert network.memory is not None
        for slots in (network.memory.parts, network.memory.to_instance, network.memory.to_semantic):
            slots.requires_grad_(False)
        return network

    with (
        mock.patch.object(learner, "_new_network", with_random_slots),
        mock.patch.object(MemoryShaper, "reseed", lambda *_args: {}),
    ):
        yield


def _key(entry: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(entry[name] for name in ("task", "variant", "seed", "steps", "width"))


def read_results() -> dict[str, Any]:
    if not RESULTS.exists():
        return {"runs": [], "cost": {}}
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def keep_results(results: dict[str, Any]) -> None:
    text = json.dumps(results, indent=1) + "\n"
    atomic.write_text(RESULTS, text)


# --- cost ----------------------------------------------------------------------------------------------


def cost(width: int, edge_px: int = 512, rounds: int = 15) -> dict[str, Any]:
    """Time of a restoration against the twin without a memory, taken in turns, and peak memory of each."""
    networks = {kind: _network(kind, width) for kind in MEMORIES}
    x = torch.rand(1, 3, edge_px, edge_px)
    times: dict[str, list[float]] = {kind: [] for kind in networks}
    with torch.inference_mode():
        for turn in range(rounds + 2):
            for kind, network in networks.items():
                began = time.perf_counter()
                network(x)
                if turn >= 2:
                    times[kind].append(time.perf_counter() - began)
    ratios = {
        kind: float(np.median(np.asarray(values) / np.asarray(times["none"])))
        for kind, values in times.items()
    }
    peaks = {kind: _peak_mb(kind, width) for kind in networks}
    return {
        "width": width,
        "edge_px": edge_px,
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, bf16",
        "date": datetime.date.today().isoformat(),
        "time_ratio": {kind: round(value, 3) for kind, value in ratios.items()},
        "peak_mb": {kind: round(value) for kind, value in peaks.items()},
    }


def _network(kind: str, width: int) -> MemoryNet:
    network = MemoryNet(with_memory(NetworkConfig(width=width), kind)).eval().to(torch.bfloat16)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _peak_mb(kind: str, width: int) -> float:
    command = [sys.executable, __file__, "--peak-of", kind, "--width", str(width)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _print_peak(kind: str, width: int) -> int:
    with torch.inference_mode():
        _network(kind, width)(torch.rand(1, 3, 1024, 1024))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return 0


# --- the table -----------------------------------------------------------------------------------------


def table(results: dict[str, Any], steps: int, width: int) -> str:
    runs = [r for r in results["runs"] if (r["steps"], r["width"]) == (steps, width)]
    tasks = sorted({r["task"] for r in runs})
    costs = results["cost"]
    ratio, peak = (costs.get(str(width), {}).get(part, {}) for part in ("time_ratio", "peak_mb"))
    lines = [
        f"{steps} steps of the task's recipe, width {width}; PSNR of the task's protocol in dB with the first seed; in "
        "brackets the mean and spread of the difference to no memory over paired seeds.",
    ]
    columns = [column for task in tasks if task != MIXED for column in _columns(task)]
    lines += ["", *_rows(runs, columns, ratio, peak)]
    if MIXED in tasks:
        of_mixture = [r for r in runs if r["task"] == MIXED]
        fields = {field for run in of_mixture for field in run}
        columns = [column for column in _columns(MIXED) if column[2] in fields]
        lines += ["", "The recipe of rain mixes sources; each is scored by itself, the whole as their mean:"]
        lines += ["", *_rows(of_mixture, columns)]
    if cost_of := costs.get(str(width)):
        lines += [
            "",
            f"Time against no memory (median of ratios taken in turns, {cost_of['edge_px']} px square) and peak memory of the "
            f"process (1024 px square): {cost_of['machine']}, {cost_of['date']}.",
        ]
        lines += [
            f"At width {other} the whole memory takes x{found['time_ratio']['all']:.2f} the time and "
            f"{found['peak_mb']['all']} MB against {found['peak_mb']['none']}."
            for other, found in costs.items()
            if other != str(width)
        ]
    return "\n".join(lines)


def _rows(
    runs: list[dict[str, Any]],
    columns: list[tuple[str, str, str]],
    ratio: Mapping[str, float] | None = None,
    peak: Mapping[str, int] | None = None,
) -> list[str]:
    """A table of the variants that were run; with what they cost where that is known."""
    titles = ["memory", "parameters", *(title for title, _, _ in columns)]
    titles += ["time", "peak MB"] if ratio is not None else []
    lines = [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"]
    for variant in SHOWN:
        of_variant = [r for r in runs if r["variant"] == variant]
        if not of_variant:
            continue
        kind = VARIANTS[variant][0]
        cells = [variant, f"{of_variant[0]['parameters']:,}"]
        cells += [_cell(runs, variant, task, field) for _, task, field in columns]
        if ratio is not None and peak is not None:
            cells += [f"x{ratio[kind]:.2f}" if kind in ratio else "", str(peak.get(kind, ""))]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _columns(task: str) -> list[tuple[str, str, str]]:
    if task == "deshadow":
        return [("shadow, no mask", task, "psnr_db"), ("shadow, mask given", task, "psnr_guided_db")]
    if task == MIXED:
        sources = ("light drawn", "heavy drawn", "layers", "thin layers", "raincity", "clean", "dense layers")
        kinds = ("1 drawn", "2 drawn", "3 layers", "4 layers", "5 pairs", "6 clean", "7 layers")
        # as the recipe was before thin layers
        sources += ("raincity", "clean", "dense layers")
        kinds += ("4 pairs", "5 clean", "6 layers")
        return [("all", task, "psnr_db")] + [
            (name, task, f"psnr_db {kind}") for name, kind in zip(sources, kinds, strict=True)
        ]
    return [(TITLES.get(task, task), task, "psnr_db")]


def _cell(runs: list[dict[str, Any]], variant: str, task: str, field: str) -> str:
    found = {
        r["seed"]: r[field] for r in runs if r["variant"] == variant and r["task"] == task and field in r
    }
    base = {r["seed"]: r[field] for r in runs if r["variant"] == ENDS[0] and r["task"] == task and field in r}
    if not found:
        return ""
    text = f"{found[min(found)]:.2f}"
    both = sorted(set(found) & set(base))
    if variant != ENDS[0] and both:
        gains = [found[seed] - base[seed] for seed in both]
        text += f" ({np.mean(gains):+.2f}"
        text += f" ± {np.std(gains, ddof=1):.2f}, {len(both)} seeds)" if len(both) > 1 else ")"
    return text


if __name__ == "__main__":
    sys.exit(main())
