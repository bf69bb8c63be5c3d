"""The command line, over the same jobs as the window. See :func:`main`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from core import __version__, tasks
from core.cli import (
    calibrate,
    check,
    common,
    demo,
    evaluate,
    export,
    info,
    inspect,
    masks,
    restore,
    runs,
    samples,
    stopping,
    train,
)
from core.cli.words import describe
from core.jobs import Cancelled

COMMANDS = (
    "restore",
    "inspect",
    "evaluate",
    "masks",
    "check",
    "train",
    "runs",
    "samples",
    "calibrate",
    "export",
    "import",
    "info",
    "demo",
)
DEBUG_VARIABLE = "MEMORYNET_DEBUG"
"""Set to 1 to see the traceback of an error nobody foresaw."""

_USAGE = """\
memorynet [--sample] [--new-window] [PHOTO|FOLDER ...]
       memorynet COMMAND ..."""
_DESCRIPTION = f"""\
Restore photos spoiled by {tasks.damages()}.

Without a command the window opens, with the photos given or a sample photo in it. Photos go to a window that
is open already, unless a new one is asked for."""
_EPILOG = """\
memorynet COMMAND --help says more about each command.
exit codes: 0 all went well, 1 something failed, 2 bad arguments, 130 stopped with Ctrl+C"""


def build_parser() -> common.Parser:
    parser = common.Parser(prog="memorynet", usage=_USAGE, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"MemoryNet {__version__}")
    commands = parser.add_subparsers(
        dest="command", title="commands", metavar="COMMAND", prog="memorynet", parser_class=common.Parser
    )
    for module in (
        restore,
        inspect,
        evaluate,
        masks,
        check,
        train,
        runs,
        samples,
        calibrate,
        export,
        info,
        demo,
    ):
        module.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 all well, 1 something failed, 2 bad arguments, 130 stopped (143 by
    SIGTERM, 129 by a terminal that closed).

    Prints to stdout what was asked for and to stderr everything else; never a traceback.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    common.forgiving_streams()
    stopping.forget_signals()
    try:
        return stopping.exit_code(_run(words))
    except SystemExit as leaving:  # argparse: --help, --version, bad arguments
        return leaving.code if isinstance(leaving.code, int) else common.EXIT_OK
    except common.UsageError as error:
        command = next((f" {word}" for word in words if word in COMMANDS), "")
        print(" ".join(f"memorynet{command}: {error}".splitlines()), file=sys.stderr)
        return common.EXIT_USAGE
    except (KeyboardInterrupt, Cancelled):
        print("Stopped. What was finished before is kept.", file=sys.stderr)
        code = stopping.exit_code(stopping.EXIT_INTERRUPTED)
        stopping.leave_if_importing(code)
        return code
    except BrokenPipeError:  # the reader of our output has left; nobody is there to be told
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return common.EXIT_FAILED
    except Exception as error:
        problem = describe(error)
        print(f"memorynet: {problem.sentence}", file=sys.stderr)
        if not problem.expected:
            if os.environ.get(DEBUG_VARIABLE):
                print(problem.details, file=sys.stderr)
            else:
                print(f"({DEBUG_VARIABLE}=1 shows the details.)", file=sys.stderr)
        return common.EXIT_FAILED


def _run(words: list[str]) -> int:
    parser = build_parser()
    first = next((word for word in words if not word.startswith("-")), None)
    if first is not None and first not in COMMANDS:
        parser.error(f"no command {first!r} (known: {', '.join(COMMANDS)}){common.suggest(first, COMMANDS)}")
    args = parser.parse_args(words)
    if args.command is None:
        parser.error(f"need a command: {', '.join(COMMANDS)}")
    with (
        stopping.interruptible() as control
    ):  # numpy takes an interrupt for a broken installation, and says so at length
        stopping.import_aside(control, "core.images.io")
        control.checkpoint()
    code: int = args.run(args)
    sys.stdout.flush()
    return code
