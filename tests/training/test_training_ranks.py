"""Several processes train one run: started by torch's own launcher or as it starts them, here two on the processor with gloo."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.data.sampling import PhotoPool, SampleSource
from core.jobs import Cancelled, JobControl, ignore
from core.model.config import NetworkConfig
from core.training.learning import learner
from core.training.ranks import CANCEL, FAIL, Ranks, ranks_here
from core.training.run_folder import DONE, STOPPED, RunFolder, TrainingError
from core.training.trainer import train
from tests.data.test_sampling import noisy
from tests.forked import Forked, launched
from tests.training_kit import RECIPE, at_step, curve_of, train_and_tell

SHARED = replace(
    RECIPE, width=4, steps=8, batch=4, crops_per_photo=1, patch_px=32, validate_every=4, validate_crop_px=32,
    log_every=1, contrastive_every=2, precision="fp32",
)  # fmt: skip

_MEANS = 1e-3
"""Share by which terms that are means over a batch may differ between one process and two: they are the same sums in
another order. Seen here: 1e-4 after eight steps."""
_LOSS = 0.03
"""...and the whole loss, in which evenness of use and contrast look at each process's share by itself, and contrast at
other crops: half of each share. Seen here: 0.021 while contrast is most of the loss, 4e-4 later."""


@pytest.fixture(scope="module", autouse=True)
def _networks_as_in_the_other_processes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learner, "NetworkConfig", NetworkConfig)
        yield


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("alone") / "run"
    train(SHARED, (data,), run, ignore, JobControl())
    return run


def both_ranks(place: Path, function: Callable[..., object], *arguments: object) -> list[Forked]:
    """Two processes with the environment that torch's launcher gives."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    shared = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [Forked(place, function, *arguments, RANK=rank, LOCAL_RANK=rank, **shared) for rank in ("0", "1")]


def assert_alike(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assert [(line["kind"], line["step"]) for line in one] == [(line["kind"], line["step"]) for line in other]
    for mine, theirs in zip(one, other, strict=True):
        if mine["kind"] == "validation":
            assert mine["psnr_db"] == pytest.approx(theirs["psnr_db"], abs=0.01)
        else:
            assert set(mine) == set(theirs)
            assert mine["lr"] == theirs["lr"]
            assert mine["loss"] == pytest.approx(theirs["loss"], rel=_LOSS)
            # balance and contrast look at each process's share, which shows where the other terms' gradient is small
            assert mine["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=10 * _MEANS, abs=0.003)
            for term in ("pixel", "edge", "polarity"):
                assert mine[term] == pytest.approx(theirs[term], rel=_MEANS)


def test_two_processes_learn_what_one_does_and_one_goes_on_alone(
    data: Path, tmp_path: Path, alone: Path
) -> None:
    recipe, run = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text(SHARED.to_toml())
    both = both_ranks(tmp_path, train_and_tell, recipe, data, run, 6, False)
    assert [each.wait(300) for each in both] == [0, 0], both[0].err.read_text()
    said = [each.out.read_text().splitlines()[-1] for each in both]
    told = sorted(int(line.split()[2]) for line in said if line.startswith("cancelled after"))
    assert len(told) == 2 and told[0] == 0 < told[1], "both end, and one of them tells"
    state = RunFolder(run).state()
    assert state is not None and (state.state, state.step) == (STOPPED, 6)
    assert sorted(file.name for file in (run / "checkpoints").iterdir()) == [
        "step-00000004.safetensors",
        "step-00000006.safetensors",
    ]
    assert_alike(curve_of(run), [line for line in curve_of(alone) if line["step"] <= 6])
    train(SHARED, (), run, ignore, JobControl(), resume=True)
    assert_alike(curve_of(run), curve_of(alone))


def test_two_processes_go_on_with_what_one_began(data: Path, tmp_path: Path, alone: Path) -> None:
    run, control = tmp_path / "run", JobControl()
    with pytest.raises(Cancelled):
        train(SHARED, (data,), run, at_step(3, control.cancel), control)
    both = Forked(tmp_path, launched, "train", "--resume", "--out", str(run), "--device", "cpu")
    assert both.wait(300) == 0, both.err.read_text()
    assert both.out.read_text().count("Trained 8 steps") == 1, "one of them speaks for both"
    state = RunFolder(run).state()
    assert state is not None and (state.state, state.step) == (DONE, 8)
    assert_alike(curve_of(run), curve_of(alone))


def test_a_batch_is_shared_out_completely(data: Path) -> None:
    source = SampleSource(PhotoPool(sorted((data / "clean").iterdir())), None, noisy, 16, 3, 2)
    whole = source.batch(5, 10)
    for count in (1, 2, 3, 5):
        parts = []
        for rank in range(count):
            ranks = Ranks()
            ranks.rank, ranks.count = rank, count
            parts.append(source.batch(5, 10, ranks.share(5)))
        for side in range(3):
            together = torch.cat([torch.from_numpy(part[side]) for part in parts])
            assert torch.equal(together, torch.from_numpy(whole[side]))


def test_more_processes_than_photos_in_a_batch_are_refused() -> None:
    ranks = Ranks()
    ranks.rank, ranks.count = 2, 3
    with pytest.raises(TrainingError, match="3 processes cannot share a batch of 2 photos"):
        ranks.share(2)


def test_without_the_launcher_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")  # left behind by something else
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    ranks = ranks_here()
    assert (ranks.rank, ranks.count, ranks.is_first) == (0, 1, True)
    for code in (CANCEL, FAIL):
        ranks.agree(code)  # nobody to tell
    assert ranks.gather(3) == [3] and ranks.from_first("x") == "x"
