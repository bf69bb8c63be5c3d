"""``memorynet runs``: the library of training runs, what differs between two of them, and away with one."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli import common

if TYPE_CHECKING:
    from core.training.runs import Run

_EXAMPLES = """\
examples:
  memorynet runs                        every run of the library, newest first
  memorynet runs my-runs/               the runs in another folder, or one run
  memorynet runs diff first second      what their recipes differ in
  memorynet runs trash first            move a run to the trash

Runs are named by their folder, or by a path. A folder called diff or trash is written
./diff, ./trash.
"""
_NARROWEST = 200  # columns when nobody watches a terminal: better long lines than cut names


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "runs",
        help="list training runs, compare their recipes, move one to the trash",
        description="List the training runs of a folder, compare two by their recipes, or move one to the trash.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "words", nargs="*", metavar="FOLDER | diff A B | trash RUN",
        help="where to look [the library]; or two runs to compare; or one to move to the trash",
    )  # fmt: skip
    parser.add_argument(
        "--library", type=Path, metavar="DIR", help="where runs that are named are looked for [the library]"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core.training import runs

    library = args.library or runs.default_folder()
    match args.words:
        case ["diff", *names]:
            if len(names) != 2:
                raise common.UsageError(f"diff: need two runs, got {len(names)}")
            return _diff(_resolve(names[0], library), _resolve(names[1], library), args.json)
        case ["trash", *names]:
            if len(names) != 1 or args.json:
                raise common.UsageError("trash: need one run and nothing else")
            folder = _resolve(names[0], library)
            runs.move_to_trash(folder)
            print(f"{folder} is in the trash.")
            return common.EXIT_OK
        case []:
            return _list(library, args.json)
        case [folder]:
            path = Path(folder).expanduser()
            if not path.is_dir():
                raise common.UsageError(f"{folder}: no such folder")
            return _list(path, args.json)
    raise common.UsageError(f"{args.words[1]}: one folder at a time; or did you mean diff or trash?")


def _resolve(name: str, library: Path) -> Path:
    from core.training import runs

    try:
        return runs.resolve(name, library)
    except runs.NotARun as error:
        raise common.UsageError(f"{name}: no run of that name in {library}, and no path to one") from error


# --- the list --------------------------------------------------------------------------------------


def _list(folder: Path, as_json: bool) -> int:
    from core.training import runs

    found = runs.find(folder)
    if as_json:
        common.print_json({"folder": str(folder), "runs": [_as_dict(run) for run in found]})
        return common.EXIT_OK
    if not found:
        print(f"No runs in {folder}.")
        return common.EXIT_OK
    _print_table(found)
    for run in found:
        if run.error:
            print(f"{run.name}: {run.error}", file=sys.stderr)
    return common.EXIT_OK


def _as_dict(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "folder": str(run.folder),
        "task": run.recipe.task if run.recipe else None,
        "state": asdict(run.state) if run.state else None,
        "recipe": run.recipe.as_dict() if run.recipe else None,
        "model": str(run.model) if run.model else None,
        "notes": run.notes,
        "size_bytes": run.size_bytes,
        "error": run.error,
    }


def _print_table(found: tuple[Run, ...]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    now = time.time()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title, align in (("name", "left"), ("state", "left"), ("task", "left"), ("step", "right"),
                         ("best dB", "right"), ("size", "right"), ("age", "right")):  # fmt: skip
        table.add_column(title, justify="right" if align == "right" else "left", overflow="fold")
    for run in found:
        state = run.state
        step = (
            "" if state is None else f"{state.step:,} / {state.steps:,}" if state.steps else f"{state.step:,}"
        )
        cells = (
            run.name,
            "damaged" if state is None else state.state,
            run.recipe.task if run.recipe else "?",
            step,
            "" if run.best_psnr_db is None else f"{run.best_psnr_db:.2f}",
            size_text(run.size_bytes),
            age_text(now - run.updated) if run.updated else "?",
        )
        table.add_row(*(Text(cell) for cell in cells))  # a name is no markup
    wide = sys.stdout.isatty()
    Console(file=sys.stdout, width=None if wide else _NARROWEST, highlight=False).print(table)
    print("best dB: of each run's own validation; compares only where photos and seed are the same")


def size_text(size: int) -> str:
    """9 kB, 14.2 MB, 1.3 GB"""
    if size < 1e6:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def age_text(seconds: float) -> str:
    """now, 5 min, 3 h, 12 d"""
    minutes = max(0.0, seconds) / 60
    if minutes < 1:
        return "now"
    if minutes < 60:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} d"


# --- differences -----------------------------------------------------------------------------------


def _diff(first: Path, second: Path, as_json: bool) -> int:
    from core.training import runs
    from core.training.recipe import RecipeError
    from core.training.run_folder import RunFolder

    recipes = []
    for folder in (first, second):
        try:
            recipes.append(RunFolder(folder).recipe())
        except RecipeError as error:
            raise RecipeError(f"{folder}: {error}") from error
    found = runs.differences(recipes)
    if as_json:
        rows = [asdict(item) for item in found]
        common.print_json({"runs": [str(first), str(second)], "differences": rows})
        return common.EXIT_OK
    if not found:
        print(f"The recipes of {first.name} and {second.name} are the same.")
        return common.EXIT_OK
    width = max(len(item.title) for item in found)
    print(f"{'':{width}}  {first.name} -> {second.name}")
    for item in found:
        before, after = (value_text(value) for value in item.values)
        print(f"{item.title:{width}}  {before} -> {after}")
    return common.EXIT_OK


def value_text(value: Any) -> str:
    """A recipe's value for reading: lists without brackets, nothing as "default"."""
    if value is None:
        return "default"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"
