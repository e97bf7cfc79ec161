"""The docs' commands run, and print what the docs say.

A fenced block ``console`` holds ``$ geoseg ...`` lines with what they print below (``...`` stands
for anything), a block ``bash`` holds commands alone. The blocks of a page run one after another in
one folder that holds ``sample_data/``. A ``<!-- slow -->`` line above a block keeps it for ``pytest
--slow``, an ``<!-- exit N -->`` line says how its last command ends.
"""

from __future__ import annotations

import doctest
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"((?:<!--.*?-->\n)*)```(console|bash)\n(.*?)```", re.DOTALL)
CHECK = doctest.OutputChecker().check_output
LOOSE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Example:
    """A command of a page, the output shown under it (None: not shown), its exit code, whether it
    is slow.
    """

    command: str
    output: str | None
    code: int
    slow: bool


def examples(text: str) -> Iterator[Example]:
    for notes, language, body in FENCE.findall(text):
        code = int(match[1]) if (match := re.search(r"<!-- exit (\d+) -->", notes)) else 0
        slow = "<!-- slow -->" in notes
        if language == "bash":
            commands = [
                line
                for line in body.replace("\\\n", " ").splitlines()
                if line.startswith("geoseg ")
            ]
            yield from (Example(line, None, code, slow) for line in commands)
        else:
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, output = part.replace("\\\n", " ").split("\n", 1)
                if command.startswith("geoseg "):
                    yield Example(command, output, code, slow)


def run(example: Example, folder: Path) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "80",
    }
    done = subprocess.run(
        ["bash", "-c", example.command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    told = example.output is None or CHECK(example.output, done.stdout, LOOSE)
    if done.returncode != example.code or not told:
        shown = "" if told else f"The page shows:\n{example.output}"
        pytest.fail(
            f"$ {example.command}\n{done.stdout}exit code {done.returncode}\n{shown}", pytrace=False
        )


def _play(page: Path, folder: Path, slow: bool) -> None:
    shutil.copytree(
        ROOT / "sample_data",
        folder / "sample_data",
        ignore=shutil.ignore_patterns("*.py", "generator"),
    )
    for example in examples(page.read_text("utf-8")):
        if slow or not example.slow:
            run(example, folder)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_do_what_it_says(page: Path, tmp_path: Path) -> None:
    _play(page, tmp_path, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if "<!-- slow -->" in p.read_text("utf-8")],
    ids=lambda page: page.name,
)
def test_the_slow_commands_of_a_page_too(page: Path, tmp_path: Path) -> None:
    _play(page, tmp_path, slow=True)


def test_a_wrong_output_is_seen(tmp_path: Path) -> None:
    run(Example("geoseg --version", "geoseg ...", 0, False), tmp_path)
    with pytest.raises(pytest.fail.Exception, match="The page shows"):
        run(Example("geoseg --version", "geoseg 77", 0, False), tmp_path)
    with pytest.raises(pytest.fail.Exception, match="exit code 2"):
        run(Example("geoseg nothing", None, 0, False), tmp_path)


def test_examples_are_found() -> None:
    text = (
        "```bash\npip install .\ngeoseg info a.tif\n```\n"
        "<!-- slow -->\n<!-- exit 3 -->\n```console\n$ geoseg tile a.tif \\\n    -o b\nError: "
        "a\n$ ls\nb\n```\n"
    )
    assert list(examples(text)) == [
        Example("geoseg info a.tif", None, 0, False),
        Example("geoseg tile a.tif      -o b", "Error: a\n", 3, True),
    ]


def generator_of(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec and spec.loader
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    return generator


def test_schemas_are_current() -> None:
    folder = ROOT / "docs" / "schemas"
    written = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert written == generator_of("generate_schemas").schemas(), "run docs/generate_schemas.py"


def test_help_in_the_docs_is_current() -> None:
    generator = generator_of("generate_cli")
    page = generator.PAGE.read_text("utf-8")
    assert page.split() == generator.refreshed(page).split(), "run python docs/generate_cli.py"


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert link.startswith("https://") or (page.parent / link).exists(), (
                f"{page.name}: {link}"
            )


def test_the_library_does_what_its_page_says(tmp_path: Path) -> None:
    """The first block of Python prints the block of text below it."""
    page = (ROOT / "docs/python.md").read_text()
    code, printed = (
        re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL)[1]  # type: ignore[index]
        for kind in ("python", "text")
    )
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == printed, done.stderr
