"""A self-contained page of HTML: style inside, images as data URIs, no script, nothing fetched.

The markup is in ``templates/``, where jinja2 escapes every value. The functions fill one piece of
it each; pieces go into a :func:`section`, sections into :func:`write_page`::

    write_page("run.html", "Training of unet", [
        section("Result", facts({"f1": 0.812}), table([{"class": "building", "iou": 0.7}])),
        section("Curves", figure(plot, "Loss by epoch", "two falling curves")),
    ])
"""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from geoseg import __version__
from geoseg.core.text import format_value
from geoseg.io.atomic import save_text
from geoseg.io.provenance import command_now, moment

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

# How words of keys are written for people
WORDS = {"f1": "F1", "iou": "IoU", "ap": "AP", "m2": "m²"}
_KINDS = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"<": "image/svg+xml"}
_TEMPLATES = Environment(
    loader=PackageLoader("geoseg.drawing"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals["zip"] = zip
# Its macros return strings that are marked as escaped; any other string is escaped where it is used
_PIECES: Any = _TEMPLATES.get_template("pieces.html").module


def write_page(
    path: Path | str,
    title: str,
    sections: Iterable[str],
    *,
    subtitle: str = "",
    overwrite: bool = False,
) -> None:
    """Write the page; ``sections`` are those of :func:`section`. Its footer has the version, the
    date and the command that is running. Raises OutputError.
    """
    html = _TEMPLATES.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        version=__version__,
        date=moment().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        command=command_now(),
    )
    save_text(path, html, overwrite)


def section(title: str, *pieces: str) -> str:
    """Pieces under a heading."""
    return _markup(_PIECES.section(title, pieces))


def text(content: str) -> str:
    """A paragraph."""
    return _markup(_PIECES.text(content))


def code(content: str) -> str:
    """A command line or the like, as it is typed."""
    return _markup(_PIECES.code(content))


def items(lines: Iterable[str]) -> str:
    """A list of lines."""
    return _markup(_PIECES.items(lines))


def legend(keys: Mapping[str, str]) -> str:
    """What the colours of images mean: names with their colours, ``#0072b2``."""
    return _markup(_PIECES.legend(keys))


def facts(values: Mapping[str, Any]) -> str:
    """The few values that matter most, each in large type under its name; those that are None are
    left out.
    """
    known = {name: value for name, value in values.items() if value is not None}
    names = [_label(name) for name in known]
    return _markup(_PIECES.facts(zip(names, _aligned(list(known.values())), strict=True)))


def table(rows: Sequence[Mapping[str, Any]], caption: str = "") -> str:
    """Rows under the names of their columns, numbers to the right with their points in line; what a
    row lacks stays blank.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    values = {name: [row.get(name) for row in rows] for name in names}
    columns = [
        {
            "name": _label(name),
            "numeric": any(isinstance(value, int | float) for value in values[name]),
        }
        for name in names
    ]
    cells = zip(*(_aligned(values[name]) for name in names), strict=True)
    return _markup(_PIECES.table(caption, columns, cells))


def figure(image: bytes | Figure, caption: str, alt: str) -> str:
    """An image with its caption: the bytes of a PNG, JPEG or SVG, or a matplotlib figure, which
    becomes an SVG.

    ``alt`` describes it for those who cannot see it.
    """
    data = image if isinstance(image, bytes) else _svg(image)
    kind = next(kind for magic, kind in _KINDS.items() if data.startswith(magic))
    source = f"data:{kind};base64,{b64encode(data).decode()}"
    return _markup(_PIECES.figure(source, kind == "image/svg+xml", caption, alt))


def png(image: np.ndarray) -> bytes:
    """An image uint8 (row, col, 3) as the bytes of a PNG."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, image, format="png")
    return buffer.getvalue()


def jpeg(drawn: Figure) -> bytes:
    """A figure that is mostly imagery as the bytes of a JPEG, of its own size."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="jpeg", dpi=drawn.dpi, pil_kwargs={"quality": 85})
    return buffer.getvalue()


def figures(*pieces: str) -> str:
    """Several of :func:`figure` beside one another, as many as the window has room for."""
    return _markup(_PIECES.figures(pieces))


def _markup(piece: str) -> str:
    """The piece without the line break at its end, still marked as escaped."""
    return piece.strip()


def _svg(drawn: Figure) -> bytes:
    from matplotlib import rc_context

    buffer = io.BytesIO()
    # the same figure gives the same bytes; letters as outlines need no font on the reader's machine
    with rc_context({"svg.hashsalt": "geoseg", "svg.fonttype": "path"}):
        drawn.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _aligned(values: Sequence[Any]) -> list[str]:
    """As :func:`format_value`, but all fractions of a column with as many digits behind the
    point.
    """
    texts = [format_value(value) for value in values]
    fractions = [
        text for text, value in zip(texts, values, strict=True) if isinstance(value, float)
    ]
    if any("e" in text for text in fractions):
        return texts
    digits = max((len(text.partition(".")[2]) for text in fractions), default=0)
    return [
        f"{value:,.{digits}f}" if isinstance(value, float) else text
        for text, value in zip(texts, values, strict=True)
    ]


def _label(key: str) -> str:
    return " ".join(WORDS.get(word, word) for word in str(key).replace("_", " ").split(" "))
