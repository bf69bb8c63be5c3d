"""Plain weights of other programs, and of runs, become models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.export import (
    ImportFailed,
    guess_config,
    import_state_dict,
)
from core.export.import_weights import read_config
from core.model import card as model_card
from core.model import checkpoint
from core.model.config import MEMORIES, NetworkConfig
from core.model.network import MemoryNet, with_memory
from tests.small import SMALL, small_network


def save_weights(file: Path, weights: dict[str, torch.Tensor]) -> Path:
    if file.suffix == ".safetensors":
        checkpoint.save_tensors(file, weights, {})
    else:
        torch.save(weights, file)
    return file


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.pt"])
@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod.", "network."])
def test_plain_weights_become_a_model(tmp_path: Path, name: str, prefix: str) -> None:
    network = small_network(2)
    file = save_weights(tmp_path / name, {prefix + key: value for key, value in network.state_dict().items()})
    target = import_state_dict(file, tmp_path / "mine", task="deshadow")
    loaded = checkpoint.load(target)
    assert (loaded.name, loaded.task) == ("mine", "deshadow")
    assert loaded.network.config == SMALL
    assert loaded.provenance["imported_from"] == name
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[key], value)
    card = model_card.text(
        model_card.CardFacts("mine", "deshadow", 1, "float32", 8, 8, {}, loaded.provenance)
    )
    assert f"the weights were imported from {name}" in card


def test_a_runs_checkpoint_gives_its_averaged_weights(tmp_path: Path) -> None:
    now, mean = small_network(2).state_dict(), small_network(3).state_dict()
    tensors = {f"network.{key}": value for key, value in now.items()}
    tensors |= {f"average.{key}": value for key, value in mean.items()}
    tensors |= {"optimizer.exp_avg.first.weight": torch.zeros(3), "bank.positive": torch.zeros(2, 8)}
    file = save_weights(tmp_path / "step-00000010.safetensors", tensors)
    loaded = checkpoint.load(import_state_dict(file, tmp_path / "mine", task="derain"))
    assert torch.equal(loaded.network.state_dict()["first.weight"], mean["first.weight"])


@pytest.mark.parametrize("kind", list(MEMORIES))
def test_the_shape_is_read_from_the_tensors(kind: str) -> None:
    config = with_memory(replace(SMALL, width=8, blocks=(2, 1, 3), slots=(10, 5, 2)), kind)
    with torch.device("meta"):
        weights = MemoryNet(config).state_dict()
    twins = [
        other for other, values in MEMORIES.items() if len(values[0]) == 1 and values[1] == MEMORIES[kind][1]
    ]
    if kind in twins:  # one granularity or another: the same shapes
        with pytest.raises(ImportFailed, match=r"more than one memory \(part, instance, semantic\)"):
            guess_config("w.pth", weights)
        return
    found = guess_config("w.pth", weights)
    if not config.has_memory:  # nothing tells the sizes of a memory that is not there
        found = replace(found, memory_dim=config.memory_dim, slots=config.slots)
    assert found == config


@pytest.mark.parametrize("preset", ["S", "B"])
def test_the_shape_of_a_preset_is_read_from_the_tensors(preset: str) -> None:
    with torch.device("meta"):
        weights = MemoryNet(NetworkConfig.preset(preset)).state_dict()
    assert guess_config("w", weights) == NetworkConfig.preset(preset)


def test_what_the_file_says_goes_before_guesses(tmp_path: Path) -> None:
    config = with_memory(SMALL, "instance")
    network = MemoryNet(config)
    told = {"network": config.as_dict(), "task": "derain", "name": "said", "provenance": {"step": 7}}
    torch.save({"state_dict": network.state_dict(), "config": told}, tmp_path / "w.pth")
    loaded = checkpoint.load(import_state_dict(tmp_path / "w.pth", tmp_path / "mine"))
    assert (loaded.name, loaded.task, loaded.provenance["step"]) == ("said", "derain", 7)
    assert loaded.network.config == config
    (tmp_path / "config.json").write_text(json.dumps(told))
    (tmp_path / "network.json").write_text(json.dumps(told["network"]))
    plain = save_weights(tmp_path / "plain.pth", dict(network.state_dict()))
    for file in ("config.json", "network.json"):
        out = tmp_path / f"by-{file}"
        import_state_dict(plain, out, task="derain", config=read_config(tmp_path / file))
        assert checkpoint.load(out).network.config == config


class _Runs:
    """What a pickle that runs code looks like."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("pwned"),))


def test_bad_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    weights = dict(small_network().state_dict())
    out = tmp_path / "out"

    def refused(error: type[Exception], said: str, content: Any, **options: Any) -> None:
        file = tmp_path / "w.pth"
        torch.save(content, file)
        with pytest.raises(error, match=said):
            import_state_dict(file, out, **{"task": "derain"} | options)
        assert not out.exists()

    refused(ImportFailed, "w.pth: it does not say its task; name one of derain", weights, task="")
    refused(ImportFailed, "task 'De noise' is unknown", weights, task="De noise")
    refused(ImportFailed, "first.weight is missing; there are conv.weight", {"conv.weight": torch.zeros(3)})
    refused(ImportFailed, "first.weight is missing; there are nothing", {})
    refused(ImportFailed, "width 2: need 4 to 256", {"first.weight": torch.zeros(2, 4, 3, 3)})
    refused(ImportFailed, "blocks", {"first.weight": torch.zeros(8, 4, 3, 3)})
    refused(ImportFailed, "fit no MemoryNet", weights | {"extra.weight": torch.zeros(1)})
    refused(
        ImportFailed,
        "missing last.bias",
        {k: v for k, v in weights.items() if k != "last.bias"},
        config=SMALL,
    )
    refused(ImportFailed, "not finite", weights | {"last.bias": torch.full((3,), float("nan"))})
    refused(ImportFailed, "unknown keys", {"state_dict": weights, "config": {"network": {"depth": 3}}})
    refused(checkpoint.CheckpointError, "could run code", {"a": _Runs()})
    assert not (tmp_path / "pwned").exists()
    with pytest.raises(ImportFailed, match="no such file"):
        import_state_dict(tmp_path / "absent.pth", out, task="derain")
    (tmp_path / "bad.json").write_text("[")
    with pytest.raises(ImportFailed, match="not valid JSON"):
        read_config(tmp_path / "bad.json")
