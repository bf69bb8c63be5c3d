from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.model import checkpoint
from core.model.checkpoint import CheckpointError
from tests.small import save_small_model, small_network


def output(network: torch.nn.Module) -> torch.Tensor:
    x = torch.rand(1, 3, 24, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return network(x).restored


def test_saved_and_loaded_gives_the_same_output(tmp_path: Path) -> None:
    folder = save_small_model(tmp_path / "m", seed=7)
    loaded = checkpoint.load(folder)
    assert torch.allclose(
        output(loaded.network), output(small_network(7)), atol=1e-6
    )  # memory format differs
    assert loaded.name == "small"
    assert loaded.task == "derain"
    assert loaded.provenance["note"] == "made by a test"
    assert loaded.sha256 == checkpoint.file_sha256(folder / "model.safetensors")
    alone = tmp_path / "elsewhere.safetensors"
    alone.write_bytes((folder / "model.safetensors").read_bytes())
    assert torch.equal(output(checkpoint.load(alone).network), output(loaded.network))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_are_half_as_large_and_close(tmp_path: Path, dtype: torch.dtype) -> None:
    network = small_network(1)
    full = checkpoint.save(tmp_path / "full", network, name="f", task="derain", provenance={})
    half = checkpoint.save(tmp_path / "half", network, name="h", task="derain", provenance={}, dtype=dtype)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (full, half)]
    assert sizes[1] < 0.75 * sizes[0]
    assert torch.allclose(output(checkpoint.load(half).network), output(network), atol=0.02)


def test_plain_pytorch_files_load_by_weights_only(tmp_path: Path) -> None:
    network = small_network(2)
    config = {"task": "derain", "name": "old", "network": network.config.as_dict()}
    file = tmp_path / "old.pth"
    torch.save({"state_dict": network.state_dict(), "config": config}, file)
    assert torch.allclose(output(checkpoint.load(file).network), output(network), atol=1e-6)


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return (os.mkdir, (str(self.target),))


@pytest.mark.parametrize("protocol", ["torch", "pickle"])
def test_a_pickle_bomb_is_refused_and_does_not_go_off(tmp_path: Path, protocol: str) -> None:
    fuse, file = tmp_path / "exploded", tmp_path / "bomb.pth"
    if protocol == "torch":
        torch.save({"state_dict": Bomb(fuse)}, file)
    else:
        file.write_bytes(pickle.dumps({"state_dict": Bomb(fuse)}))
    with pytest.raises(CheckpointError, match=r"bomb\.pth"):
        checkpoint.load(file)
    assert not fuse.exists()


@pytest.mark.parametrize("keep", [0, 1, 7, 100, 0.5, 0.99])
def test_truncated_files_are_refused(tmp_path: Path, keep: float) -> None:
    file = save_small_model(tmp_path / "m") / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        checkpoint.load(file)


def test_strangers_are_refused_with_keys(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    save_file({"conv.weight": torch.zeros(3)}, stranger / "model.safetensors")
    with pytest.raises(CheckpointError, match="no MemoryNet configuration"):
        checkpoint.load(stranger)
    config = json.loads((save_small_model(tmp_path / "m") / "config.json").read_text())
    (stranger / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"expected \d+ keys, found 1.*missing .*unknown conv\.weight"):
        checkpoint.load(stranger)
    with pytest.raises(CheckpointError, match="no model here"):
        checkpoint.load(tmp_path / "nothing")


def test_other_shapes_and_broken_numbers_are_refused(tmp_path: Path) -> None:
    network = small_network(3)
    weights = {key: value.clone() for key, value in network.state_dict().items()}
    weights["last.bias"][0] = float("nan")
    folder = checkpoint.save(tmp_path / "nan", network, name="n", task="derain", provenance={}, state=weights)
    with pytest.raises(CheckpointError, match=r"last\.bias.*not finite"):
        checkpoint.load(folder)
    weights["last.bias"] = torch.zeros(5)
    folder = checkpoint.save(
        tmp_path / "shape", network, name="n", task="derain", provenance={}, state=weights
    )
    with pytest.raises(CheckpointError, match=r"last\.bias expected shape \(3,\), found \(5,\)"):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"network": []},
        {"network": ""},
        {"network": None},
        {"network": {"width": 8.0}},
        {"network": {"blocks": ["1", 1, 1]}},
        {"network": {"width": 256, "blocks": [1, 1, 400]}},  # 60 GB, were it built
        {"provenance": "home-made"},
        {"provenance": 3},
    ],
)
def test_a_configuration_of_nonsense_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    network = small_network()
    config = {"task": "derain", "network": network.config.as_dict()} | changes
    file = tmp_path / "odd.safetensors"
    save_file(dict(network.state_dict()), file, metadata={"memorynet": json.dumps(config)})
    with pytest.raises(CheckpointError, match=r"^odd\.safetensors: "):
        checkpoint.load(file)


@pytest.mark.parametrize("header", ["[]", '"text"', "3", "{}"])
def test_a_header_of_another_kind_is_refused(tmp_path: Path, header: str) -> None:
    file = tmp_path / "odd.safetensors"
    save_file(dict(small_network().state_dict()), file, metadata={"memorynet": header})
    with pytest.raises(CheckpointError, match=r"^odd\.safetensors: its configuration"):
        checkpoint.load(file)


@pytest.mark.parametrize(
    "weights",
    [
        {None: torch.zeros(1), "a": torch.zeros(1)},
        {0: torch.zeros(1), "a": torch.zeros(1)},
        {"last.bias": torch.zeros(3).to_sparse()},
        {"last.bias": torch.zeros(3, device="meta")},
        {"last.bias": torch.zeros(3, dtype=torch.int32)},
    ],
)
def test_tensors_of_another_kind_are_refused(tmp_path: Path, weights: dict[object, torch.Tensor]) -> None:
    network = small_network()
    config = {"task": "derain", "network": network.config.as_dict()}
    file = tmp_path / "odd.pth"
    torch.save({"state_dict": {**network.state_dict(), **weights}, "config": config}, file)
    with pytest.raises(CheckpointError, match=r"^odd\.pth: "):
        checkpoint.load(file)


def test_a_configuration_that_is_a_tensor_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "odd.pth"
    torch.save({"state_dict": dict(small_network().state_dict()), "config": torch.zeros(3)}, file)
    with pytest.raises(CheckpointError, match=r"^odd\.pth: its configuration"):
        checkpoint.load(file)


@pytest.mark.parametrize("broken", ["write", "fsync", "replace"])
def test_a_failing_disk_leaves_the_old_model_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    folder = save_small_model(tmp_path / "m", seed=1)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    target = {"write": (Path, "write_bytes"), "fsync": (os, "fsync"), "replace": (Path, "replace")}[broken]
    monkeypatch.setattr(*target, fail)
    with pytest.raises(OSError, match="No space left"):
        save_small_model(folder, seed=2)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
