"""Hooks of MkDocs: pages of the site that are not files of docs/.

README.md and other Markdown of the repository become pages; so do each command and each function of
the library, made from the code, and the notebooks with their outputs. Links between files of the
repository are turned into links between pages::

    docs/training.md  [README](../README.md)        ->  start.md
    README.md         [Training](docs/training.md)  ->  training.md
    any page          (cli.md#export)               ->  cli/export.md
    any page          (recipes)                     ->  recipes/index.md, a list of the files there
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import command_pages

import geoseg
from geoseg.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
# Pages made of files elsewhere
PAGES = {
    "README.md": "start.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "sample_data/README.md": "sample-data.md",
}
STATIC = {"LICENSE": "LICENSE.txt", "docs/site/site.css": "site.css"}
# Pages of tables that need the width of their table of contents
WIDE = ("comparison.md",)
FOLDERS = ("recipes", "schemas")
LIBRARY = [name for name in geoseg.__all__ if name != "__version__"]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "docs" / "notebooks").glob("*.ipynb"))
LINK = re.compile(r"(\]\()([^)\s#]*)(#[^)\s]*)?(\))")


def on_config(config: Any) -> Any:
    """Spell out ``cli/*`` and the like in the navigation, and ``*``: the pages left over."""
    series = {"cli": COMMANDS, "reference": LIBRARY, "notebooks": NOTEBOOKS}
    named = set(re.findall(r"[\w-]+\.md", json.dumps(config.nav)))
    rest = sorted({path.name for path in (ROOT / "docs").glob("*.md")} - named)

    def spelled(entry: Any) -> Iterator[Any]:
        if isinstance(entry, dict):
            ((title, part),) = entry.items()
            below = [page for each in part for page in spelled(each)]
            yield {title: part if isinstance(part, str) else below}
        elif entry == "*":
            yield from rest
        elif entry.endswith("/*"):
            folder = entry[:-2]
            yield from (f"{folder}/{name}.md" for name in series[folder])
        else:
            yield entry

    config.nav = [page for entry in config.nav for page in spelled(entry)]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not files of docs/."""
    generated: dict[str, str | bytes] = {}
    for source, page in PAGES.items():
        generated[page] = linked((ROOT / source).read_text("utf-8"), source, page)
    for source, target in STATIC.items():
        generated[target] = (ROOT / source).read_bytes()
    for name in COMMANDS:
        generated[f"cli/{name}.md"] = command_pages.page(name, name in LIBRARY)
    for name in LIBRARY:
        generated[f"reference/{name}.md"] = f"# {name}\n\n::: geoseg.{name}\n"
    for folder in FOLDERS:
        generated[f"{folder}/index.md"] = listing(folder)
    for name in NOTEBOOKS:
        generated |= notebook(name)
    generated["models.md"] = models()
    for uri, content in generated.items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of a file in docs/; the options of all commands have pages of their own."""
    uri = page.file.src_uri
    if uri in WIDE:
        page.meta["hide"] = ["toc"]
    if page.file.generated_by:
        return markdown
    if uri == "cli.md":
        head, _, _ = markdown.partition("\n## The commands\n")
        rows = "".join(f"| [{n}](cli/{n}.md) | {command_pages.summary(n)} |\n" for n in COMMANDS)
        markdown = f"{head}\n## The commands\n\n| command | |\n| --- | --- |\n{rows}"
    return linked(markdown, f"docs/{uri}", uri)


def linked(text: str, source: str, page: str) -> str:
    """``text`` of the file ``source``, with links as they are from ``page``."""

    def link(match: re.Match[str]) -> str:
        before, target, anchor, after = match.groups(default="")
        if not target or ":" in target:
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        uri, anchor = place(path, anchor)
        relative = posixpath.relpath(uri, posixpath.dirname(page) or ".")
        return f"{before}{relative}{anchor}{after}"

    return LINK.sub(link, text)


def place(path: str, anchor: str) -> tuple[str, str]:
    """Where a file of the repository is on the site."""
    uri = (PAGES | STATIC).get(path) or path.removeprefix("docs/")
    if path.startswith("geoseg/weights/"):
        return "models.md", anchor
    if uri in FOLDERS:
        return f"{uri}/index.md", anchor
    if uri == "cli.md" and anchor[1:] in COMMANDS:
        return f"cli/{anchor[1:]}.md", ""
    return uri.replace(".ipynb", ".md"), anchor


def listing(folder: str) -> str:
    """A page of the files of a folder."""
    names = sorted(path.name for path in (ROOT / "docs" / folder).iterdir())
    return f"# {folder}\n\n" + "".join(f"- [{name}]({name})\n" for name in names)


def models() -> str:
    """The cards of the models that come with geoseg, one after another."""
    cards = sorted((ROOT / "geoseg" / "weights").glob("*.md"), key=lambda p: p.stem != "default")
    texts = (
        linked(card.read_text("utf-8"), f"geoseg/weights/{card.name}", "models.md")
        for card in cards
    )
    return "# Models\n\n" + "\n\n".join(re.sub(r"^#", "##", text, flags=re.M) for text in texts)


def notebook(name: str) -> dict[str, str | bytes]:
    """The page of a notebook and its pictures, by their places on the site."""
    cells = json.loads((ROOT / "docs" / "notebooks" / f"{name}.ipynb").read_text("utf-8"))["cells"]
    made: dict[str, str | bytes] = {}
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            page = f"notebooks/{name}.md"
            parts.append(linked(source, f"docs/{page}", page))
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                picture = f"{name}-{len(made)}.png"
                made[f"notebooks/{picture}"] = base64.b64decode(data["image/png"])
                parts.append(f"![Output of the cell above]({picture})")
            else:
                text = "".join(output.get("text") or data.get("text/plain", ""))
                parts.append(f"```text\n{text.rstrip()}\n```")
    return made | {f"notebooks/{name}.md": "\n\n".join(parts) + "\n"}
