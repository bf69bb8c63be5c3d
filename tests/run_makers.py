"""Run folders as training leaves them, made in a moment: for tests that look at runs and train none."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from core.training.recipe import TrainRecipe
from core.training.run_folder import DONE, RunFolder, RunState


def make_run(
    parent: Path,
    name: str,
    state: str = DONE,
    step: int = 20,
    steps: int = 20,
    best_psnr_db: float | None = 30.0,
    model: bool = False,
    reason: str = "",
    data: tuple[str, ...] = (),
    age_s: float = 0.0,
    **recipe: Any,
) -> Path:
    """A run with a curve of ``step`` steps; ``model`` puts a small real one into it."""
    folder = RunFolder(parent / name)
    folder.path.mkdir(parents=True)
    made = TrainRecipe(
        **({"name": name, "steps": steps, "preset": "custom", "width": 4, "validate_every": 10} | recipe)
    )
    folder.recipe_file.write_text(made.to_toml(), "utf-8")
    lines: list[dict[str, Any]] = []
    for at in range(1, step + 1):
        lines.append(
            {"kind": "step", "step": at, "loss": 1 / at, "lr": 1e-3, "grad_norm": 0.1, "pixel": 1 / at}
            | {"images_per_s": 10.0, "data_wait": 0.01}
        )
        if at % 10 == 0 and best_psnr_db is not None:
            lines.append(
                {"kind": "validation", "step": at, "psnr_db": best_psnr_db, "ssim": 0.9, "is_best": at == 10}
            )
    folder.curve_file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    now = time.time() - age_s
    found = RunState(
        state, step, steps, best_psnr_db, 10, 12.0, now - 60, now, data, "cpu", "fp32", 5000, reason
    )
    folder.write_state(found)
    stored = json.loads(folder.state_file.read_text("utf-8"))
    folder.state_file.write_text(json.dumps(stored | {"updated": now}), "utf-8")
    if model:
        from tests.small import save_small_model

        save_small_model(folder.model, name=made.name)
    return folder.path
