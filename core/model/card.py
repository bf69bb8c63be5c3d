"""A model's card, written from what the model records about itself. No torch.

Numbers carry their protocol, folders are named by their last name only, and what nobody recorded is called so.
The licence is for whoever passes the weights on to state: nothing here can know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tomli_w

from core import __version__
from core.places import without_places
from core.tasks import TASKS

_NUMBERS = {"float16": "half precision (float16)", "float32": "single precision (float32)"}


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card is written from."""

    name: str
    task: str
    parameters: int
    stored: str  # "float16" "float32"
    halo_px: int
    stride_px: int
    network: Mapping[str, Any]
    provenance: Mapping[str, Any]


def text(facts: CardFacts) -> str:
    """Markdown."""
    provenance = without_places(facts.provenance)
    parts = [
        f"# {facts.name}",
        _purpose(facts, provenance),
        "## Network",
        _network(facts, provenance),
        "## Training",
        _training(provenance),
        "## Measured",
        _measured(provenance),
        "## Use",
        "Name the path of this folder, or put it among your models and give its name:\n\n"
        "```sh\nmemorynet restore PHOTO --model FOLDER\n```",
        "## Licence",
        "None is stated. Whoever passes these weights on states one here, and makes sure that the photos they were "
        "trained on allow it.",
    ]
    recipe = provenance.get("recipe")
    if isinstance(recipe, dict):
        parts += ["## Recipe", f"```toml\n{tomli_w.dumps(_without_none(recipe)).strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def front_matter(task: str) -> str:
    """The YAML that model collections read, in front of a card. ``task`` is one of the catalog's."""
    tags = ["image-restoration", *([TASKS[task].tag] if task in TASKS else []), "memorynet"]
    lines = [
        "---",
        "library_name: memorynet",
        "pipeline_tag: image-to-image",
        "tags:",
        *(f"- {tag}" for tag in tags),
        "# license: state one before you publish",
        "---",
    ]
    return "\n".join(lines) + "\n\n"


def _purpose(facts: CardFacts, provenance: Mapping[str, Any]) -> str:
    info = TASKS.get(facts.task)
    what = f"{info.verb} from photos." if info else f"Task: {facts.task}."
    masks = " It takes a mask of the damage, and does without." if provenance.get("guidance") else ""
    return f"{what}{masks} A MemoryNet, written by MemoryNet {__version__}."


def _network(facts: CardFacts, provenance: Mapping[str, Any]) -> str:
    network = facts.network
    lines = [
        f"- {facts.parameters:,} parameters, stored in {_NUMBERS.get(facts.stored, facts.stored)}",
        f"- width {network.get('width')}, blocks {_list(network.get('blocks'))}",
        f"- slots of the memory: {_list(network.get('slots'))} of {network.get('memory_dim')} numbers"
        if network.get("granularities")
        else "- no memory",
        f"- edges are multiples of {facts.stride_px} px (MemoryNet pads); a pixel depends on at most "
        f"{facts.halo_px} px around it, and on what the memory holds of the whole photo",
    ]
    if provenance.get("torch"):
        lines.append(f"- made with PyTorch {provenance['torch']}")
    return "\n".join(lines)


def _training(provenance: Mapping[str, Any]) -> str:
    if isinstance(provenance.get("imported_from"), str):
        return f"Not recorded: the weights were imported from {provenance['imported_from']}."
    recipe = provenance.get("recipe")
    if not isinstance(recipe, dict):
        return "Not recorded."
    run, data, training, loss = (_section(recipe, key) for key in ("run", "data", "training", "loss"))
    photos = provenance.get("training_photos")
    count = f"{photos:,} photos" if isinstance(photos, int) else "photos (how many is not recorded)"
    kinds = {
        "clean": f"{count}, degraded as training goes",
        "pairs": f"{count} with their truth",
        "mixed": f"{count}, some with their truth and some degraded as training goes",
        "sources": f"{count} of several sources, mixed by the shares below",
    }
    folders = [*data.get("train", ()), *data.get("pairs", ())]
    start = _section(recipe, "network").get("start_from")
    lines = [
        f"- **Data:** {kinds.get(str(data.get('kind')), count)}; folders {_list(folders)}",
        f"- **Steps:** these weights are those of step {provenance.get('step', 'unknown')} of "
        f"{training.get('steps')}, averaged; {training.get('batch')} crops of {training.get('patch_px')} px a step",
        f"- **Optimizer:** {training.get('optimizer')}, rate {training.get('lr')} to {training.get('lr_end')}, "
        f"seed {run.get('seed')}",
        f"- **Loss beside the pixels:** edges {loss.get('edge_weight')}, contrast {loss.get('contrastive_weight')}, "
        f"polarity {loss.get('polarity_weight')}, balance {loss.get('balance_weight')}",
        f"- **Started from:** {start or 'nothing'}",
    ]
    if provenance.get("recipe_sha256"):
        lines.append(f"- **Recipe:** below; SHA-256 {provenance['recipe_sha256']}")
    return "\n".join(lines)


def _measured(provenance: Mapping[str, Any]) -> str:
    found = provenance.get("validation")
    if not isinstance(found, dict):
        return "Nothing is recorded."
    rows = [
        ("PSNR of the photos as given, dB", found.get("input_psnr_db")),
        ("PSNR restored, dB", found.get("psnr_db")),
        ("PSNR restored with a mask, dB", found.get("psnr_guided_db")),
        ("SSIM restored", found.get("ssim")),
        ("validation photos", found.get("photos")),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows if value is not None)
    return (
        f"| on the run's own validation | |\n|---|---|\n{table}\n\n"
        f"Protocol: {found.get('protocol', 'not recorded')}.\n\n"
        "These photos chose the best step, so other photos may come out somewhat worse."
    )


def _section(recipe: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = recipe.get(key)
    return found if isinstance(found, dict) else {}


def _list(values: Any) -> str:
    return ", ".join(map(str, values)) if isinstance(values, list | tuple) and values else "none"


def _without_none(value: Any) -> Any:
    """TOML knows no nothing."""
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return value
