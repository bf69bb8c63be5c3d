"""Fixtures that several files of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.jobs import JobControl, ignore
from core.training.learning import learner
from core.training.trainer import train
from tests.training_kit import TINY, Shallow, make_data


@pytest.fixture(scope="session", autouse=True)
def _shallow_networks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learner, "NetworkConfig", Shallow)
        yield


@pytest.fixture(autouse=True)
def _no_samples_beside_the_model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a second leave none: looking for them would take as long again. Their own tests have them."""
    if not request.module.__name__.endswith("test_own_samples"):
        monkeypatch.setattr("core.training.own_samples.fill_from_run", lambda *_arguments: None)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos to train on; nothing changes them."""
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing happened to."""
    run = tmp_path_factory.mktemp("whole") / "run"
    train(TINY, (data,), run, ignore, JobControl())
    return run
