"""Drive geoseg in a real terminal (tmux), and write what it shows: python docs/record_terminal.py

Types into bash as a user does, with the completion of ``geoseg completion bash`` loaded, and keeps
the screen in docs/cli.md, below the mark that names this script. tests/cli/test_terminal.py records
the same.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "cli.md"
SHOWN = re.compile(r"(<!-- record_terminal.py -->\n```text\n).*?(```)", re.DOTALL)
WIDTH, HEIGHT = 100, 40


class Terminal:
    """A bash of its own in a tmux of its own, without the user's settings.

    ``with Terminal(folder) as terminal`` ends both.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tmux = ["tmux", "-f", "/dev/null", "-S", str(folder / "tmux.socket")]

    def __enter__(self) -> Terminal:
        rc = self.folder / "bashrc"
        programs = Path(sys.executable).parent
        rc.write_text(
            f"PS1='$ '\nPATH={shlex.quote(str(programs))}:$PATH\n"
            "bind 'set bell-style none'\nbind 'set show-all-if-ambiguous on'\n"
            'eval "$(geoseg completion bash)"\n'
        )
        size = ["-x", str(WIDTH), "-y", str(HEIGHT)]
        bash = f"bash --noprofile --rcfile {shlex.quote(str(rc))} -i"
        environment = {name: value for name, value in os.environ.items() if name != "TMUX"}
        command = [*self.tmux, "new-session", "-d", *size, "-c", str(self.folder), bash]
        subprocess.run(command, check=True, env=environment)
        self.wait(lambda screen: screen.startswith("$"), 60)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self.tmux, "kill-server"], check=False, capture_output=True)

    def type(self, *keys: str) -> None:
        """Send text, and keys by tmux's names: ``Tab``, ``Enter``, ``C-c``."""
        for key in keys:
            named = key in ("Tab", "Enter", "C-c", "C-u")
            subprocess.run(
                [*self.tmux, "send-keys", *([] if named else ["-l", "--"]), key], check=True
            )

    def screen(self) -> str:
        """The lines on the screen, without what is empty below."""
        shown = subprocess.run(
            [*self.tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True
        )
        return shown.stdout.rstrip()

    def wait(self, found: Callable[[str], bool], seconds: float = 30) -> str:
        """The first screen of which ``found`` is true. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found(screen := self.screen()):
                return screen
            time.sleep(0.05)
        raise TimeoutError(f"not seen in {seconds:g} s; the screen is\n{self.screen()}")


def record(folder: Path) -> str:
    """Completion of a command, a file and a model; then the progress bar of a run."""
    (folder / "sample_data").symlink_to(ROOT / "sample_data")
    with Terminal(folder) as terminal:
        terminal.type("geoseg ext", "Tab")
        terminal.wait(lambda screen: screen.endswith("extract"))
        terminal.type("sample_data/", "Tab")
        terminal.wait(lambda screen: "generate.py" in screen)
        terminal.type("sc", "Tab")
        terminal.wait(lambda screen: screen.endswith("scene.tif"))
        terminal.type("-o buildings.gpkg --tta flips -m bun", "Tab")
        completed = terminal.wait(lambda screen: screen.endswith("bundled"))
        terminal.type("Enter")
        working = terminal.wait(lambda screen: "left" in screen and "%" in screen, 120)
        done = terminal.wait(lambda screen: "wrote buildings.gpkg" in screen, 300)
    return "\n\n".join([completed, working.splitlines()[-1], done[len(completed) :].strip()]) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        text = record(Path(place))
    page = PAGE.read_text("utf-8")
    PAGE.write_text(SHOWN.sub(lambda match: f"{match[1]}{text}{match[2]}", page), "utf-8")
