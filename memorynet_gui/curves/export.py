"""The curves of runs as a table that any program reads. No Qt in here: large tables are written on another thread."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from core.atomic import write_atomically

Curve = tuple[np.ndarray, np.ndarray]
"""Steps (n,) rising, values (n,)."""


def write_csv(path: Path, runs: Sequence[tuple[str, Mapping[str, Curve]]]) -> None:
    """One row a run and step, one column a series; empty where a series has no value. Atomic.

    Raises OSError.
    """
    names = list(dict.fromkeys(name for _, curves in runs for name in curves))

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["run", "step", *names])
            for run, curves in runs:
                table.writerows(_rows(run, curves, names))

    write_atomically(path, write)


def _rows(run: str, curves: Mapping[str, Curve], names: Sequence[str]) -> list[list[object]]:
    every = [steps for steps, _ in curves.values()]
    if not every:
        return []
    steps = np.unique(np.concatenate(every))
    columns: list[list[object]] = [[run] * len(steps), steps.tolist()]
    for name in names:
        column: list[object] = [""] * len(steps)
        if name in curves:
            at, values = curves[name]
            # as text, single precision has the digits that it has: 0.1 and not 0.10000000149
            for row, value in zip(np.searchsorted(steps, at).tolist(), values, strict=True):
                column[row] = str(value)
        columns.append(column)
    return [list(row) for row in zip(*columns, strict=True)]
