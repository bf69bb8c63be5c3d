"""The mean of a run's averaged weights after its last step and the weights of another model.

    python scripts/mean_of_models.py RUN_DIR MODEL --share 0.5 --out DIR

Weights that lie on one slope, as those of a run and of the model it started from do, may be better between than at either end
(Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). ``--share`` is the run's, 0 to 1. Writes
``DIR/model``, from where ``scripts/ship_model.py DIR`` takes it; the record is the run's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from safetensors.torch import load_file

from core.model import catalog, checkpoint
from core.training.run_folder import checkpoint_files, checkpoint_step

_AVERAGE = "average."


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("model", type=catalog.resolve, help="name or folder")
    parser.add_argument("--share", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(words)
    if not 0 <= options.share <= 1:
        parser.error(f"--share {options.share:g}: need 0 to 1")
    newest = next(iter(checkpoint_files(options.run / "checkpoints")), None)
    if newest is None:
        parser.error(f"{options.run}: holds no checkpoint")
    made, other = checkpoint.load(options.run / "model"), checkpoint.load(options.model)
    if made.network.config != other.network.config:
        parser.error(f"{options.model}: another network than the run's")
    weights = {
        key.removeprefix(_AVERAGE): value
        for key, value in load_file(newest).items()
        if key.startswith(_AVERAGE)
    }
    theirs = other.network.float().state_dict()
    made.network.float().load_state_dict(
        {key: options.share * weights[key].float() + (1 - options.share) * theirs[key] for key in theirs}
    )
    kept = {key: value for key, value in made.provenance.items() if key not in ("memorynet", "torch")}
    kept |= {"step": checkpoint_step(newest), "mean": {"share": options.share, "with": other.name}}
    folder = checkpoint.save(
        options.out / "model", made.network, name=made.name, task=made.task, provenance=kept
    )
    print(f"{folder}: {options.share:g} of {newest.name}, {1 - options.share:g} of {other.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
