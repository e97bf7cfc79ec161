from geoseg.cli import bar
from geoseg.report import Stage


def test_a_line_has_share_rate_and_remaining_time() -> None:
    assert (
        bar.line("cut", 25, 100, 50.0) == "cut [######------------------]  25%  0.5/s  0:02:30 left"
    )
    assert bar.line("cut", 0, 100, 0.0) == "cut [------------------------]   0%  0/s  ? left"
    assert bar.line("epoch 2/9", 1250, 2500, 5.0, "batches") == (
        "epoch 2/9 [############------------]  50%  1,250/2,500 batches  250/s  0:00:05 left"
    )
    assert bar.clock(3 * 3600 + 25 * 60 + 7.4) == "3:25:07"


def test_a_short_stage_shows_nothing(capsys) -> None:
    advance = bar.Bar("cut", 5)
    for _ in range(5):
        advance(1)
    assert capsys.readouterr().err == ""


def test_a_long_stage_shows_and_wipes_its_bar(capsys, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(bar.time, "monotonic", lambda: now[0])
    advance = bar.Bar(Stage("cut", "tiles"), 10)
    now[0] += 2.5
    advance(5)
    assert (
        capsys.readouterr().err
        == "\r\x1b[Kcut [############------------]  50%  5/10 tiles  2/s  0:00:02 left"
    )
    now[0] += 0.05
    advance(1)
    assert capsys.readouterr().err == ""
    advance(4)
    assert capsys.readouterr().err == "\r\x1b[K"
