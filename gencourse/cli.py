"""The command line: one subcommand for each thing there is to do.

Each subcommand is a module with two functions, `configure(parser)` and `run(args)`. It is
imported only when its command is asked for: `gencourse grade` never waits for PyTorch.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from gencourse import __version__

__all__ = ["COMMANDS", "main"]

# name: (module, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("gencourse.recipes", "train a checkpoint that the course ships"),
    "bench": ("gencourse.bench", "measure every family by one protocol: the map of chapter 1"),
    "release": ("gencourse.grading.release", "write the learners' version of an exercise"),
    "collect": ("gencourse.grading.collect", "take in what came back from a class"),
    "grade": ("gencourse.grading.grade", "mark it in a sandbox"),
    "feedback": ("gencourse.grading.feedback", "write one page for each learner"),
    "export": ("gencourse.grading.export", "write the marks for Canvas, Moodle or a spreadsheet"),
    "report": ("gencourse.grading.report", "write one page about the class"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status.

    Raises `SystemExit` as argparse does for arguments that make no sense.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="gencourse", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"gencourse {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((a for a in arguments if not a.startswith("-")), None)
    for name, (module, help_line) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=help_line)
        if name == asked:
            implementation = importlib.import_module(module)
            subparser.description = implementation.__doc__
            subparser.formatter_class = argparse.RawDescriptionHelpFormatter
            implementation.configure(subparser)
            subparser.set_defaults(run=implementation.run)
    args = parser.parse_args(arguments)
    return int(args.run(args))


if __name__ == "__main__":
    sys.exit(main())
