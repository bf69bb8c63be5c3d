"""What each source of the rain recipe brings: short runs from nothing without it, the rest and the steps the same.

    python benchmarks/sources.py --data DATA --runs FOLDER [--steps 1000] [--width 16]      train what is missing, print the table
    python benchmarks/sources.py --runs FOLDER                                              only print it

Every run is validated on all sources, the one that it did not learn from among them: photos that were never trained on under
seeded damage, averaged weights after the last step. Nothing is chosen by them but what the recipe mixes. Runs are
resumable; a finished one is not repeated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.events import StepDone
from core.jobs import JobControl
from core.model import catalog
from core.training.recipe import TrainRecipe
from core.training.run_folder import read_curve
from core.training.trainer import train

_HARDLY = 1e-9  # a share that never comes up, so that the source is validated on and not learned from
NAMES = (
    "light drawn", "heavy drawn", "short drops", "layers", "thin layers", "raincity", "clean", "dense layers", "lit drops"
)  # fmt: skip


def without(number: int) -> Callable[[TrainRecipe], TrainRecipe]:
    """The recipe without source ``number``, from 1."""

    def change(recipe: TrainRecipe) -> TrainRecipe:
        return replace(
            recipe,
            sources=tuple(
                replace(source, share=_HARDLY) if at == number else source
                for at, source in enumerate(recipe.sources, 1)
            ),
        )

    return change


def no_camera(recipe: TrainRecipe) -> TrainRecipe:
    return replace(
        recipe,
        sources=tuple(replace(source, camera_share=0.0, noise_share=0.0) for source in recipe.sources),
    )


VARIANTS: dict[str, Callable[[TrainRecipe], TrainRecipe]] = {
    "all": lambda recipe: recipe,
    **{f"without {name}": without(number) for number, name in enumerate(NAMES, 1)},
    "without a camera after the rain": no_camera,
    "without the shaping of the memory": lambda recipe: replace(
        recipe, smooth_weight=0.0, spread_weight=0.0, balance_weight=0.0, actual_dropped=0.0
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--runs", type=Path, required=True, help="folder for the run folders")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--width", type=int, default=16)
    options = parser.parse_args()
    base = TrainRecipe.from_toml(catalog.recipe("derain"))
    base = replace(
        base, preset="custom", width=options.width, steps=options.steps, validate_every=options.steps // 2
    )
    for title, change in VARIANTS.items():
        out = options.runs / "-".join([*title.split(), str(options.steps), str(options.width)])
        if options.data is not None:
            recipe = replace(change(base), name=out.name[:40])
            train(recipe, (options.data,), out, _tell, JobControl(), resume=True, device="auto")
    print(table(options.runs, options.steps, options.width))
    return 0


def _tell(event: object) -> None:
    if isinstance(event, StepDone) and event.step % 100 == 0:
        print(f"  step {event.step}, {event.seconds_left / 60:.0f} min left", flush=True)


def table(runs: Path, steps: int, width: int) -> str:
    """PSNR (Y, dB) of each run, and below the first the differences to it."""
    lines: list[str] = []
    first: list[float] | None = None
    for title in VARIANTS:
        out = runs / "-".join([*title.split(), str(steps), str(width)])
        found = [line for line in read_curve(out) if line["kind"] == "validation" and line["step"] == steps]
        if not found:
            continue
        scores = [value for key, value in sorted(found[-1].items()) if key.startswith("psnr_db ")]
        scores.append(found[-1]["psnr_db"])
        if first is None:
            first = scores
            names = NAMES[: len(scores) - 1]
            lines += [f"| learned from, {steps} steps, width {width} | {' | '.join(names)} | mean |"]
            lines += ["| --- |" + " --- |" * len(scores)]
            cells = [f"{score:.2f}" for score in scores]
        else:
            cells = [f"{score - base:+.2f}" for score, base in zip(scores, first, strict=True)]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
