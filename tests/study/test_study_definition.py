"""Parameters by the types of their defaults; cells that can be named."""

import pytest
from study.toy_averages import STUDY

from thermohw.errors import InputError
from thermohw.study import Study
from thermohw.study.definition import merge, parse_settings


def of(parameters, **changes):
    nothing = {"compute": lambda c, t: {}, "conclude": lambda p, r, s: None}
    made = {"cells": lambda p: [{"i": 0}], "title": "t", "question": "q?"} | nothing | changes
    return Study(parameters=parameters, **made)


TYPES = of(
    {
        "whole": 3,
        "real": 2.5,
        "flag": False,
        "word": "a",
        "wholes": [1, 2],
        "reals": [1, 2.5],
        "words": ["a"],
        "nothing": None,
        "table": {"a": 1},
    }
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("whole=7", 7),
        ("whole=-1e3", -1000),
        ("real=7", 7.0),
        ("real = 1e-3", 1e-3),
        ("flag=true", True),
        ("word=[1, 2]", "[1, 2]"),
        ("word=a=b", "a=b"),
        ("wholes=4,5", [4, 5]),
        ("wholes=[4, 5]", [4, 5]),
        ("wholes=", []),
        ("reals=4", [4.0]),
        ("reals=[4, 0.5]", [4.0, 0.5]),
        ("words=x, y", ["x", "y"]),
        ("nothing=3", 3),
        ('table={"b": 2}', {"b": 2}),
    ],
)
def test_values_are_read_by_the_type_of_the_default(text, value):
    (found,) = parse_settings(TYPES, [text]).values()
    assert found == value and type(found) is type(value)
    if isinstance(value, list):
        assert [type(item) for item in found] == [type(item) for item in value]
    key = text.partition("=")[0].strip()
    assert merge(TYPES, {key: found}, quick=False)[key] == value


@pytest.mark.parametrize(
    "text",
    ["whole=1.5", "whole=x", "real=nan", "real=true", "flag=1", "wholes=1,x", "wholes=1.5"]
    + ["wholes=[1, 2", 'wholes=["a"]', "table=[1]", "whole", "=3"],
)
def test_other_values_are_refused_on_one_line(text):
    with pytest.raises(InputError) as caught:
        parse_settings(TYPES, [text])
    assert "--set" in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_keys_are_refused_with_the_known_ones():
    with pytest.raises(InputError, match="'size'; known: sizes, repeats, factor, seed, label"):
        parse_settings(STUDY, ["size=3"])
    with pytest.raises(InputError, match="known: sizes"):
        merge(STUDY, {"size": 3}, quick=False)


def test_values_from_python_are_checked_too():
    assert merge(TYPES, {"real": 3}, quick=False)["real"] == 3.0
    for key, value in (("whole", 1.5), ("whole", True), ("flag", 1), ("wholes", [1.5])):
        with pytest.raises(InputError, match=key):
            merge(TYPES, {key: value}, quick=False)


def test_quick_stands_between_the_defaults_and_what_is_given():
    assert merge(STUDY, {}, quick=False)["repeats"] == 4
    assert merge(STUDY, {}, quick=True)["repeats"] == 2
    assert merge(STUDY, {"repeats": 9}, quick=True)["repeats"] == 9


def test_a_run_cannot_change_the_defaults_of_the_next():
    merge(STUDY, {}, quick=False)["sizes"].append(7)
    assert STUDY.parameters["sizes"] == [4, 1024]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([], "nothing to compute"),
        ([{"a": 1}, {"a": 1}], "two cells are the same"),
        ([{"a": object()}], "JSON"),
        ([{"a": float("nan")}], "JSON"),
        ([{"a/b": 1}], "without '/'"),
    ],
)
def test_cells_that_cannot_be_named_are_refused(cells, words):
    with pytest.raises(InputError, match=words):
        of({}, cells=lambda p: cells).work({})


def test_cells_are_plain_json():
    assert of({}, cells=lambda p: [{"a": (1, 2)}]).work({}) == [{"a": [1, 2]}]


@pytest.mark.parametrize("cells", [lambda p: p["none"], lambda p: None, lambda p: [1]])
def test_cells_that_fail_are_one_line(cells):
    with pytest.raises(InputError, match="^t: cells failed on these parameters: [KT]") as caught:
        of({"a": 1}, cells=cells).work({"a": 1})
    assert "\n" not in str(caught.value)


def test_a_default_that_is_no_json_is_refused():
    with pytest.raises(InputError, match="a: the default .*object.* is none of numbers"):
        merge(of({"a": object()}), {}, quick=False)


@pytest.mark.parametrize("value", [float("nan"), [1.0, float("inf")], {"a": {1}}])
def test_values_that_are_no_json_are_refused(value):
    for given, quick in (({"a": value}, {}), ({}, {"a": value})):
        with pytest.raises(InputError, match="is none of numbers|expected"):
            merge(of({"a": None}, quick=quick), given, quick=True)
    with pytest.raises(InputError, match="a: the default .* is none of numbers"):
        merge(of({"a": value}), {}, quick=False)


def test_cells_cannot_change_the_parameters():
    p = {"a": [1, 2]}
    of(p, cells=lambda p: [{"i": p["a"].pop()}]).work(p)
    assert p == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": {"a": 1}}, "STUDY.title: expected text"),
        ({"question": None}, "STUDY.question: expected text"),
        ({"quick": 0.5}, "STUDY.quick: expected a mapping"),
        ({"units": ["V"]}, "STUDY.units: expected a mapping"),
        ({"units": {"a": 1}}, "units, are texts"),
        ({"units": {"a": "V\0"}}, "units, are texts"),
        ({"cells": [{}]}, "STUDY.cells: expected a function"),
        ({"compute": None}, "STUDY.compute: expected a function"),
        ({"conclude": 3}, "STUDY.conclude: expected a function"),
    ],
)
def test_a_study_of_wrong_parts_is_refused_where_it_is_made(changes, words):
    with pytest.raises(InputError, match=words):
        of({"a": 1}, **changes)
    with pytest.raises(InputError, match="STUDY.parameters: expected a mapping"):
        of(3)
