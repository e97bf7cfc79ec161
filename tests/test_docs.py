"""The docs' commands run, and print what the docs say (docs/play.py has the rules); what is
generated is current; links and pictures lead somewhere.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "sample_data/README.md"]


def script(name: str) -> Any:
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


player = script("play")
Example = player.Example


def first_failure(page: Path, folder: Path, slow: bool) -> str | None:
    """What the first of a page's commands does that does not do what the page shows, where geoseg
    is installed already; `.ci/run` runs those of README.md in a new environment, installation too.
    """
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    for example in player.examples(page.read_text("utf-8")):
        command = example.without_installing() if slow or not example.slow else ""
        if command and (failure := player.run(example, folder, command)):
            return failure
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_do_what_it_says(page: Path, tmp_path: Path) -> None:
    failure = first_failure(page, tmp_path, slow=False)
    assert failure is None, failure


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if "<!-- slow -->" in p.read_text("utf-8")],
    ids=lambda page: page.name,
)
def test_the_slow_commands_of_a_page_too(page: Path, tmp_path: Path) -> None:
    failure = first_failure(page, tmp_path, slow=True)
    assert failure is None, failure


def test_a_wrong_output_is_seen(tmp_path: Path) -> None:
    assert player.run(Example("geoseg --version", "geoseg ..."), tmp_path) is None
    assert "The page shows" in player.run(Example("geoseg --version", "geoseg 77"), tmp_path)
    assert "exit code 2" in player.run(Example("geoseg nothing"), tmp_path)
    text = "```python\nprint(6 * 7)\n```\n\nprints\n\n```text\n{}\n```\n"
    right, wrong = (next(player.examples(text.format(number))) for number in (42, 43))
    assert player.run(right, tmp_path) is None
    assert "The page shows" in player.run(wrong, tmp_path)


def test_a_page_of_a_wrong_output_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ geoseg --version\ngeoseg 77\n```\n", "utf-8")
    assert "geoseg 77" in (first_failure(page, tmp_path / "work", slow=False) or "")


def test_examples_are_found() -> None:
    text = (
        "```bash\npip install . && geoseg info a.tif\n# a word\npytest\n```\n"
        "<!-- slow -->\n<!-- exit 3 -->\n```console\n$ geoseg tile a.tif \\\n    -o b\nError: "
        "a\n$ ls\nb\n```\n<!-- not run -->\n```bash\nrm b\n```\n```python\n1\n```\n"
    )
    found = list(player.examples(text))
    assert found == [
        Example("pip install . && geoseg info a.tif"),
        Example("pytest"),
        Example("geoseg tile a.tif      -o b", "Error: a\n", 3, True, 2),
        Example("ls", "b\n", 3, True, 2),
        Example("python -c '1\n'", block=4),
    ]
    assert [e.without_installing() for e in found[:2]] == ["geoseg info a.tif", ""]


def test_schemas_are_current() -> None:
    folder = ROOT / "docs" / "schemas"
    written = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert written == script("generate_schemas").schemas(), "run docs/generate_schemas.py"


def test_help_in_the_docs_is_current() -> None:
    generator = script("generate_cli")
    page = generator.PAGE.read_text("utf-8")
    assert page.split() == generator.refreshed(page).split(), "run python docs/generate_cli.py"


def test_links_between_pages_lead_somewhere() -> None:
    for page in LINKED:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert link.startswith("https://") or (page.parent / link).exists(), (
                f"{page.name}: {link}"
            )
