"""A study from parameters to folder: nothing computed twice, nothing mixed, nothing lost."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from thermohw.errors import InputError
from thermohw.store.results import read_results
from thermohw.study import run_study
from thermohw.study.cellfile import Finished, cell_hash, plain_values, read_cell, write_cell

TOY = Path(__file__).with_name("toy_averages.py")


@pytest.fixture
def diary(tmp_path, monkeypatch):
    """What `compute` was called for: a list of "n repeat" that grows."""
    path = tmp_path / "diary"
    monkeypatch.setenv("TOY_DIARY", str(path))

    def read():
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.rsplit(" ", 1)[0] for line in lines]

    return read


def toy(out, settings=(), *, source=TOY, workers=1, quick=True):
    return run_study(source, settings, quick=quick, out=out, workers=workers, progress=False)


def answer(out):
    """results.json without provenance."""
    table = json.loads((out / "results.json").read_text(encoding="utf-8"))
    origin = table.pop("provenance")
    return table, origin


def test_one_and_two_workers_write_the_same(tmp_path, diary):
    one = toy(tmp_path / "one", quick=False)
    two = toy(tmp_path / "two", quick=False, workers=2)
    assert one.computed == two.computed == 8 and sorted(diary()[:8]) == sorted(diary()[8:])
    assert answer(tmp_path / "one")[0] == answer(tmp_path / "two")[0]
    rows = [read_results(tmp_path / name / "results.h5").rows for name in ("one", "two")]
    for left, right in zip(*rows, strict=True):
        assert left.keys() == right.keys()
        for name in left:
            np.testing.assert_array_equal(left[name], right[name], strict=True)


def test_the_answer_has_the_promised_form(tmp_path):
    run = toy(tmp_path / "a", ["label=x"])
    table, origin = answer(tmp_path / "a")
    assert table["format"] == "thermohw-study/1" and table["study"] == "toy_averages"
    assert table["parameters"] == run.parameters and table["parameters"]["label"] == "x"
    assert table["quick"] is True and table["cells"] == 4
    assert table["numbers"]["rms.4"].keys() == {"value", "stderr", "unit", "published", "note"}
    assert table["numbers"]["unknown"]["value"] is None and table["numbers"]["rms.4"]["unit"] == "V"
    assert table["checks"] == [{"name": "falls_with_n", "status": "holds"} | table["checks"][0]]
    assert {"thermohw", "torch", "platform", "created", "command", "seconds"} <= origin.keys()
    names = {f"{name}.{ending}" for name in ("rms", "pair") for ending in ("png", "svg")}
    assert {file.name for file in (tmp_path / "a" / "figures").iterdir()} == names
    # 380 x 250 CSS pixels at 180 dots for every 100 of them
    header = (tmp_path / "a" / "figures" / "rms.png").read_bytes()[16:24]
    assert [int.from_bytes(header[i : i + 4]) for i in (0, 4)] == [684, 450]


def test_a_finished_study_is_only_concluded_again(tmp_path, diary):
    toy(tmp_path / "a")
    before, first = answer(tmp_path / "a")[0], diary()
    figures = {f: f.read_bytes() for f in (tmp_path / "a" / "figures").iterdir()}
    (tmp_path / "a" / "figures" / "old.svg").touch()
    assert toy(tmp_path / "a").computed == 0 and diary() == first
    assert answer(tmp_path / "a")[0] == before
    assert {f: f.read_bytes() for f in (tmp_path / "a" / "figures").iterdir()} == figures


@pytest.mark.parametrize("damage", ["torn", "flipped", "other"])
def test_a_damaged_cell_is_computed_again(tmp_path, diary, damage, capfd):
    toy(tmp_path / "a")
    before = answer(tmp_path / "a")[0]
    one, other = sorted((tmp_path / "a" / "cells").glob("*.npz"))[:2]
    data = bytearray(one.read_bytes())
    if damage == "torn":
        del data[len(data) // 2 :]
    elif damage == "flipped":
        data[data.index(b"spectrum") + 200] ^= 1
    else:
        data = other.read_bytes()
    one.write_bytes(bytes(data))
    first = diary()
    assert toy(tmp_path / "a").computed == 1
    assert len(diary()) == len(first) + 1 and answer(tmp_path / "a")[0] == before
    assert f"cells/{one.name} is damaged: computed again" in capfd.readouterr().err


def test_other_parameters_are_refused_with_what_differs(tmp_path, diary):
    toy(tmp_path / "a")
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "a").rglob("*") if f.is_file()}
    with pytest.raises(InputError, match=r"sizes was \[4, 1024\], is \[4\]"):
        toy(tmp_path / "a", ["sizes=4"])
    with pytest.raises(InputError, match="seed was 0, is 1"):
        toy(tmp_path / "a", ["seed=1"])
    with pytest.raises(InputError, match="repeats was 2, is 4"):
        toy(tmp_path / "a", quick=False)
    after = {f: f.stat().st_mtime_ns for f in (tmp_path / "a").rglob("*") if f.is_file()}
    assert {f: t for f, t in after.items() if f.name != ".lock"} == {
        f: t for f, t in before.items() if f.name != ".lock"
    }


def test_another_study_and_foreign_files_are_refused(tmp_path):
    toy(tmp_path / "a")
    other = tmp_path / "other.py"
    shutil.copy(TOY, other)
    with pytest.raises(InputError, match="holds the study 'toy_averages', not 'other'"):
        toy(tmp_path / "a", source=other)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(InputError, match="is no study's folder"):
        toy(tmp_path / "mine")
    assert [f.name for f in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    manifest = tmp_path / "a" / "study.json"
    whole = json.loads(manifest.read_text())
    odd = [{"shipped": "toy"}, {"study": 1}, {"cells": [1]}, {"cells": {}}, {"parameters": []}]
    for text in ["{", "[]", *(json.dumps(whole | change) for change in odd)]:
        manifest.write_text(text)
        with pytest.raises(InputError, match=r"study.json: is damaged"):
            toy(tmp_path / "a")
    with pytest.raises(InputError, match="cannot be written to"):
        toy(tmp_path / "other.py" / "a")


def test_a_file_of_ones_own_does_not_take_a_shipped_study_s_folder(tmp_path):
    """Equal names, another study: its cells must not be thrown away as those of changed code."""
    own = tmp_path / "bound_closed_forms.py"
    shutil.copy(TOY, own)
    toy(tmp_path / "a", source=own)
    cells = sorted((tmp_path / "a" / "cells").iterdir())
    with pytest.raises(InputError, match="a study of your own of this name, not the shipped study"):
        run_study("bound_closed_forms", quick=True, out=tmp_path / "a", progress=False)
    assert sorted((tmp_path / "a" / "cells").iterdir()) == cells


def test_a_cell_that_exits_does_not_take_the_study_along(tmp_path):
    source = tmp_path / "leaver.py"
    text = TOY.read_text().replace(
        "def compute(cell, tools):", "def compute(cell, tools):\n    raise SystemExit(0)"
    )
    assert text != TOY.read_text()
    source.write_text(text)
    with pytest.raises(InputError, match="SystemExit"):
        toy(tmp_path / "a", source=source)


def test_what_only_the_conclusion_sees_may_change(tmp_path, diary):
    assert toy(tmp_path / "a").holds
    first = diary()
    assert not toy(tmp_path / "a", ["factor=0.001"]).holds and diary() == first


def test_changed_code_computes_anew_and_says_so(tmp_path, diary, capfd):
    source = tmp_path / "mine.py"
    helper = tmp_path / "_mine.py"
    text = TOY.read_text().replace("import numpy as np", "import numpy as np\nimport _mine", 1)
    source.write_text(text)
    helper.write_text("SCALE = 1.0\n")
    toy(tmp_path / "a", source=source)
    helper.write_text("SCALE = 2.0\n")  # a module beside it that it imports
    toy(tmp_path / "a", source=source)
    assert len(diary()) == 8 and "study changed, 4 cells recomputed" in capfd.readouterr().err
    source.write_text(text + "\n# a word\n")
    toy(tmp_path / "a", source=source)
    assert len(diary()) == 12 and len(list((tmp_path / "a" / "cells").glob("*.npz"))) == 4
    (tmp_path / "_unrelated.py").touch()
    toy(tmp_path / "a", source=source)
    assert len(diary()) == 12


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_cell_keeps_the_others(tmp_path, diary, monkeypatch, workers):
    monkeypatch.setenv("TOY_FAIL", "4")
    with pytest.raises(InputError) as caught:
        toy(tmp_path / "a", workers=workers)
    message = str(caught.value)
    assert "cell n=4 repeat=" in message and "ZeroDivisionError: a bad day" in message
    assert "2 of 4 cells are kept" in message and "1 more failed" in message
    logs = list((tmp_path / "a" / "cells").glob("*.log"))
    assert len(logs) == 2 and str(logs[0].parent) in message
    assert all("Traceback" in log.read_text() for log in logs)
    assert not (tmp_path / "a" / "results.json").exists()
    monkeypatch.delenv("TOY_FAIL")
    assert toy(tmp_path / "a").computed == 2 and len(diary()) == 6
    assert not list((tmp_path / "a" / "cells").glob("*.log"))


def test_a_worker_that_dies_costs_its_cell_only(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_DIE", "4")
    with pytest.raises(
        InputError, match=r"ended by SIGKILL; out of memory\?.*2 of 4 cells are kept"
    ):
        toy(tmp_path / "a", workers=2)
    assert len(list((tmp_path / "a" / "cells").glob("*.npz"))) == 2


def test_a_conclusion_that_fails_keeps_the_cells(tmp_path, diary, monkeypatch):
    monkeypatch.setenv("TOY_CONCLUDE", "fail")
    with pytest.raises(InputError, match="conclude failed: RuntimeError: no conclusion"):
        toy(tmp_path / "a")
    assert "Traceback" in (tmp_path / "a" / "conclude.log").read_text()
    monkeypatch.delenv("TOY_CONCLUDE")
    assert toy(tmp_path / "a").computed == 0 and len(diary()) == 4
    assert not (tmp_path / "a" / "conclude.log").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_here\n", r"ModuleNotFoundError.*\(line 1\)"),
        ("x = 1\n\n1 / 0\n", r"ZeroDivisionError.*\(line 3\)"),
        ("def (:\n", "SyntaxError"),
        ("STUDY = 3\n", "defines no STUDY"),
    ],
)
def test_files_that_are_no_studies(tmp_path, text, words):
    (tmp_path / "broken.py").write_text(text)
    with pytest.raises(InputError, match=words):
        toy(tmp_path / "a", source=tmp_path / "broken.py")
    assert not (tmp_path / "a").exists()


def test_a_cell_file_gives_back_what_it_was_given(tmp_path):
    values = {"a": 0.1, "n": None, "b": True, "t": "é", "x": np.arange(6.0).reshape(2, 3)}
    values |= {"file": np.array(["p", "qr"]), "nan": float("nan"), "i": 3, "e": np.zeros((0, 2))}
    given = Finished({"k": [1]}, values, 1.5, 0.5, "code")
    write_cell(tmp_path / "c.npz", given)
    found = read_cell(tmp_path / "c.npz")
    assert found is not None and (found.cell, found.wall, found.cpu) == ({"k": [1]}, 1.5, 0.5)
    assert list(found.values) == list(values)
    for name, value in values.items():
        np.testing.assert_array_equal(found.values[name], value, strict=True)
    assert type(found.values["i"]) is int and type(found.values["b"]) is bool


def test_what_a_cell_may_return():
    import torch

    given = {"t": torch.ones(2), "s": torch.tensor(1.5), "l": [1, 2], "n": np.int64(3)}
    plain = plain_values(given, {})
    assert plain["s"] == 1.5 and type(plain["n"]) is int and plain["l"].tolist() == [1, 2]
    for bad, words in (({"k": 1}, "one of the cell's keys"), ({"a/b": 1}, "'a/b'"), ([1], "list")):
        with pytest.raises(InputError, match=words):
            plain_values(bad, {"k": 2})
    for thing in ({}, object(), [np.ones(2), "a", {}]):
        with pytest.raises((InputError, ValueError)):
            plain_values({"x": thing}, {})


def test_a_cells_name_is_its_content():
    names = {cell_hash({"a": 1, "b": 2}, {"s": 1}), cell_hash({"b": 2, "a": 1}, {"s": 1})}
    assert len(names) == 1
    assert len(names | {cell_hash({"a": 1, "b": 2}, {"s": 2}), cell_hash({"a": 1}, {"s": 1})}) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"wall": "1"}, {"cpu": None}, {"cpu": 10**400}, {"code": 3}, {"cell": []}, {"values": []},
        {"names": 3}, {"names": ["x", "none"]}, {"names": [["x"]]}, {"values": {"x": {"a": 1}}},
        {"names": ["x/y"], "values": {"x/y": 1}}, {"cell": {"x": 1}}, {"format": "other"},
    ],
)  # fmt: skip
def test_a_cell_of_another_form_counts_as_not_computed(tmp_path, change):
    path = tmp_path / "c.npz"
    write_cell(path, Finished({"n": 1}, {"x": 2.0}, 0.5, 0.25, "code"))
    assert read_cell(path) is not None
    with np.load(path) as stored:
        meta = json.loads(stored["meta"].tobytes()) | change
    np.savez(path, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8))
    assert read_cell(path) is None
