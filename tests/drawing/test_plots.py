import pytest

from geoseg.drawing.plots import bars, curves


def test_curves_hold_what_they_were_given():
    figure = curves(
        {"precision": ([0.1, 0.9], [0.5, 1.0]), "recall": ([0.1, 0.9], [1.0, 0.2])},
        x="threshold",
        y="",
        mark=("used", 0.4),
    )
    (axes,) = figure.axes
    first, second, mark = axes.lines
    assert first.get_ydata().tolist() == [0.5, 1.0] and second.get_xdata().tolist() == [0.1, 0.9]
    assert mark.get_xdata() == [0.4, 0.4]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["precision", "recall"]
    assert axes.get_xlabel() == "threshold"


def test_bars_of_one_name_stand_on_one_another():
    (axes,) = bars(
        ["small", "large"], {"found": [3, 5], "missed": [2, 1]}, x="size", y="footprints"
    ).axes
    assert [(bar.get_y(), bar.get_height()) for bar in axes.patches] == [
        (0, 3),
        (0, 5),
        (3, 2),
        (5, 1),
    ]


@pytest.mark.parametrize("points", [[], [0.5]])
def test_few_points_draw_too(points):
    figure = curves({"f1": (points, points)}, x="epoch", y="f1", limits=(0, 1))
    figure.canvas.draw()
    (axes,) = figure.axes
    assert list(axes.lines[0].get_xdata()) == points and axes.get_ylim() == (0, 1)
