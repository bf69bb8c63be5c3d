"""Runs of a second leave no samples: looking for them would take as long again. Their own tests have them."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_samples_beside_the_model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.module.__name__.endswith("test_own_samples"):
        monkeypatch.setattr("core.training.own_samples.fill_from_run", lambda *_arguments: None)
