"""Flag > environment > configuration > default, and a configuration that can be read back."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.cli import main
from geoseg.cli.options import fractions
from geoseg.errors import UsageError
from geoseg.specs import ModelSpec
from geoseg.specs.scene import band_numbers
from geoseg.specs.toml import to_toml


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "geoseg.toml"
    path.write_text(
        "overlap = 10\nseed = 10\nepochs = 3\n\n[tile]\nseed = 20\nblock-size = "
        "20\nmax_nodata = 0.2\n"
    )
    return path


def shown(
    capsys: pytest.CaptureFixture[str], *args: str, command: str = "tile"
) -> dict[str, tuple[object, str]]:
    """Settings of `geoseg COMMAND ARGS --print-config`: value and source by name."""
    assert main.run([command, *args, "--print-config"]) == 0
    text = capsys.readouterr().out
    values = tomllib.loads(text)[command]
    sources = {
        line.split(" = ")[0]: line.split("  # ")[1] for line in text.splitlines() if " = " in line
    }
    return {name: (value, sources[name]) for name, value in values.items()}


def test_each_source_beats_the_next(config: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("GEOSEG_TILE_SIZE", "300")
    monkeypatch.setenv("GEOSEG_SIZE", "200")
    monkeypatch.setenv("GEOSEG_SEED", "30")
    monkeypatch.setenv("GEOSEG_BLOCK_SIZE", "30")
    settings = shown(capsys, "--config", str(config), "--block-size", "40")
    assert settings["block-size"] == (40, "command line")
    assert settings["seed"] == (30, "environment")
    assert settings["size"] == (300, "environment")
    assert settings["max-nodata"] == (0.2, "config")
    assert settings["overlap"] == (10, "config")
    assert settings["edge"] == ("shift", "default")


def test_a_table_beats_the_top(config: Path, capsys) -> None:
    assert shown(capsys, "--config", str(config))["seed"] == (20, "config")


def test_the_configuration_may_come_from_the_environment(config: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("GEOSEG_CONFIG", str(config))
    assert shown(capsys)["overlap"] == (10, "config")


def test_what_the_model_says_is_shown_as_its_own(tmp_path: Path, capsys) -> None:
    torch = pytest.importorskip("torch")
    from geoseg.models.modelfile import save

    save(
        tmp_path / "m.safetensors",
        ModelSpec("cnn", threshold=0.35, min_area=7.5),
        {"weight": torch.zeros(3, 2)},
    )
    model = ["-m", str(tmp_path / "m.safetensors")]
    settings = shown(capsys, *model, command="extract")
    assert settings["threshold"] == (0.35, "model file")
    assert settings["min-area"] == (7.5, "model file")
    assert shown(capsys, *model, "--threshold", "0.6", command="extract")["threshold"] == (
        0.6,
        "command line",
    )


def test_what_is_printed_can_be_read_back(tmp_path: Path, capsys) -> None:
    args = [
        "--size",
        "96",
        "--split",
        "0.5,0.25,0.25",
        "-b",
        "3,1-2",
        "--rescale",
        "percentile:2,98",
        "--labels",
        'a "b".gpkg',
    ]
    first = shown(capsys, *args)
    main.run(["tile", *args, "--print-config"])
    (tmp_path / "again.toml").write_text(capsys.readouterr().out)
    again = shown(capsys, "--config", str(tmp_path / "again.toml"))
    assert {name: value for name, (value, _) in again.items()} == {
        name: value for name, (value, _) in first.items()
    }
    assert again["bands"] == ([3, 1, 2], "config")


@pytest.mark.parametrize("text", ['["boundary:1", "contact"]', '"boundary:1, contact"'])
def test_an_option_that_repeats_takes_a_list_or_one_value(
    text: str, tmp_path: Path, capsys
) -> None:
    (tmp_path / "masks.toml").write_text(f"[rasterize]\nkind = {text}\n")
    args = [
        "rasterize",
        "f.gpkg",
        "--like",
        "a.tif",
        "-o",
        "m.tif",
        "--config",
        str(tmp_path / "masks.toml"),
        "--print-config",
    ]
    assert main.run(args) == 0
    assert 'kind = ["boundary:1", "contact"]  # config' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sise = 3", "unknown setting 'sise' (did you mean 'size'?)"),
        ("[tile]\nmax_nodat = 3", "unknown setting 'max_nodat' (did you mean 'max-nodata'?)"),
        ("[tile]\nepochs = 3", "unknown setting 'epochs'"),
        ("[tiles]\nsize = 3", "unknown setting 'tiles' (did you mean 'tile'?)"),
        ("tile = 3", "unknown setting 'tile'"),
        ("size = [", "is not TOML"),
        ('size = "big"', "'big' is not a valid integer"),
    ],
)
def test_slips_in_a_configuration_are_errors(
    text: str, message: str, tmp_path: Path, capsys
) -> None:
    path = tmp_path / "slip.toml"
    path.write_text(text)
    assert main.run(["tile", "a.tif", "-o", "b", "--config", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_configuration_is_a_missing_input(capsys) -> None:
    assert main.run(["tile", "a.tif", "-o", "b", "--config", "missing.toml"]) == 3


def test_lists_as_typed() -> None:
    assert band_numbers("3,1-2") == (3, 1, 2)
    assert fractions("0.5, .25,0.25") == (0.5, 0.25, 0.25)
    for bad in ("", "0", "3-1", "1;2", "-1"):
        with pytest.raises(UsageError, match="band numbers"):
            band_numbers(bad)


PLAIN = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()


@given(st.dictionaries(st.text(min_size=1), PLAIN | st.lists(PLAIN, max_size=3), max_size=4))
def test_any_value_is_one_line_of_toml_that_reads_back(values: dict[str, object]) -> None:
    """Control characters, quotes, line separators and infinity included."""
    for value in values.values():
        line = to_toml(value)
        assert "\n" not in line
        assert tomllib.loads(f"value = {line}  # source")["value"] == value


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("raw = 3", "--raw"),
        ("overwrite = 7", "--overwrite"),
        ("threads = true", "--threads"),
        ("nodata = true", "--nodata"),
    ],
)
def test_numbers_for_flags_and_flags_for_numbers(
    line: str, option: str, tmp_path: Path, capsys
) -> None:
    (tmp_path / "c.toml").write_text(line)
    config = ["--config", str(tmp_path / "c.toml"), "--print-config"]
    assert main.run(["extract", *config]) == 2
    assert f"Invalid value for '{option}'" in capsys.readouterr().err


def test_flags_as_0_and_1(tmp_path: Path, capsys) -> None:
    (tmp_path / "c.toml").write_text("raw = 1\noverwrite = 0\n")
    settings = shown(capsys, "--config", str(tmp_path / "c.toml"), command="extract")
    assert settings["raw"] == (True, "config") and settings["overwrite"] == (False, "config")
