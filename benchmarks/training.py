"""How fast MemoryNet learns, and what its steps are made of.

    python benchmarks/training.py [--presets S B] [--patches 128 256] [--steps 24] [--device auto] [--json]

Each case is the recipe (``--recipe``, default the shipped model's; ``--batch`` overrules its batch) with another
preset and patch, on the photos that ship, nothing written to the disk. Batches are made ahead by as many threads
as in training, steps are those of training itself. Every ``contrastive_every``-th step has the further passes of
the contrast, so all is measured over whole *rounds* of that many steps:

1. one round to warm up, which also uses up the batches that were made ahead meanwhile;
2. ``--steps`` steps, rounded up to whole rounds, timed; a device is waited for at the end of each round only, as a
   run waits for it when it reports. Images/s and the step's time are those of the median round (slowest and
   fastest beside it), waiting for data included. *Data wait* is the share of all their time that the thread that
   trains stood waiting for a batch (a card may still be at work meanwhile), *made in* the median time of one thread for one batch. Peak memory is that of
   these steps: of the process, from then-resident pages looked at every 10 ms (what torch itself and the photos
   take is in it), and of the device as torch has reserved it;
3. one round under ``torch.profiler`` without waiting for data: the share of the steps' time spent in convolutions,
   forward and backward. On a processor it is the time inside them; on a CUDA device the time of the kernels they
   launched, once of the steps' time and once of the time in which any kernel ran;
4. one step with and one without the contrast whose multiplications and additions are counted (two operations a
   multiply-accumulate: convolutions and matrix products of the passes through the network, forward and backward;
   what the optimizers multiply is left out). From that and 2, the rate that learning reaches.

On a CUDA device that rate is also given as a share of the card's *measured* matrix rate in the precision that
trains (bf16 where the card has it): the best of several products of two 8192x8192 matrices, after a warm-up.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
for folder in (ROOT / "benchmarks", ROOT):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program does
os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler writes when it starts and stops

import psutil  # noqa: E402
import torch  # noqa: E402
from inference import synchronise, whole_number  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from core.data.sampling import Prefetcher, Sample, Source  # noqa: E402
from core.model import catalog  # noqa: E402
from core.model.config import STRIDE_PX  # noqa: E402
from core.model.tensors import DeviceError, choose_device, choose_precision, describe_devices, dtype_of  # noqa: E402
from core.training.data import read_data  # noqa: E402
from core.training.learning.learner import Learner  # noqa: E402
from core.training.recipe import RecipeError, TrainRecipe  # noqa: E402

PRESETS, PATCHES_PX, STEPS = ("S", "B"), (128, 256), 24
MATRIX_EDGE = 8192
_CONVOLUTIONS = ("aten::convolution", "aten::convolution_backward")  # neither is ever part of the other
_NO_END = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One preset at one patch. Memory in MB of 10**6 bytes, shares 0..1, rates of 10**12 operations a second."""

    preset: str
    patch_px: int
    batch: int
    parameters: int
    precision: str
    steps: int  # timed
    images_per_s: float
    step_s: float
    step_fastest_s: float  # of the fastest round, and of the slowest
    step_slowest_s: float
    data_wait: float
    batch_made_s: float
    convolutions: float  # share of the steps' time
    convolutions_of_kernels: float | None  # share of the time in which kernels ran; None on a processor
    peak_process_mb: float
    peak_device_mb: float | None
    step_tflop: float
    tflop_per_s: float
    share_of_matrix_rate: float | None  # None where that was not measured


class ProcessPeak:
    """Looks every 10 ms at how much memory this process takes."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)
        self.highest = 0

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            self._look()

    def _look(self) -> None:
        self.highest = max(self.highest, self._process.memory_info().rss)

    def __enter__(self) -> ProcessPeak:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()


class Bench:
    """A recipe's learner with its data.

    Raises what :func:`core.training.data.read_data` and :class:`core.training.learning.learner.Learner` raise.
    """

    def __init__(self, recipe: TrainRecipe, device: str) -> None:
        self.recipe, self.device, self.round = recipe, device, recipe.contrastive_every
        self.precision = choose_precision(recipe.precision, device)
        self.source: Source = read_data(recipe, ())[0]
        self.learner = Learner(recipe, device, self.precision, self.source.has_masks)
        self.made_s: list[float] = []  # by one thread, a batch
        self.waited_s = 0.0

    @contextmanager
    def batches(self) -> Iterator[Prefetcher]:
        """Those of the steps to come."""
        made = Prefetcher(self._make, self.learner.step, _NO_END)
        try:
            yield made
        finally:
            made.close()

    def _make(self, step: int) -> Sample:
        began = time.perf_counter()
        batch = self.source.batch(step, self.recipe.batch)
        self.made_s.append(time.perf_counter() - began)
        return batch

    def timed_round(self, take: Callable[[], Sample]) -> float:
        """Seconds of one round, waiting for data included."""
        began = time.perf_counter()
        for _ in range(self.round):
            before = time.perf_counter()
            batch = take()
            self.waited_s += time.perf_counter() - before
            self.learner.learn(batch)
        synchronise(self.device)
        return time.perf_counter() - began

    def in_convolutions(self) -> tuple[float, float | None]:
        """Share of a round's time spent in convolutions, and on a CUDA device of the time in which kernels ran."""
        ready = [self.source.batch(self.learner.step + at, self.recipe.batch) for at in range(self.round)]
        on_card = self.device.startswith("cuda")
        activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_card
        synchronise(self.device)
        with profile(activities=activities, acc_events=True) as profiler:
            began = time.perf_counter()
            for batch in ready:
                self.learner.learn(batch)
            synchronise(self.device)
            whole_us = 1e6 * (time.perf_counter() - began)
        events = profiler.key_averages()
        mine = [event for event in events if event.key in _CONVOLUTIONS]
        if not on_card:
            return sum(event.cpu_time_total for event in mine) / whole_us, None
        inside_us = sum(event.device_time_total for event in mine)
        kernels_us = sum(event.self_device_time_total for event in events)
        return inside_us / whole_us, inside_us / max(kernels_us, 1e-9)

    def operations(self) -> float:
        """Of a mean step's passes through the network: every ``round``-th step has the contrast."""
        contrast = self._counted(0)
        plain = self._counted(1) if self.round > 1 else contrast
        return (contrast + (self.round - 1) * plain) / self.round

    def _counted(self, place: int) -> int:
        """Of the step at that place of a round."""
        learner = self.learner
        learner.step = -(-learner.step // self.round) * self.round + place
        batch = self.source.batch(learner.step, self.recipe.batch)
        before = [0]
        by_optimizers = [0]
        hooks = []
        with FlopCounterMode(display=False) as counter:

            def begins(*_: object) -> None:
                before[0] = counter.get_total_flops()

            def ends(*_: object) -> None:
                by_optimizers[0] += counter.get_total_flops() - before[0]

            for optimizer in learner.optimizers:
                hooks += [
                    optimizer.register_step_pre_hook(begins),
                    optimizer.register_step_post_hook(ends),
                ]
            try:
                learner.learn(batch)
            finally:
                for hook in hooks:
                    hook.remove()
        return int(counter.get_total_flops()) - by_optimizers[0]


def measure(recipe: TrainRecipe, device: str, steps: int, matrix_rate: float | None = None) -> Row:
    """One case; see this file's head. ``matrix_rate``: operations a second."""
    bench = Bench(recipe, device)
    rounds = -(-steps // bench.round)
    on_card = device.startswith("cuda")
    with bench.batches() as batches:
        bench.timed_round(batches.take)
        bench.waited_s = 0.0
        bench.made_s.clear()
        if on_card:
            torch.cuda.reset_peak_memory_stats(device)
        with ProcessPeak() as peak:
            seconds = [bench.timed_round(batches.take) / bench.round for _ in range(rounds)]
        made_s = statistics.median(bench.made_s) if bench.made_s else 0.0
    device_mb = torch.cuda.max_memory_reserved(device) / 1e6 if on_card else None
    convolutions, of_kernels = bench.in_convolutions()
    operations = bench.operations()
    step_s = statistics.median(seconds)
    return Row(
        preset=recipe.preset,
        patch_px=recipe.patch_px,
        batch=recipe.batch,
        parameters=bench.learner.parameters,
        precision=bench.precision,
        steps=rounds * bench.round,
        images_per_s=recipe.batch / step_s,
        step_s=step_s,
        step_fastest_s=min(seconds),
        step_slowest_s=max(seconds),
        data_wait=bench.waited_s / (bench.round * sum(seconds)),
        batch_made_s=made_s,
        convolutions=convolutions,
        convolutions_of_kernels=of_kernels,
        peak_process_mb=peak.highest / 1e6,
        peak_device_mb=device_mb,
        step_tflop=operations / 1e12,
        tflop_per_s=operations / step_s / 1e12,
        share_of_matrix_rate=None if matrix_rate is None else operations / step_s / matrix_rate,
    )


def measured_matrix_rate(device: str, precision: str, edge: int = MATRIX_EDGE, times: int = 10) -> float:
    """Operations a second of the best of ``times`` products of two square matrices, after three to warm up."""
    first, second = (torch.randn(edge, edge, device=device, dtype=dtype_of(precision)) for _ in range(2))
    best_s = float("inf")
    for place in range(times + 3):
        synchronise(device)
        began = time.perf_counter()
        torch.mm(first, second)
        synchronise(device)
        if place >= 3:
            best_s = min(best_s, time.perf_counter() - began)
    return 2 * edge**3 / best_s


def report(result: dict[str, Any]) -> str:
    lines = [
        f"{result['device_title']} ({result['processor']}, {result['threads']} threads), PyTorch {result['torch']}, "
        f"recipe {result['recipe']}" + (f", load {result['load']:.1f} before" if "load" in result else "")
    ]
    rate = result["matrix_tflop_per_s"]
    if rate is not None:
        lines.append(
            f"measured {result['precision']} matrix rate: {rate:.1f} TFLOP/s "
            f"({MATRIX_EDGE}x{MATRIX_EDGE} by {MATRIX_EDGE}x{MATRIX_EDGE})"
        )
    lines += [
        "",
        f"{'preset':<7}{'patch':>6}{'batch':>6} {'precision':<10}{'images/s':>9}{'step ms':>9}{'fastest':>9}"
        f"{'slowest':>9}{'data wait':>10}{'made in':>9}{'conv':>7}{'of kernels':>11}{'process MB':>11}"
        f"{'device MB':>10}{'TFLOP/s':>9}{'of rate':>8}",
    ]
    for row in result["rows"]:
        lines.append(
            f"{row['preset']:<7}{row['patch_px']:>6}{row['batch']:>6} {row['precision']:<10}"
            f"{row['images_per_s']:>9.2f}{1000 * row['step_s']:>9.1f}{1000 * row['step_fastest_s']:>9.1f}"
            f"{1000 * row['step_slowest_s']:>9.1f}{_percent(row['data_wait']):>10}"
            f"{1000 * row['batch_made_s']:>9.1f}{_percent(row['convolutions'], 0):>7}"
            f"{_percent(row['convolutions_of_kernels'], 0):>11}{row['peak_process_mb']:>11.0f}"
            f"{_number(row['peak_device_mb']):>10}{row['tflop_per_s']:>9.3f}"
            f"{_percent(row['share_of_matrix_rate']):>8}"
        )
    return "\n".join(lines)


def _percent(share: float | None, digits: int = 1) -> str:
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def recipe_of(name: str, preset: str, patch_px: int, batch: int | None) -> TrainRecipe:
    """The recipe on the photos that ship. Raises RecipeError, CatalogError."""
    recipe = TrainRecipe.from_toml(catalog.recipe(name))
    return replace(
        recipe,
        kind="clean",
        train=("SAMPLES/train",),
        pairs=(),
        validation=("SAMPLES/validation",),
        hold_out=0.0,
        start_from="",
        preset=preset,
        patch_px=patch_px,
        batch=batch or recipe.batch,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument(
        "--patches", nargs="+", type=whole_number(2 * STRIDE_PX, STRIDE_PX), default=PATCHES_PX, metavar="PX",
        help="edges of the crops (default: 128 256)",
    )  # fmt: skip
    parser.add_argument(
        "--steps", type=whole_number(1), default=STEPS, metavar="N",
        help=f"timed steps of each case, rounded up to whole rounds (default: {STEPS})",
    )  # fmt: skip
    parser.add_argument("--batch", type=whole_number(1), metavar="N", help="default: the recipe's")
    parser.add_argument(
        "--recipe", default="derain", help="a bundled recipe or a TOML file (default: derain)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:N")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args(arguments)
    try:
        device = choose_device(options.device)
        if device == "mps":
            raise DeviceError("device 'mps': its kernels cannot be told apart here; need cpu or cuda:N")
        recipes = [
            recipe_of(options.recipe, preset, patch_px, options.batch)
            for preset in options.presets
            for patch_px in options.patches
        ]
    except (DeviceError, RecipeError, catalog.CatalogError) as error:
        parser.error(str(error))

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    precision = choose_precision(recipes[0].precision, device)
    rate = measured_matrix_rate(device, precision) if device.startswith("cuda") else None
    rows = []
    for recipe in recipes:
        print(f"preset {recipe.preset} at {recipe.patch_px} px", file=sys.stderr, flush=True)
        rows.append(asdict(measure(recipe, device, options.steps, rate)))
        gc.collect()  # a learner refers to itself in circles, and the next one's memory is looked at
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
    result = {
        "device": device,
        "device_title": {entry.name: entry.title for entry in describe_devices()}[device],
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "recipe": options.recipe,
        "precision": precision,
        "matrix_tflop_per_s": None if rate is None else rate / 1e12,
        **({} if load is None else {"load": load}),
        "rows": rows,
    }
    print(json.dumps(result) if options.json else report(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
