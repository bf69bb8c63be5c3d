"""From an exception to what the window says: :mod:`core.problems` with the advice of someone who has buttons.

What only the window can meet (the clipboard, a PyTorch that cannot be loaded) is added. No sentence here or on a page
names an option of the command line; a test reads them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from core import problems
from core.problems import Problem

__all__ = ["ADVICE", "ClipboardError", "Problem", "describe", "summary", "title"]

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "catalog": "Choose one from the list.",
        "memory": "Close other programs, choose a smaller tile or the CPU as device.",
        "graphics": "Choose the CPU as device and try again.",
        "data-not-named": "Choose the folder of photos.",
        "run-exists": "Go on with that run in the list of runs, or give this one another name.",
    }
)
_OWN: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "clipboard": (
            "There is no photo on the clipboard.",
            "Copy a photo, or files in the file manager, and paste again.",
        ),
        "torch": (
            "Photos can be viewed, but not restored: PyTorch could not be loaded.",
            "Install the program again as the README says, then start it anew.",
        ),
        "source-changed": (
            "The photo was changed after it had been restored.",
            "Restore it again, then save.",
        ),
        "result-gone": ("The result is not kept any more.", "Restore the photo again, then save."),
        "size-mismatch": (
            "The reference is of another size.",
            "Choose the same photo undamaged, in the same size.",
        ),
        "part": ("A part of the program is missing.", "Install it again as the README says."),
    }
)
"""What the core does not know: what happened and what to do, by key."""


class ClipboardError(Exception):
    """There is nothing on the clipboard that can be opened, or it could not be read."""

    problem_key = "clipboard"


def describe(exc: BaseException) -> Problem:
    """What ``exc`` means to the person in front of the window. Never raises."""
    problem = problems.describe(exc, ADVICE)
    key = problem.key
    if _is_missing_torch(exc):
        key = "torch"
    elif isinstance(exc, ModuleNotFoundError):
        key = "part"
    if key not in _OWN:
        return problem
    what, todo = _OWN[key]
    return replace(problem, what=what, why=str(exc), todo=todo, expected=True, key=key)


_TORCH_LIBRARIES = ("libtorch", "libc10", "libcud", "libcublas", "libnv", "libgomp", "c10.dll", "torch_cpu")


def _is_missing_torch(exc: BaseException) -> bool:
    if not isinstance(exc, (ImportError, OSError)):
        return False
    name = getattr(exc, "name", None) or ""
    text = str(exc).lower()
    # a missing system library comes as OSError ("libcudart.so.12: cannot open shared object file")
    return name.partition(".")[0] == "torch" or any(library in text for library in _TORCH_LIBRARIES)


def title(problem: Problem) -> str:
    """What happened without the full stop, for the title of a window or a row: "The picture is damaged"."""
    return problem.what.rstrip(".")


def summary(problems: Sequence[Problem]) -> str:
    """Several problems on one line for the banner, the commonest first.

    "3 files: the picture is damaged · 1 file: the file is empty". Empty for none.
    """
    if len(problems) == 1:
        return problems[0].sentence
    counted = Counter(title(problem) for problem in problems)
    parts = [
        f"{count:,} file{'s' if count != 1 else ''}: {what[:1].lower()}{what[1:]}"
        for what, count in counted.most_common(2)
    ]
    others = sum(count for _, count in counted.most_common()[2:])
    if others:
        parts.append(f"{others:,} more")
    return " · ".join(parts)
