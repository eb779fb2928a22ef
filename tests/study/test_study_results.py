"""Rows, sheets and the results file."""

import math
from typing import Any

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure

from thermohw.errors import InputError, StoreError
from thermohw.estimate import Estimate
from thermohw.store.results import StudyResults, read_results, write_results
from thermohw.study import Results, Sheet

ROWS = [
    {"n": 2, "kind": "a", "x": 1.5, "v": np.arange(3.0), "sides": [1, 2]},
    {"n": 1, "kind": "b", "x": 2.5, "v": np.arange(3.0) + 1, "sides": [3], "only": 4},
    {"n": 2, "kind": "b", "x": None, "v": np.arange(3.0) + 2, "sides": []},
]


def test_rows_are_selected_sorted_and_listed():
    rows = Results(ROWS)
    assert len(rows) == 3 and [row["n"] for row in rows] == [2, 1, 2]
    assert [row["x"] for row in rows.where(n=2)] == [1.5, None]
    assert rows.where(n=2, kind="b")[0]["x"] is None and len(rows.where(n=3)) == 0
    assert rows.where(sides=(1, 2))[0]["n"] == 2 and rows.where(v=np.arange(3.0))[0]["x"] == 1.5
    assert rows.distinct("n") == [2, 1] and rows.sorted("n", "kind").column("n").tolist() == [
        1,
        2,
        2,
    ]
    assert isinstance(rows[:2], Results) and len(rows.where(n=3).where(n=2)) == 0


def test_columns_know_what_is_missing():
    rows = Results(ROWS)
    np.testing.assert_array_equal(rows.column("x"), [1.5, 2.5, np.nan])
    np.testing.assert_array_equal(rows.column("only"), [np.nan, 4.0, np.nan])
    assert rows.column("n").dtype == np.float64 and rows.column("kind").tolist() == ["a", "b", "b"]
    assert rows.column("v").shape == (3, 3) and rows.column("sides").dtype == object
    assert Results(rows.where(n=3)).column("x").shape == (0,)


def test_a_slip_of_the_pen_is_not_an_empty_answer():
    with pytest.raises(KeyError, match="no row has 'm'; known: kind"):
        Results(ROWS).where(m=2)
    with pytest.raises(KeyError):
        Results(ROWS).column("y")


def test_what_a_sheet_refuses():
    sheet = Sheet()
    sheet.number("a", np.float64(1.0), unit="1")
    with pytest.raises(InputError, match="two numbers are called 'a'"):
        sheet.number("a", 2.0)
    with pytest.raises(InputError, match="'fine' is not one of holds"):
        sheet.check("c", "fine", "")  # type: ignore[arg-type]
    wrong: Any = {"a": 1}
    for call in (
        lambda: sheet.number("b", 1.0, unit=wrong),
        lambda: sheet.number("b", 1.0, note=wrong),
        lambda: sheet.number(wrong, 1.0),
        lambda: sheet.table("t", [wrong], []),
        lambda: sheet.table("t", ["a"], [], caption=wrong),
        lambda: sheet.figure("f", Figure(), wrong),
        lambda: sheet.check(wrong, "holds", ""),
    ):
        with pytest.raises(InputError, match="expected text"):
            call()
    assert [*sheet.numbers] == ["a"] and not sheet.tables
    with pytest.raises(AssertionError, match="2 entries under 1 headings"):
        sheet.table("t", ["a"], [(1, "b")])
    with pytest.raises(AssertionError, match="no name for a file"):
        sheet.figure("../x", Figure(), "")


def test_only_a_violated_check_breaks_a_sheet():
    sheet = Sheet()
    sheet.check("a", "explained", "one\nline")
    assert sheet.holds and sheet.checks[0]["detail"] == "one line"
    sheet.check("b", "violated", "")
    assert not sheet.holds


def test_numbers_that_are_none_are_null():
    sheet = Sheet()
    sheet.number("nan", float("nan"), float("inf"), published=float("nan"))
    sheet.table("t", ["a", "b"], [(np.inf, (1.0, np.nan))])
    assert [sheet.numbers["nan"][key] for key in ("value", "stderr", "published")] == [None] * 3
    assert sheet.tables[0]["rows"] == [[None, {"value": 1.0, "stderr": None}]]


def stored(rows):
    n = len(rows)
    parameters = {"p": [1, 2], "q": None, "s": "x", "f": 0.1, "t": {"a": [1]}}
    wall, cpu = np.arange(n) + 0.5, np.arange(n) + 0.25
    return StudyResults("s", "T", "Q?", parameters, rows, {"x": "V"}, wall, cpu, {"thermohw": "0"})


KINDS = [
    {
        "i": 1,
        "f": 0.1,
        "b": True,
        "t": "é",
        "v": np.arange(3),
        "ragged": np.ones(2),
        "json": [1, {"a": None}],
        "mixed": 1,
        "either": np.ones(2),
        "big": 2**70,
        "texts": np.array(["a", "bc"]),
        "cell": 5,
        "nan": float("nan"),
    },
    {
        "i": 2,
        "f": np.pi,
        "b": False,
        "t": "",
        "v": np.arange(3) + 1,
        "ragged": np.ones((2, 3)),
        "json": None,
        "mixed": "one",
        "either": 2.0,
        "big": 1,
        "texts": np.array(["d"]),
        "cell": 6,
        "nan": float("inf"),
        "late": 1.5,
        "late_v": np.ones(2),
    },
]


def same(left, right):
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        np.testing.assert_array_equal(left, right, strict=True)
    elif isinstance(left, float) and np.isnan(left):
        assert np.isnan(right)
    else:
        assert left == right and type(left) is type(right)


def test_a_results_file_gives_back_what_it_was_given(tmp_path):
    path = write_results(tmp_path / "r.h5", stored(KINDS))
    found = read_results(path)
    assert (found.study, found.title, found.question) == ("s", "T", "Q?")
    assert found.parameters == stored(KINDS).parameters and found.units["i"] == "1"
    np.testing.assert_array_equal(found.wall, [0.5, 1.5])
    for given, row in zip(KINDS, found.rows, strict=True):
        assert list(given) == list(row)
        for name in given:
            same(given[name], row[name])


def test_a_results_file_explains_itself(tmp_path):
    rows = [{"n": 1, "x": 0.5}, {"n": 2}]
    path = write_results(tmp_path / "r.h5", stored(rows))
    with h5py.File(path) as file:
        x = file["cells/x"]
        assert file.attrs["format"] == "thermohw-study/1" and file.attrs["question"] == "Q?"
        assert x.attrs["unit"] == "V" and x.attrs["units"] == "V"  # type: ignore[union-attr]
        np.testing.assert_array_equal(x[()], [0.5, np.nan])  # type: ignore[index]
        assert file["seconds/cpu"].attrs["unit"] == "s"
    xarray = pytest.importorskip("xarray")
    with xarray.open_dataset(path, group="cells", engine="h5netcdf") as table:
        assert table["x"].dims == ("cell",) and table["x"].attrs["units"] == "V"


def damage(path, place):
    """Changes one thing the way an accident would: the file stays a readable one."""
    with h5py.File(path, "r+") as file:
        item: Any = file["/" if place == "minor" else place.partition("@")[0]]
        if "@title" in place:
            item.attrs["title"] = "U"
        elif "@units" in place:
            item.attrs["units"] = "A"
        elif place == "cells/ragged":
            item["0"][1] = 7.0
        elif place == "checksums":
            del file["checksums"]
        elif place == "minor":
            del file.attrs["minor"]
        elif place == "cells/t":
            item[0] = "è"
        elif place == "parameters/p":
            item[()] = "json:[1, 3]"
        else:
            item[0] = 9


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("cells/i", "/cells/i "), ("cells/f", "/cells/f "), ("cells/t", "/cells/t "),
        ("cells/ragged", "/cells/ragged/0 "), ("cells/x@units", "/cells/x "),
        ("seconds/cpu", "/seconds/cpu "), ("/@title", "/ "), ("checksums", "lacks"),
        ("minor", "carries"), ("parameters/p", "/parameters/p "),
    ],
)  # fmt: skip
def test_a_damaged_results_file_names_the_place(tmp_path, place, named):
    path = write_results(tmp_path / "r.h5", stored([{**row, "x": 1.0} for row in KINDS]))
    assert read_results(path).checked
    damage(path, place)
    with pytest.raises(StoreError) as caught:
        read_results(path)
    assert f"r.h5: {named}" in str(caught.value) and "damaged" in str(caught.value)


def test_results_of_before_there_were_checksums_are_read(tmp_path):
    path = write_results(tmp_path / "r.h5", stored(KINDS))
    with h5py.File(path, "r+") as file:
        del file["checksums"], file.attrs["minor"]
    found = read_results(path)
    assert not found.checked and found.rows[0]["i"] == 1


def test_other_files_are_no_results(tmp_path):
    (tmp_path / "text.h5").write_text("x")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with h5py.File(tmp_path / "half.h5", "w") as file:
        file.attrs["format"] = "thermohw-study/1"
    for name in ("text.h5", "other.h5", "half.h5", "none.h5"):
        with pytest.raises(StoreError, match=name):
            read_results(tmp_path / name)


def test_a_folder_stands_for_its_results(tmp_path):
    """The folder will do; what is no HDF5 file is one line."""
    (tmp_path / "results.h5").write_text("no")
    with pytest.raises(StoreError, match="is no readable results file") as caught:
        read_results(tmp_path)
    assert "\n" not in str(caught.value) and "results.h5" in str(caught.value)


CALLED = "would have been called"


@pytest.mark.parametrize(
    ("found", "expected", "relation", "status", "power"),
    [
        (Estimate(1.29, 0.1), 1.0, "=", "holds", "z = +2.90; a deviation of 0.4"),
        (Estimate(1.31, 0.1), 1.0, "=", "explained", "z = +3.10; a deviation of 0.4"),
        (Estimate(1.41, 0.1), 1.0, "=", "violated", "z = +4.10; a deviation of 0.4"),
        (Estimate(1.41, 0.1), 1.0, ">=", "holds", "z = +4.10; a deviation of 0.4"),
        (Estimate(0.59, 0.1), 1.0, ">=", "violated", "z = -4.10; a deviation of 0.4"),
        (Estimate(0.59, float("nan")), 1.0, "=", "violated", None),
        (-3.5, 0.0, "=", "explained", "z = -3.50; 4 standard errors"),
        # the largest of a hundred: P(|Z| > r) = 1 - (1 - P(|Z| > 4))^(1/100) at r = 4.98
        ([3.9] + 99 * [0.0], 0.0, "=", "holds",
         "z = +3.90, the worst of 100; 4.98 standard errors in one of 100"),
        ([-4.99] + 99 * [0.0], 0.0, "=", "violated",
         "z = -4.99, the worst of 100; 4.98 standard errors in one of 100"),
        ([-4.97] + 99 * [0.0], 0.0, "=", "explained",
         "z = -4.97, the worst of 100; 4.98 standard errors in one of 100"),
        (np.array([9.0, float("nan")]), 0.0, "<=", "violated",
         "z = +nan, the worst of 2; 4.16 standard errors in one of 2"),
        ([Estimate(0.7, 0.1), 0.5], 2.0, "<=", "holds",
         "z = -1.50, the worst of 2; 4.16 standard errors in one of 2"),
    ],
)  # fmt: skip
def test_a_law_is_judged_by_the_one_rule_and_says_what_it_could_have_seen(
    found, expected, relation, status, power
):
    sheet = Sheet()
    assert sheet.law("n", found, expected, relation=relation, detail="said") == status
    words = f"{power} {CALLED}" if power else "z = +nan"
    assert sheet.checks == [{"name": "n", "status": status, "detail": f"said; {words}"}]


@pytest.mark.parametrize(
    ("found", "relation", "status", "worst"),
    [
        ([1e-12, -3e-12], "=", "holds", "3e-12"),
        ([1e-12, -3e-9], "=", "violated", "3e-09"),
        (-3e-9, ">=", "violated", "3e-09"),
        (-3e-9, "<=", "holds", "-3e-09"),
        (math.nan, "=", "violated", "nan"),
    ],
)
def test_a_residual_is_held_against_what_can_make_it(found, relation, status, worst):
    sheet = Sheet()
    assert sheet.law("n", found, relation=relation, within=1e-9, detail="said") == status
    assert sheet.checks[0]["detail"] == f"said; worst {worst}, more than 1e-09 {CALLED}"
    if status == "violated":
        cause = "the slit"
        assert sheet.law("m", found, relation=relation, within=1e-9, cause=cause) == "explained"


def test_a_measured_cause_explains():
    sheet = Sheet()
    assert sheet.law("off", 9.0, detail="z = 9", cause="the slit") == "explained"
    assert sheet.checks[0]["detail"].startswith("z = 9: the slit; z = +9.00; 4 standard")
    assert sheet.law("right", 1.0, detail="z = 1", cause="the slit") == "holds"
    assert "slit" not in sheet.checks[1]["detail"]
