"""A table of scores as other programs and papers take it, CSV and Markdown, and in parts as processes hand them over."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from core.images import metrics
from core.restoring.evaluation_table import SIDES, EvaluationRow, EvaluationTable, RegionScores, Scores
from core.restoring.verdict import Verdict

_MADE_BY = ("device", "precision", "model", "model_sha256")


def as_csv(table: EvaluationTable) -> str:
    """One line a picture, empty where a number does not exist; ``inf`` for a picture equal to its truth.

    Columns are called SIDE_PROTOCOL_psnr_db and the like; what was not measured names its error instead.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    measured = [dict(_columns(table, row)) for row in table.rows]
    names = list(dict.fromkeys(name for columns in measured for name in columns))
    writer.writerow(["name", "width", "height", *names, "error"])
    for row, columns in zip(table.rows, measured, strict=True):
        size = ["", ""] if row.error is not None else [row.width, row.height]
        writer.writerow([row.name, *size, *(columns.get(name, "") for name in names), row.error or ""])
    return out.getvalue()


def _columns(table: EvaluationTable, row: EvaluationRow) -> Iterator[tuple[str, str]]:
    if row.error is not None:
        return
    for side in SIDES:
        by_protocol = getattr(row, side)
        for protocol in table.protocols:
            yield f"{side}_{protocol}_psnr_db", _number(by_protocol[protocol].psnr_db)
            yield f"{side}_{protocol}_ssim", _number(by_protocol[protocol].ssim)
        if (lab := getattr(row, f"{side}_lab_mae")) is not None:
            yield f"{side}_lab_mae", _number(lab)
        if (ssim := getattr(row, f"{side}_ssim_3d")) is not None:
            yield f"{side}_ssim_3d", _number(ssim)
        for region, sides in row.regions.items():
            yield f"{side}_{region}_RGB_psnr_db", _number(sides[side].psnr_db)
            yield f"{side}_{region}_lab_mae", _number(sides[side].lab_mae)
    yield "seconds", _number(row.seconds)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if math.isfinite(value) else "inf"


def as_markdown(table: EvaluationTable) -> str:
    """Means with their spread, one line a side, and what each column was measured by."""
    columns: list[tuple[str, list[str]]] = []
    for protocol in table.protocols:
        means = [(table.mean(side, protocol), table.spread(side, protocol)) for side in SIDES]
        columns.append((f"PSNR {protocol}, dB", [_with_spread(*both, "psnr_db", 2) for both in means]))
        columns.append((f"SSIM {protocol}", [_with_spread(*both, "ssim", 4) for both in means]))
    if table.mean_lab_mae(SIDES[0]) is not None:
        columns.append(("LAB error", [f"{table.mean_lab_mae(side):.2f}" for side in SIDES]))
    if table.mean_ssim_3d(SIDES[0]) is not None:
        columns.append(("SSIM3D", [f"{table.mean_ssim_3d(side):.4f}" for side in SIDES]))
    for region in table.regions:
        scores = [table.mean_region(region, side) for side in SIDES]
        columns.append(
            (f"PSNR RGB, {region}, dB", ["–" if psnr is None else f"{psnr:.2f}" for psnr, _ in scores])
        )
        columns.append((f"LAB error, {region}", ["–" if lab is None else f"{lab:.2f}" for _, lab in scores]))
    made = table.results.name if table.results is not None else table.model
    lines = [
        f"{table.folder.name}, {len(table.measured)} pictures, task {table.task}; mean ± standard deviation over the "
        "pictures",
        "",
        "| |" + "".join(f" {title} |" for title, _ in columns),
        "|---|" + "---:|" * len(columns),
        *(
            f"| {name} |" + "".join(f" {values[at]} |" for _, values in columns)
            for at, name in enumerate(("input", made))
        ),
        "",
        *(f"- {key}: {metrics.PROTOCOLS[key]}" for key in _named(table)),
    ]
    return "\n".join(lines) + "\n"


def _named(table: EvaluationTable) -> list[str]:
    lab = ["LAB"] if table.mean_lab_mae(SIDES[0]) is not None or table.regions else []
    return [*table.protocols, *lab, *(["SSIM3D"] if table.mean_ssim_3d(SIDES[0]) is not None else [])]


def _with_spread(mean: Scores, spread: Scores, what: str, digits: int) -> str:
    value, around = getattr(mean, what), getattr(spread, what)
    if value is None:
        return "–"
    return f"{value:.{digits}f}" + ("" if around is None else f" ± {around:.{digits}f}")


# --- measured in parts by several processes ---------------------------------------------------------


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


def _row(record: Mapping[str, Any]) -> EvaluationRow:
    sides = {
        side: {key: Scores(**scores) for key, scores in record[side].items()}
        for side in ("input", "restored")
    }
    regions = {
        region: {side: RegionScores(**scores) for side, scores in both.items()}
        for region, both in record["regions"].items()
    }
    return EvaluationRow(**{**record, **sides, "regions": regions, "verdict": Verdict(**record["verdict"])})
