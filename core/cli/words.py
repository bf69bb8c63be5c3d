"""What the command line says of a problem: the core's words, with advice that names options and commands."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from core import problems
from core.problems import Problem

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "would-overwrite": "Choose another name or folder, or allow it with --overwrite.",
        "model": "Choose another model; memorynet info lists those at hand.",
        "catalog": "memorynet info lists what is at hand.",
        "device": "memorynet info lists the devices.",
        "memory": "Close other programs, choose a smaller tile (--tile 256) or the CPU (--device cpu).",
        "graphics": "Try again with --device cpu.",
        "data-not-named": "Say it with --data DIR.",
        "process-lost": "Start all of them again; restore and inspect --resume skip what is done.",
        "run-exists": "Go on with it (--resume) or choose another folder.",
    }
)
_BEHIND: Mapping[str, str] = MappingProxyType(
    {"data-not-named": " (--data DIR)", "run-exists": "; go on with it (--resume) or choose another folder"}
)


def describe(exc: BaseException) -> Problem:
    """What ``exc`` means to the person at the terminal. Never raises."""
    return problems.describe(exc, ADVICE)


def message(exc: BaseException) -> str:
    """The exception's own message with the option that helps, for errors of usage, which say no more than that."""
    return f"{exc}{_BEHIND.get(problems.key_of(exc) or '', '')}"
