"""No square rasters in tests: an x/y swap must fail. A square that has to be says
``# square: why`` at the end of its line or on the line above.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
FILES = sorted(path for path in TESTS.rglob("*.py") if path.name != "test_fixtures.py")
# Calls whose first argument is a shape, and those whose arguments are one
SHAPED = {"zeros", "ones", "full", "empty", "random", "Grid"}
SMALL = 4  # kernels and hand-drawn masks up to this size are read off, not indexed


def number(node: ast.expr | None) -> int | None:
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int else None


def squares(text: str) -> list[str]:
    """Lines of ``text`` that make a raster as high as it is wide."""
    lines = text.splitlines()
    found = {
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and _square(node)
    }
    return [
        f"line {n}: {lines[n - 1].strip()}"
        for n in sorted(found)
        if "# square:" not in lines[n - 1] and "# square:" not in lines[max(0, n - 2)]
    ]


def _square(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    shapes = [keywords[key] for key in ("shape", "size") if key in keywords]
    if name in SHAPED:
        shapes += call.args[:1]
    if name in ("integers", "uniform", "normal", "choice"):
        shapes += call.args
    if name == "reshape":
        shapes += [ast.Tuple(list(call.args)), *call.args]
    pairs = [
        [number(e) for e in shape.elts[-2:]]
        for shape in shapes
        if isinstance(shape, ast.Tuple | ast.List)
    ]
    pairs.append([number(keywords.get("height")), number(keywords.get("width"))])
    if name == "Grid" and len(call.args) == 4:
        pairs.append([number(a) for a in call.args[2:]])
    return any(len(p) == 2 and p[0] is not None and p[0] == p[1] and p[0] > SMALL for p in pairs)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_no_test_makes_a_square_raster(path: Path) -> None:
    assert squares(path.read_text()) == []


@pytest.mark.parametrize(
    "planted",
    [
        "np.zeros((64, 64))",
        "np.zeros((3, 64, 64), 'uint8')",
        "np.full([32, 32], 7)",
        "rng.integers(0, 255, (3, 20, 20))",
        "rng.random(size=(9, 9))",
        "rasterio.open(path, 'w', height=64, width=64)",
        "np.arange(400).reshape(20, 20)",
        "np.arange(400).reshape((1, 20, 20))",
        "Grid(None, transform, 50, 50)",
        "torch.zeros((2, 3, 64, 64))",
    ],
)
def test_a_planted_square_is_seen(planted: str) -> None:
    assert squares(f"x = 1\ny = {planted}\n") == [f"line 2: y = {planted}"]


@pytest.mark.parametrize(
    "fine",
    [
        "np.zeros((64, 65))",
        "np.ones((3, 3))",
        "np.zeros((64, 64))  # square: the published tile size",
        "rng.integers(64, 64)",
        "Grid(None, transform, 50, 51)",
        "reshape(20, -1)",
    ],
)
def test_what_is_no_square_passes(fine: str) -> None:
    assert squares(fine) == []
