"""A table of scores measured in parts by several processes: a part as JSON and back, and all parts as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from core.restoring.evaluation import EvaluationRow, EvaluationTable, RegionScores, Scores
from core.restoring.verdict import Verdict

_MADE_BY = ("device", "precision", "model", "model_sha256")


def part_as_json(part: EvaluationTable) -> dict[str, Any]:
    """What differs from process to process."""
    return {
        "rows": [asdict(row) for row in part.rows],
        "megapixels_per_s": part.megapixels_per_s,
        **{name: getattr(part, name) for name in _MADE_BY},
    }


def merged(
    own: EvaluationTable, parts: Sequence[Mapping[str, Any] | None], names: Sequence[str]
) -> EvaluationTable:
    """All rows in the order of ``names``, of which part ``r`` of ``n`` has every ``n``-th from ``r`` on.

    Args:
        own: what this process has measured; what all have in common is taken from it.
        parts: as :func:`part_as_json` gives them, None of a process that is lost: its pairs are rows with an error.
    """
    rows: list[EvaluationRow] = []
    at = [0] * len(parts)
    for index, name in enumerate(names):
        rank = index % len(parts)
        part = parts[rank]
        if part is None:
            rows.append(EvaluationRow(name, error=f"process {rank}, which was to measure it, is lost"))
        else:
            rows.append(_row(part["rows"][at[rank]]))
            at[rank] += 1
    speeds = [part["megapixels_per_s"] for part in parts if part is not None and part["megapixels_per_s"]]
    made_by: dict[str, Any] = {
        name: ", ".join(dict.fromkeys(part[name] for part in parts if part is not None)) for name in _MADE_BY
    }
    return replace(own, rows=tuple(rows), megapixels_per_s=sum(speeds) if speeds else None, **made_by)


def _row(told: Mapping[str, Any]) -> EvaluationRow:
    sides = {
        side: {key: Scores(**scores) for key, scores in told[side].items()} for side in ("input", "restored")
    }
    regions = {
        region: {side: RegionScores(**scores) for side, scores in both.items()}
        for region, both in told["regions"].items()
    }
    return EvaluationRow(**{**told, **sides, "regions": regions, "verdict": Verdict(**told["verdict"])})
