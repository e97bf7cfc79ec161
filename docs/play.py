"""Run the commands of a page as a reader does, and compare what they print.

python docs/play.py README.md            # all of them, installation too, in this folder
python docs/play.py README.md --skip 1   # without the first block

A fenced block ``console`` holds ``$ command`` lines with what they print below (``...`` stands for
anything), a block ``bash`` commands alone, a block ``python`` a program, of which the block
``text`` after the word ``prints`` is the output. The blocks of a page run one after another in one
folder. A ``<!-- slow -->`` line above a block marks it as heavy, ``<!-- exit N -->`` says how its
last command ends, ``<!-- not run -->`` that it is for the eye alone.

Standard library only: it runs where nothing but geoseg itself is installed.
"""

from __future__ import annotations

import argparse
import doctest
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"(?P<notes>(?:<!--.*?-->\n)*)```(?P<language>console|bash|python)\n(?P<body>.*?)```"
    r"(?:\n\nprints\n\n```text\n(?P<printed>.*?)```)?",
    re.DOTALL,
)
CHECK = doctest.OutputChecker().check_output
LOOSE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
# They change the environment, or take it for granted that it is a new one
INSTALLS = re.compile(r"(pip|pipx|pytest|docker|conda|mkdocs)\b")


@dataclass(frozen=True)
class Example:
    """A command of a page, the output shown under it (None: not shown), its exit code, whether it
    is slow, and the number of its block, from 1.
    """

    command: str
    output: str | None = None
    code: int = 0
    slow: bool = False
    block: int = 1

    def without_installing(self) -> str:
        """The command less its ``pip install`` and the like; empty if nothing is left."""
        steps = self.command.split(" && ")
        return " && ".join(step for step in steps if not INSTALLS.match(step))


def examples(text: str) -> Iterator[Example]:
    """The commands of a page in their order."""
    for number, match in enumerate(BLOCK.finditer(text), 1):
        notes, body = match["notes"], match["body"].replace("\\\n", " ")
        if "<!-- not run -->" in notes:
            continue
        code = int(found[1]) if (found := re.search(r"<!-- exit (\d+) -->", notes)) else 0
        slow = "<!-- slow -->" in notes
        if match["language"] == "python":
            program = f"python -c {shlex.quote(match['body'])}"
            yield Example(program, match["printed"], code, slow, number)
        elif match["language"] == "bash":
            lines = (line for line in body.splitlines() if line and not line.startswith("#"))
            yield from (Example(line, None, code, slow, number) for line in lines)
        else:
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, output = part.split("\n", 1)
                yield Example(command, output, code, slow, number)


def run(example: Example, folder: Path, command: str | None = None) -> str | None:
    """None if the command (or ``command`` in place of it) does what the page shows, else what
    it did.
    """
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command or example.command],
        cwd=folder,
        env=os.environ | {"PATH": programs, "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    same = example.output is None or CHECK(example.output, done.stdout, LOOSE)
    if done.returncode == example.code and same:
        return None
    shown = "" if same else f"The page shows:\n{example.output}"
    return f"$ {example.command}\n{done.stdout}exit code {done.returncode}\n{shown}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--skip", type=int, default=0, help="Blocks to leave out at the start.")
    options = parser.parse_args()
    for example in examples(options.page.read_text("utf-8")):
        if example.block <= options.skip:
            continue
        print(f"$ {example.command}", flush=True)
        if failure := run(example, Path.cwd()):
            print(failure, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
