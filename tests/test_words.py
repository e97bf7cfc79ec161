"""The words of messages, help and docs: settings by their fields below cli/, and plain terms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "geoseg").rglob("*.py"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
PAGES += [ROOT / "sample_data/README.md", *sorted((ROOT / "docs/recipes").glob("*.sh"))]
PAGES += [path for path in (ROOT / "geoseg").rglob("*") if path.suffix in (".html", ".css", ".md")]
FLAG = re.compile(r"(?:^|[\s'\"`(])--(?:[a-z]|$)")
OTHERS = ("var(--", "--tag ")  # style sheets, and the options of `rio edit-info`
BANNED = re.compile(
    r"\b(told|tells?|telling|said|lest|anew|whatever|to be had|what one reads|learnt by heart"
    r"|of one's own|no setting of|chance)\b",
    re.IGNORECASE,
)
# Names of layouts, files and commands may be any words
QUOTED = re.compile(r"``[^`]*``|`[^`]*`|<[^>]*>")


def strings(text: str) -> Iterator[tuple[int, str, bool]]:
    """Line, text and whether it is a docstring, of every string in Python source."""
    tree = ast.parse(text)
    scopes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, scopes) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value, id(node) in docs


def flags(text: str) -> list[str]:
    """Strings with an option's flag in them; docstrings, style sheets and rio's --tag aside."""
    found = [string for _, string, doc in strings(text) if not doc and FLAG.search(string)]
    return [s for s in found if "var(--" not in s and not s.startswith("--tag ")]


def words(text: str) -> list[str]:
    """Banned words outside of code spans."""
    return [match[0] for match in BANNED.finditer(QUOTED.sub("", text))]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    "path",
    # the QGIS plugin calls the command line
    [path for path in FILES if not {"cli", "qgis"} & set(relative(path).split("/")[:-1])],
    ids=relative,
)
def test_no_flag_is_named_below_the_command_line(path: Path) -> None:
    text = path.read_text("utf-8")
    assert flags(text) == []
    assert "sys.argv" not in text


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_strings_and_comments_are_in_plain_terms(path: Path) -> None:
    text = path.read_text("utf-8")
    found = [f"line {line}: {word}" for line, string, _ in strings(text) for word in words(string)]
    for number, line in enumerate(text.splitlines(), 1):
        _, mark, comment = line.partition("# ")
        found += [f"line {number}: {word}" for word in words(comment if mark else "")]
    assert found == []


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_pages_are_in_plain_terms(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    assert words(text) == []


def test_a_flag_and_a_banned_word_are_seen() -> None:
    text = '"""Use --size."""\nhint = f"raise --{name}"\nother = "lower --size"\na = "a--b"\n'
    assert sorted(flags(text)) == ["lower --size", "raise --"]
    assert words("It is told anew, by `lest`, ``chance`` and retold untold-ly") == ["told", "anew"]
