"""A page of HTML that stands on its own: style inside, pictures as data URIs, no script, nothing
fetched.

The functions give pieces of HTML with all text escaped; pieces go into a :func:`section`, sections
into :func:`write_page`::

    write_page("run.html", "Training of unet", [
        section("Result", facts({"f1": 0.812}), table([{"class": "building", "iou": 0.7}])),
        section("Curves", figure(plot, "Loss by epoch", "two falling curves")),
    ])
"""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg import __version__
from geoseg.core.text import format_value
from geoseg.io.atomic import save_text

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light dark; --text: #1c2024; --soft: #60646c; --line: #d9dbe0; --ground: #fff; --card: #f6f7f9;
  --accent: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e8eb; --soft: #a0a6b0; --line: #363a41; --ground: #16181c; --card: #1f2227; --accent: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 68rem; background: var(--ground); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.25; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { margin: 0 0 1rem; padding-top: 1.5rem; border-top: 1px solid var(--line); font-size: 1.2rem; }
section { margin-top: 2.5rem; }
.subtitle, footer { color: var(--soft); overflow-wrap: anywhere; }
footer { margin-top: 3.5rem; font-size: .85rem; }
p { max-width: 46rem; }
.facts { display: flex; flex-wrap: wrap; gap: .75rem; margin: 0 0 1.25rem; }
.facts div { padding: .6rem .9rem; min-width: 7rem; background: var(--card); border-radius: .5rem; }
.facts dt { color: var(--soft); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.3rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: 0 0 1.25rem; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { padding-bottom: .5rem; color: var(--soft); text-align: left; }
th, td { padding: .35rem 1.1rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
.number { text-align: right; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1.25rem;
  align-items: start; margin-bottom: 1.25rem; }
figure { margin: 0 0 1.25rem; }
.figures figure { margin: 0; }
figure img { display: block; max-width: 100%; height: auto; border-radius: .5rem; }
figure img.drawing { padding: .5rem; background: #fff; border: 1px solid var(--line); }
figcaption { margin-top: .5rem; color: var(--soft); font-size: .9rem; overflow-wrap: anywhere; }
ul { margin: 0 0 1.25rem; padding-left: 1.25rem; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.25rem; padding: 0; list-style: none; font-size: .92rem; }
.legend span { display: inline-block; width: .8em; height: .8em; margin-right: .45em; border: 1px solid var(--line); }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } figure, tr { break-inside: avoid; } }
"""
# No browser may fetch or run anything on behalf of the page, for any name in it
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# How words of keys are written for people
WORDS = {"f1": "F1", "iou": "IoU", "ap": "AP", "m2": "m²"}
_KINDS = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"<": "image/svg+xml"}


def write_page(
    path: Path | str,
    title: str,
    sections: Iterable[str],
    *,
    subtitle: str = "",
    overwrite: bool = False,
) -> None:
    """Write the page; ``sections`` are pieces of HTML. Raises OutputError."""
    html = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<header>\n<h1>{escape(title)}</h1>\n<p class="subtitle">{escape(subtitle)}</p>\n</header>\n<main>\n'
        + "\n".join(sections)
        + f"\n</main>\n<footer>geoseg {escape(__version__)}</footer>\n</body>\n</html>\n"
    )
    save_text(path, html, overwrite)


def section(title: str, *pieces: str) -> str:
    """Pieces of HTML under a heading."""
    return f"<section>\n<h2>{escape(title)}</h2>\n" + "\n".join(pieces) + "\n</section>"


def text(content: str) -> str:
    """A paragraph."""
    return f"<p>{escape(content)}</p>"


def items(lines: Iterable[str]) -> str:
    """A list of lines."""
    return "<ul>\n" + "\n".join(f"<li>{escape(line)}</li>" for line in lines) + "\n</ul>"


def legend(keys: Mapping[str, str]) -> str:
    """What the colours of pictures mean: names with their colours, ``#0072b2``."""
    rows = [
        f'<li><span style="background:{escape(colour)}"></span>{escape(name)}</li>'
        for name, colour in keys.items()
    ]
    return '<ul class="legend">\n' + "\n".join(rows) + "\n</ul>"


def facts(values: Mapping[str, Any]) -> str:
    """The few values that matter most, each in large type under its name; those that are None are
    left out.
    """
    there = {name: value for name, value in values.items() if value is not None}
    texts = zip(there, _aligned(list(there.values())), strict=True)
    rows = [f"<div><dt>{_name(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in texts]
    return '<dl class="facts">\n' + "\n".join(rows) + "\n</dl>"


def table(rows: Sequence[Mapping[str, Any]], caption: str = "") -> str:
    """Rows under the names of their columns, numbers to the right with their points in line; what a
    row lacks stays blank.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    numeric = {
        name: any(isinstance(row.get(name), int | float) for row in rows) for name in columns
    }
    shape = {name: ' class="number"' if numeric[name] else "" for name in columns}
    head = "".join(f'<th scope="col"{shape[name]}>{_name(name)}</th>' for name in columns)
    cells = {name: _aligned([row.get(name) for row in rows]) for name in columns}
    body = "\n".join(
        "<tr>"
        + "".join(f"<td{shape[name]}>{escape(cells[name][i])}</td>" for name in columns)
        + "</tr>"
        for i in range(len(rows))
    )
    told = f"<caption>{escape(caption)}</caption>\n" if caption else ""
    return f'<div class="wide">\n<table>\n{told}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>'


def figure(picture: bytes | Figure, caption: str, alt: str) -> str:
    """A picture with its caption: the bytes of a PNG, JPEG or SVG, or a matplotlib figure, which
    becomes an SVG.

    ``alt`` says what there is to see, for those who cannot.
    """
    data = picture if isinstance(picture, bytes) else _svg(picture)
    kind = next(kind for magic, kind in _KINDS.items() if data.startswith(magic))
    look = ' class="drawing"' if kind == "image/svg+xml" else ""
    source = f"data:{kind};base64,{b64encode(data).decode()}"
    return f'<figure>\n<img{look} src="{source}" alt="{escape(alt)}">\n<figcaption>{escape(caption)}</figcaption>\n</figure>'


def png(picture: np.ndarray) -> bytes:
    """A picture uint8 (row, col, 3) as the bytes of a PNG."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, picture, format="png")
    return buffer.getvalue()


def jpeg(picture: Figure) -> bytes:
    """A figure that is mostly imagery as the bytes of a JPEG, of its own size."""
    buffer = io.BytesIO()
    picture.savefig(buffer, format="jpeg", dpi=picture.dpi, pil_kwargs={"quality": 85})
    return buffer.getvalue()


def figures(*pictures: str) -> str:
    """Several of :func:`figure` beside one another, as many as the window has room for."""
    return '<div class="figures">\n' + "\n".join(pictures) + "\n</div>"


def _svg(picture: Figure) -> bytes:
    from matplotlib import rc_context

    buffer = io.BytesIO()
    # the same figure gives the same bytes; letters as outlines need no font on the reader's machine
    with rc_context({"svg.hashsalt": "geoseg", "svg.fonttype": "path"}):
        picture.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _aligned(values: Sequence[Any]) -> list[str]:
    """As :func:`format_value`, but with as many digits behind the point in all of a column's
    fractions.
    """
    texts = [format_value(value) for value in values]
    digits = max(
        (
            len(t.partition(".")[2])
            for t, v in zip(texts, values, strict=True)
            if isinstance(v, float)
        ),
        default=0,
    )
    small = any(
        "e" in text for text, value in zip(texts, values, strict=True) if isinstance(value, float)
    )
    return [
        f"{v:,.{digits}f}" if isinstance(v, float) and not small else t
        for t, v in zip(texts, values, strict=True)
    ]


def _name(name: str) -> str:
    return escape(
        " ".join(WORDS.get(word, word) for word in str(name).replace("_", " ").split(" "))
    )
