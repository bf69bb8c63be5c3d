"""What the memory means: does its negative response find damage, and does a wrong memory hurt?

    python benchmarks/meaning.py MODEL --photos DATA/clean_val [--pairs DATA/bench/shadow_real_dev] [--seeds 1 2 3]
        [--response-only] [--json FILE]
    python benchmarks/meaning.py MODEL --real DATA/real/rain

Where: every photo is degraded inside a random region only; the negative response of each cell of the memory's
grid is compared with whether most of the cell lies in the region (area under the ROC curve, 0.5 is chance), before
and after restoration. The rain there is dense and the shadow deep (DENSE), for where nothing falls there is nothing to
find; the score for damage of every strength stands beside it, and that of an oracle that sees the true difference.
Clean photos hold shadows, glare and haze of their own, which are no part of the region although they look like damage;
so the score of the response's rise over the clean photo's own is given too. Where damage falls is a matter of luck, worth 0.01
of the area either way, so this part is done with every seed and told as the mean, beside it the standard deviation.
Wrong memory, with the first seed: photos degraded all over are restored with contents exchanged or muted while the
addresses stay as they are; the loss is against the untouched memory. ``--pairs`` takes real pairs
for this part: shadows that a clean photo has of its own are in its truth, and a model that takes them too is told wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import mannwhitneyu
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.cv import cv2
from core.data.dataset import find_pairs
from core.data.degrade import DEGRADATIONS
from core.images import io as image_io
from core.images import metrics
from core.model import catalog
from core.model.checkpoint import load
from core.model.config import GRANULARITIES, POLARITIES, STRIDE_PX
from core.model.memory import Address, RowEdit
from core.model.network import MemoryNet
from core.model.tensors import to_pixels, to_tensor
from core.tasks import TASKS
from core.training.learning.losses import damage_map

DENSE: dict[str, dict[str, Any]] = {
    "derain": {"cover": (0.05, 0.2), "strength": (0.25, 0.95)},
    "deshadow": {"ambient": (0.07, 0.25)},
}
THOROUGHNESS = (1.25, 1.5, 2.0)
EDGE_PX = 384  # centre crops, so that the numbers are those of the training's validation


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="name or folder")
    parser.add_argument("--photos", type=Path, help="folder of clean photos")
    parser.add_argument("--pairs", type=Path, help="folder of real pairs to try wrong memories on")
    parser.add_argument(
        "--real", type=Path, help="folder of real damaged photos: only how slots are chosen there"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--response-only", action="store_true", help="neither slots nor wrong memories")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = load(catalog.resolve(options.model))
    if options.real is not None:
        real = [centre(image_io.read(path).pixels) for path in image_io.find_images(options.real, False)]
        with torch.inference_mode():
            print(
                json.dumps(
                    {"photos": len(real), **addressing(model.network, real, options.seeds[0])}, indent=2
                )
            )
        return 0
    if options.photos is None:
        parser.error("need --photos or --real")
    photos = [centre(image_io.read(path).pixels) for path in image_io.find_images(options.photos, False)]
    with torch.inference_mode():
        found = {
            "model": model.name,
            "task": model.task,
            "photos": len(photos),
            "seeds": options.seeds,
            **responses(model.network, model.task, photos, options.seeds),
        }
        print(response_text(found), flush=True)
        if not options.response_only:
            pairs = pairs_of(model.task, photos, options.pairs, options.seeds[0])
            found |= {
                "addressing": addressing(model.network, [pair[0] for pair in pairs], options.seeds[0]),
                "wrong_memory_on": f"{len(pairs)} {'real' if options.pairs else 'synthetic'} pairs",
                "wrong_memory": wrong_memory(model.network, model.task, pairs, options.seeds[0]),
            }
            print(memory_text(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def pairs_of(
    task: str, photos: list[np.ndarray], folder: Path | None, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What wrong memories are tried on: damaged and undamaged, real ones of ``folder`` or the photos damaged all over."""
    if folder is None:
        return [
            (degraded(task, photo, np.random.default_rng([seed, 1, index])), photo)
            for index, photo in enumerate(photos)
        ]
    return [
        (centre(image_io.read(pair.input).pixels), centre(image_io.read(pair.target).pixels))
        for pair in find_pairs(folder).pairs
    ]


def centre(pixels: np.ndarray) -> np.ndarray:
    """At most EDGE_PX square, edges multiples of the stride, 8 bit."""
    height, width = (min(n, EDGE_PX) // STRIDE_PX * STRIDE_PX for n in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return metrics.to_8bit(pixels[top : top + height, left : left + width])


def degraded(task: str, photo: np.ndarray, rng: np.random.Generator, dense: bool = False) -> np.ndarray:
    make = DEGRADATIONS[task]
    degrade = make.bind(make.always(make.params(DENSE.get(task, {}) if dense else {})))
    return np.rint(degrade(photo.astype(np.float32) / 255, rng) * 255).astype(np.uint8)


def region(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W) bool: smooth blobs over a fifth to a half of the picture."""
    noise = cv2.resize(
        rng.standard_normal((5, 5)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    return np.asarray(noise > np.quantile(noise, 1 - rng.uniform(0.2, 0.5)))


def damaged_inside(
    task: str, photo: np.ndarray, rng: np.random.Generator, dense: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The photo with damage inside a region, and the region (H, W) bool. A shadow's region is the shadow's own."""
    make = DEGRADATIONS[task]
    if make.has_mask:
        bound = make.bind_with_mask(make.always(make.params(DENSE.get(task, {}) if dense else {})))
        picture, matte = bound(photo.astype(np.float32) / 255, rng)
        return np.rint(picture * 255).astype(np.uint8), matte.reshape(photo.shape[:2]) >= 0.5
    mask = region(photo.shape[0], photo.shape[1], rng)
    return np.where(mask[..., None], degraded(task, photo, rng, dense), photo), mask


def responses(
    network: MemoryNet, task: str, photos: list[np.ndarray], seeds: list[int]
) -> dict[str, dict[str, dict[str, Any]]]:
    """How the negative response finds damage, dense and of every strength: of each number the mean over seeds, its standard
    deviation, and each seed's own."""
    clean = [response(network, to_tensor(photo)) for photo in photos]
    found = {}
    for name, dense in (("where", True), ("where_of_every_strength", False)):
        each = [where(network, task, photos, clean, seed, dense) for seed in seeds]
        found[name] = {key: over_seeds([one[key] for one in each]) for key in each[0]}
    return found


def over_seeds(values: list[float]) -> dict[str, Any]:
    """The standard deviation is that of a sample; None of one seed."""
    return {
        "mean": round(float(np.mean(values)), 4),
        "std": round(float(np.std(values, ddof=1)), 4) if len(values) > 1 else None,
        "each": [round(value, 4) for value in values],
    }


def where(
    network: MemoryNet,
    task: str,
    photos: list[np.ndarray],
    clean: list[np.ndarray],
    seed: int,
    dense: bool = True,
) -> dict[str, float]:
    """One seed. ``clean`` (h, w) each: the response to the photo undamaged."""
    before_all, after_all, inside_all, single, oracle = [], [], [], [], []
    for index, photo in enumerate(photos):
        rng = np.random.default_rng([seed, index])
        damaged, mask = damaged_inside(task, photo, rng, dense)
        x = to_tensor(damaged)
        difference = damage_map(x, to_tensor(photo), STRIDE_PX, full_at=10.0)  # never full
        oracle.append(F.max_pool2d(difference.unsqueeze(1), 3, 1, 1).numpy().ravel())
        output = network(x)
        assert output.address is not None
        before = seen(output.address)
        after = response(network, output.restored.clamp(0, 1))
        share = mask.reshape(mask.shape[0] // STRIDE_PX, STRIDE_PX, -1, STRIDE_PX).mean((1, 3))
        inside = share >= 0.5
        before_all.append(before.ravel())
        after_all.append(after.ravel())
        inside_all.append(inside.ravel())
        if inside.any() and not inside.all():
            single.append(auroc(before.ravel(), inside.ravel()))
    before, after, inside = map(np.concatenate, (before_all, after_all, inside_all))
    own = np.concatenate([each.ravel() for each in clean])
    return {
        "auroc": auroc(before, inside),
        "auroc_oracle": auroc(np.concatenate(oracle), inside),
        "auroc_of_the_rise": auroc(before - own, inside),
        "auroc_mean_of_photos": float(np.mean(single)),
        "auroc_worst_photo": float(np.min(single)),
        "auroc_after": auroc(after, inside),
        "response_inside_before": float(before[inside].mean()),
        "response_inside_after": float(after[inside].mean()),
        "response_outside_before": float(before[~inside].mean()),
    }


def seen(address: Address) -> np.ndarray:
    """(h, w) in 0..1: the negative response."""
    return torch.sigmoid(address.polarity_logit)[0].numpy()


def response(network: MemoryNet, x: torch.Tensor) -> np.ndarray:
    return seen(network.address(x))


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    inside, outside = score[positive], score[~positive]
    return float(mannwhitneyu(inside, outside).statistic / (len(inside) * len(outside)))


def addressing(network: MemoryNet, pictures: list[np.ndarray], seed: int) -> dict[str, Any]:
    """How slots are chosen: do neighbouring cells agree in their strongest slot beyond chance, and are embeddings of
    places in different photos apart?

    ``pictures`` (H, W, 3) uint8, degraded. Agreement is Cohen's kappa over all horizontal and vertical neighbours of all
    pictures, chance that of the slots' overall use; nothing is blurred before the strongest slot is taken.
    """
    assert network.memory is not None
    strongest: dict[tuple[str, str], list[np.ndarray]] = {key: [] for key in network.memory.row_slices()}
    places, rng = [], np.random.default_rng([seed, 7])
    for picture in pictures:
        address = network.address(to_tensor(picture))
        height, width = address.query.shape[2:]
        for key, rows in network.memory.row_slices().items():
            strongest[key].append(address.weights[0, :, rows].argmax(-1).reshape(height, width).numpy())
        flat = address.query[0].flatten(1).T.float().numpy()
        places.append(flat[rng.choice(len(flat), min(len(flat), 64), replace=False)])
    found: dict[str, Any] = {}
    for (polarity, granularity), maps in strongest.items():
        kappa, chance = agreement(maps)
        found[f"{polarity} {granularity}"] = {"kappa": round(kappa, 4), "chance": round(chance, 4)}
    unlike = [
        float((a @ b.T).mean()) for i, a in enumerate(places) for b in places[i + 1 :]
    ]  # of different photos
    found["mean_cosine_of_random_pairs"] = round(float(np.mean(unlike)), 4)
    return found


def agreement(maps: list[np.ndarray]) -> tuple[float, float]:
    """Cohen's kappa of neighbours in maps (h, w) of labels, and the agreement that chance alone would give."""
    first = np.concatenate([part.ravel() for each in maps for part in (each[:, :-1], each[:-1])])
    second = np.concatenate([part.ravel() for each in maps for part in (each[:, 1:], each[1:])])
    count = int(max(first.max(), second.max())) + 1
    shares = [np.bincount(side, minlength=count) / len(side) for side in (first, second)]
    chance = float((shares[0] * shares[1]).sum())
    if chance >= 1:
        return 0.0, 1.0
    return (float((first == second).mean()) - chance) / (1 - chance), chance


def wrong_memory(
    network: MemoryNet, task: str, pairs: list[tuple[np.ndarray, np.ndarray]], seed: int
) -> dict[str, float]:
    """Mean PSNR in dB of the task's protocol with the memory as it is, and the loss of each wrong one.

    ``pairs`` hold the degraded picture and its truth, (H, W, 3) uint8 with edges that are multiples of the stride.
    """
    protocol = TASKS[task].protocol
    inputs = [to_tensor(before) for before, _ in pairs]
    summaries = [network.summarise(x) for x in inputs]
    undamaged = [network.summarise(to_tensor(truth)) for _, truth in pairs]
    positive = [_positive_of(dry, own) for dry, own in zip(undamaged, summaries, strict=True)]

    def mean_db(options: Callable[[int], dict[str, Any]]) -> float:
        scores = [
            metrics.psnr_db(to_pixels(network(x, **options(i)).restored, np.dtype(np.uint8)), truth, protocol)
            for i, (x, (_, truth)) in enumerate(zip(inputs, pairs, strict=True))
        ]
        return float(np.mean(scores))

    right = mean_db(lambda i: {})
    found = {"right_psnr_db": round(right, 3)}
    tries: dict[str, Callable[[int], dict[str, Any]]] = {
        name: partial(_edited, edit) for name, edit in edits(network, seed).items()
    }
    tries["another photo's actual memory"] = lambda i: {"summary": summaries[(i + 1) % len(summaries)]}
    tries["the undamaged photo's actual memory"] = lambda i: {"summary": undamaged[i]}
    tries["the same under positive slots alone"] = lambda i: {"summary": positive[i]}
    tries["memory muted"] = lambda i: {"mute_memory": True}
    for name, options in tries.items():
        found[name] = round(mean_db(options) - right, 3)
    return found


def _positive_of(summary: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(1, R, D): positive slots, which come first, of ``summary``, negative ones of ``other``."""
    half = summary.shape[1] // 2
    return torch.cat((summary[:, :half], other[:, half:]), 1)


def _edited(edit: RowEdit, _photo: int) -> dict[str, Any]:
    return {"edit": edit}


def edits(network: MemoryNet, seed: int) -> dict[str, RowEdit]:
    assert network.memory is not None
    slices = network.memory.row_slices()
    rows = max(part.stop for part in slices.values())
    same, ones = torch.arange(rows), torch.ones(rows)
    shuffled = same.clone()
    generator = torch.Generator().manual_seed(seed)
    for part in slices.values():
        order = torch.randperm(part.stop - part.start, generator=generator)
        shuffled[part] = same[part][order]
    half = rows // 2
    exchanged = torch.cat((same[half:], same[:half]))
    found = {
        "learned slots shuffled": RowEdit(shuffled, ones, actual=False),
        "actual slots shuffled": RowEdit(shuffled, ones, learned=False),
        "all slots shuffled": RowEdit(shuffled, ones),
        "polarities exchanged": RowEdit(exchanged, ones),
        "learned muted": RowEdit(same, ones * 0, actual=False),
        "actual muted": RowEdit(same, ones * 0, learned=False),
    }
    for polarity in POLARITIES:
        gain = ones.clone()
        for granularity in GRANULARITIES:
            gain[slices[polarity, granularity]] = 0
        found[f"{polarity} slots muted"] = RowEdit(same, gain)
    for granularity in GRANULARITIES:
        gain = ones.clone()
        for polarity in POLARITIES:
            gain[slices[polarity, granularity]] = 0
        found[f"{granularity} slots muted"] = RowEdit(same, gain)
    for thoroughness in THOROUGHNESS:
        gain = ones.clone()
        gain[half:] = thoroughness
        found[f"negative slots read {thoroughness:g} times (thoroughness)"] = RowEdit(same, gain)
    return found


RESPONSE = {
    "auroc": "AUROC of the region, all cells",
    "auroc_of_the_rise": "AUROC of the rise over the clean photo's own response",
    "auroc_oracle": "AUROC of the true difference around a cell",
    "auroc_mean_of_photos": "AUROC, mean of photos",
    "auroc_worst_photo": "AUROC of the worst photo",
    "auroc_after": "AUROC after restoration",
    "response_inside_before": "mean inside the region, before",
    "response_inside_after": "mean inside the region, after",
    "response_outside_before": "mean outside, before",
}


def response_text(found: dict[str, Any]) -> str:
    def row(name: str, value: dict[str, Any]) -> str:
        spread = "" if value["std"] is None else f" ± {value['std']:.3f}"
        return f"| {name} | {value['mean']:.3f}{spread} |"

    rows = [row(name, found["where"][key]) for key, name in RESPONSE.items()]
    rows.insert(1, row("the same, damage of every strength", found["where_of_every_strength"]["auroc"]))
    seeds = ", ".join(map(str, found["seeds"]))
    return "\n".join(
        [
            f"{found['model']}, {found['photos']} photos, seeds {seeds}",
            "",
            "| negative response | value |",
            "| --- | --- |",
            *rows,
            "",
            f"AUROC of the region, seed by seed: {', '.join(f'{v:.3f}' for v in found['where']['auroc']['each'])}",
        ]
    )


def memory_text(found: dict[str, Any]) -> str:
    lines = [
        "",
        "| strongest slot | kappa of neighbours | chance agreement |",
        "| --- | --- | --- |",
        *(
            f"| {key} | {value['kappa']:.2f} | {value['chance']:.2f} |"
            for key, value in found["addressing"].items()
            if isinstance(value, dict)
        ),
        "",
        f"Mean cosine of random places in different photos: {found['addressing']['mean_cosine_of_random_pairs']:.2f}",
        "",
        f"| memory ({found['wrong_memory_on']}) | PSNR against {found['wrong_memory']['right_psnr_db']:.2f} dB |",
        "| --- | --- |",
        *(
            f"| {name} | {loss:+.2f} dB |"
            for name, loss in found["wrong_memory"].items()
            if name != "right_psnr_db"
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
