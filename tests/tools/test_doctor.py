import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from geoseg.tools import doctor


def test_what_is_there() -> None:
    report = doctor.run()
    assert report.packages["numpy"] == np.__version__
    assert report.libraries.keys() == {"GDAL (rasters)", "GDAL (vectors)", "PROJ", "GEOS"}
    assert "cpu" in report.runtimes["openvino"]
    assert not [line for line in report.missing if "for geoseg" in line or "driver" in line]


def test_what_is_absent_or_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brokenpackage.py").write_text(
        "raise ImportError('libmissing.so: not found\\nsecond line')"
    )
    (tmp_path / "needypackage.py").write_text("import absentpackage")
    monkeypatch.syspath_prepend(tmp_path)
    required = {"absentpackage": "train", "brokenpackage": "", "needypackage": "export"}
    lines = [f'{name}>=1; extra == "{extra}"' for name, extra in required.items() if extra]
    monkeypatch.setattr(metadata, "requires", lambda _: ["brokenpackage>=1", *lines])
    report = doctor.run()
    assert report.packages == {
        "absentpackage": None,
        "brokenpackage": None,
        "needypackage": None,
    }
    assert report.missing == (
        "brokenpackage, for geoseg: broken: libmissing.so: not found (pip install geoseg)",
        "absentpackage, for training: not installed (pip install 'geoseg[train]')",
        "needypackage, for export: needs absentpackage (pip install 'geoseg[export]')",
    )
    assert report.runtimes == {"openvino": [], "onnx": [], "torch": []}


def test_openvino_may_be_absent_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    report = doctor.run()
    assert report.packages["openvino"] is None and report.runtimes["openvino"] == []
    assert any(line.startswith("openvino, for geoseg: not installed") for line in report.missing)


def test_progress_counts_every_package() -> None:
    seen: list[int] = []
    totals: list[int] = []

    def progress(stage: str, total: int):
        totals.append(total)
        return seen.append

    doctor.run(progress=progress)
    assert totals == [sum(seen)] == [len(doctor.packages_used())]
