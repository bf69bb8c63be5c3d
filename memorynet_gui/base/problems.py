"""From an exception to what the window says: :mod:`core.problems` in the words of someone who has buttons.

The core's advice is for either surface and names options of the command line; here those become the names of
controls. What only the window can meet (the clipboard, a PyTorch that cannot be loaded) is added.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from core.problems import Problem
from core.problems import describe as describe_in_core
from memorynet_gui.base.errors import ResultGone, SizeMismatch, SourceChanged

__all__ = ["ClipboardError", "Problem", "describe", "for_window", "summary", "title"]


class ClipboardError(Exception):
    """There is nothing on the clipboard that can be opened, or it could not be read."""


_IN_THE_WINDOW: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"Try again with --device cpu\.", "Choose the CPU as device and try again."),
        (r"; memorynet info lists those at hand\.", "."),
        (r"memorynet info lists what is at hand\.", "Choose one from the list."),
        (r"memorynet info lists the devices\.", "Choose another device."),
        (r" \(--device cpu\)", " as device"),
        (r", or allow it with --overwrite\.", "."),
        (r" \(--[a-z][^)]*\)", ""),
    )
)


def for_window(problem: Problem) -> Problem:
    """The same problem without options of the command line in its reason and advice."""
    why, todo = problem.why, problem.todo
    for pattern, words in _IN_THE_WINDOW:
        why, todo = pattern.sub(words, why), pattern.sub(words, todo)
    return problem if (why, todo) == (problem.why, problem.todo) else replace(problem, why=why, todo=todo)


def describe(exc: BaseException) -> Problem:
    """What ``exc`` means to the person in front of the window. Never raises."""
    problem = describe_in_core(exc)
    for applies, what, todo in _OF_THE_WINDOW:
        if applies(exc):
            return replace(problem, what=what, why=str(exc), todo=todo, expected=True)
    return for_window(problem)


_TORCH_LIBRARIES = ("libtorch", "libc10", "libcud", "libcublas", "libnv", "libgomp", "c10.dll", "torch_cpu")


def _is_missing_torch(exc: BaseException) -> bool:
    if not isinstance(exc, (ImportError, OSError)):
        return False
    name = getattr(exc, "name", None) or ""
    text = str(exc).lower()
    # a missing system library comes as OSError ("libcudart.so.12: cannot open shared object file")
    return name.partition(".")[0] == "torch" or any(library in text for library in _TORCH_LIBRARIES)


def _is_missing_part(exc: BaseException) -> bool:
    return isinstance(exc, ModuleNotFoundError)


_OF_THE_WINDOW: tuple[tuple[Callable[[BaseException], bool], str, str], ...] = (
    (
        lambda exc: isinstance(exc, ClipboardError),
        "There is no photo on the clipboard.",
        "Copy a photo, or files in the file manager, and paste again.",
    ),
    (
        _is_missing_torch,
        "Photos can be viewed, but not restored: PyTorch could not be loaded.",
        "Install the program again as the README says, then start it anew.",
    ),
    (
        lambda exc: isinstance(exc, SourceChanged),
        "The photo was changed after it had been restored.",
        "Restore it again, then save.",
    ),
    (
        lambda exc: isinstance(exc, ResultGone),
        "The result is not kept any more.",
        "Restore the photo again, then save.",
    ),
    (
        lambda exc: isinstance(exc, SizeMismatch),
        "The reference is of another size.",
        "Choose the same photo undamaged, in the same size.",
    ),
    (_is_missing_part, "A part of the program is missing.", "Install it again as the README says."),
)


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
