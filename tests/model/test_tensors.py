"""Which number format a device gets unless one is named."""

from __future__ import annotations

import pytest
import torch

from core.model.tensors import choose_precision


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ({"avx2": True}, "fp32"),
        ({"avx512_bf16": True, "amx_bf16": False}, "fp32"),  # slower than fp32 there
        ({"avx512_bf16": True, "amx_bf16": True}, "bf16"),
        ({"bf16": True}, "bf16"),  # ARM
        ({}, "fp32"),
    ],
)
def test_a_processor_gets_the_format_it_is_fast_at(
    has: dict[str, bool], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    assert choose_precision("auto", "cpu") == expected
    assert choose_precision("bf16", "cpu") == "bf16"
