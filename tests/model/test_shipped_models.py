"""The models that come with MemoryNet, on damaged bundled photos: they help where there is damage, and say what they are."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.degrade import DEGRADATIONS
from core.images import io as image_io
from core.images import metrics
from core.jobs import JobControl, ignore
from core.model import catalog, exemplars
from core.model.checkpoint import WEIGHTS_FILE
from core.restoring.restore import RestoreRequest, restore
from core.tasks import TASKS

ALWAYS = {"derain-s", "deshadow-s"}
SHIPPED = {
    task.default_model: name
    for name, task in TASKS.items()
    if (catalog.RESOURCES / "weights" / task.default_model).is_dir()
}
SEEN = {"deblur": {"length_px": (3.0, 6.0), "nearly": 0.0, "moving": 0.0}}  # long smears hardly change
LEAST_GAIN_DB = {"derain": 2.0, "deshadow": 2.0, "deblur": 0.2}
LARGEST_MB = {"model.safetensors": 4.0, "samples.safetensors": 1.5}


@pytest.mark.parametrize(("name", "task"), SHIPPED.items())
def test_a_shipped_model_undoes_much_of_its_damage(name: str, task: str, tmp_path: Path) -> None:
    photo = next(path for path in catalog.sample_photos(validation=False) if path.stem == "gravel")
    truth = metrics.to_8bit(image_io.read(photo).pixels)[:256, :256]
    make = DEGRADATIONS[task]
    params, clean, rng = (
        make.always(make.params(SEEN.get(task, {}))),
        truth.astype(np.float32) / 255,
        np.random.default_rng(3),
    )
    pair = make.bind_pair(params)
    spoiled, clean = pair(clean, rng, 0) if pair is not None else (make.bind(params)(clean, rng), clean)
    damaged, truth = (np.rint(side * 255).astype(np.uint8) for side in (spoiled, clean))
    request = RestoreRequest(task=task, model=catalog.resolve(name), precision="fp32")
    Image.fromarray(damaged).save(tmp_path / "damaged.png")
    restored = restore(image_io.read(tmp_path / "damaged.png"), request, ignore, JobControl())
    before, after = (metrics.psnr_db(pixels, truth, "RGB") for pixels in (damaged, restored.pixels))
    assert after > before + LEAST_GAIN_DB[task]


@pytest.mark.parametrize("name", SHIPPED)
def test_its_card_is_of_these_weights(name: str) -> None:
    folder = catalog.resolve(name)
    card = (folder / "card.md").read_text("utf-8")
    digest = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
    assert re.findall("sha256 `([0-9a-f]{64})`", card) == [digest]
    for file, most in LARGEST_MB.items():
        assert 0 < (folder / file).stat().st_size / 1e6 < most
    samples, problem = exemplars.load_beside(folder)
    assert samples is not None and problem is None


def test_every_model_that_ships_is_meant_to() -> None:
    found = {path.parent.name for path in (catalog.RESOURCES / "weights").glob("*/config.json")}
    assert found >= ALWAYS and found == set(SHIPPED)
