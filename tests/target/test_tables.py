"""Tables as people have them: read right, or refused with row, column and remedy."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from thermohw.errors import InputError
from thermohw.target import array
from thermohw.target.table import read_table

R = np.random.default_rng(0).normal(size=(30, 3))


def rows(sep=",", dec=".", fmt="%.6g"):
    return [sep.join((fmt % x).replace(".", dec) for x in row) for row in R]


def text(*lines, above="", end="\n"):
    return (above + end if above else "") + end.join(lines) + end


X, S, D = rows(), rows(";"), rows(";", ",")
NAMES = ("a", "b", "c")
ROWS, INDEX, UNITS = "first row counts", "first column has no name", "read as units"
HIDDEN = "line 5 is a comment and would be numbers otherwise"
QUOTED = [",".join(f'"{cell}"' for cell in row.split(",")) for row in X]
COUNTED = [f"{i},{row}" for i, row in enumerate(X)]
RIGHT = {
    "plain": (text(*X), None, ()),
    "header": (text(*X, above="a,b,c"), NAMES, ()),
    "byte order mark": (b"\xef\xbb\xbf" + text(*X, above="a,b,c").encode(), NAMES, ()),
    "UTF-16, tabs": (text(*rows("\t"), above="a\tb\tc", end="\r\n").encode("utf-16"), NAMES, ()),
    "cp1252": (text(*X, above="\u00b5,b,c").encode("cp1252"), ("\u00b5", "b", "c"), ()),
    "CRLF": (text(*X, above="a,b,c", end="\r\n"), NAMES, ()),
    "CR": (text(*X, above="a,b,c", end="\r"), NAMES, ()),
    "pandas": (text(*COUNTED, above=",a,b,c"), NAMES, (INDEX,)),
    "pandas, rows dropped": (
        text(*[f"{7 * i % 30},{row}" for i, row in enumerate(X)], above=",a,b,c"), NAMES, (INDEX,)),
    "pandas, no names": (text(*COUNTED, above=",0,1,2"), ("0", "1", "2"), (ROWS, INDEX)),
    "pandas, no index": (text(*rows(fmt="%.6f"), above="0,1,2"), ("0", "1", "2"), (ROWS,)),
    "pandas, dates": (
        text(*[f"2020-01-{i + 1:02},{row}" for i, row in enumerate(X)], above=",a,b,c"),
        NAMES, (INDEX,)),
    "R": (text(*[f'"{i + 1}" {row}' for i, row in enumerate(rows(" "))], above='"a" "b" "c"'),
          NAMES, (INDEX,)),
    "R, csv": (text(*[f'"{i + 1}",{row}' for i, row in enumerate(X)], above='"","a","b","c"'),
               NAMES, (INDEX,)),
    "semicolons": (text(*S, above="a;b;c"), NAMES, ()),
    "decimal commas": (text(*D, above="a;b;c"), NAMES, ()),
    "decimal commas, no names": (text(*D), None, ()),
    "decimal commas, tabs": (text(*rows("\t", ",")), None, ()),
    "decimal commas, blanks": (text(*rows(" ", ",")), None, ()),
    "decimal commas, quoted": (
        text(*[",".join(f'"{cell}"' for cell in row.split(";")) for row in D]), None, ()),
    "tabs": (text(*rows("\t")), None, ()),
    "blanks": (text(*rows("   ")), None, ()),
    "bars": (text(*rows("|"), above="a|b|c"), NAMES, ()),
    "quotes": (text(*QUOTED, above='"a","b","c"'), NAMES, ()),
    "sep=;": (text("sep=;", "a;b;c", *S), NAMES, ()),
    "units": (text(*X, above="t,v,i\n(s),(V),(A)"), ("t", "v", "i"), (UNITS,)),
    "numpy": (text(*rows(" "), above="# a b c"), None, ()),
    "comments": (text("% x", "// y", "a,b,c", "# z", *[f"{row} # so, so" for row in X]), NAMES, ()),
    "blank lines": (text(*[f"{row}\n" for row in X], above="\n\na,b,c\n"), NAMES, ()),
    "empty rows below": (text(*X, ",,", ",,", above="a,b,c"), NAMES, ()),
    "closing delimiters": (text(*[f"{row};" for row in S], above="a;b;c;"), NAMES, ()),
    "minus signs": (text(*X).replace("-", "\u2212"), None, ()),
    "mark twice": (b"\xef\xbb\xbf" * 2 + text(*X).encode(), None, ()),
    "numbers as names": (text(*X, above="x-axis,1,2\ns,V,V"), ("x-axis", "1", "2"),
                         ("x-axis, 1, 2, is read as names", UNITS)),
    "Fortran": (text(*[row.replace("e", "D") for row in rows(" ", fmt="%.6e")]), None, ()),
    "a comment of numbers": (text(*X[:3], "#1,2,3", *X[3:], above="a,b,c"), NAMES, (HIDDEN,)),
    "blanks around": (text(*[row.replace(",", " , ") for row in X], above="a , b , c"), NAMES, ()),
}  # fmt: skip


def put(tmp_path, content, name="x.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("kind", RIGHT)
def test_read_right(tmp_path, kind):
    """All rows and nothing else, names where there are some, and a note of what was left out."""
    content, names, notes = RIGHT[kind]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = read_table(put(tmp_path, content))
    assert found.values.shape == R.shape and np.allclose(found.values, R, rtol=1e-5, atol=1e-6)
    assert found.columns == names
    assert len(said) == len(notes)
    assert all(note in str(one.message) for note, one in zip(notes, said, strict=True))


def between(*more):
    return text(*X[:7], *more, *X[7:], above="a,b,c")


THREE = [f"1,{200 + i};2,{500 + i}" for i in range(30)]
WRONG = {
    "NA": (between("1,NA,2"), "row 8 (line 9), column 2 'b': 'NA' is no number: remove the row"),
    "nan": (between("1,2,nan"), "row 8 (line 9), column 3 'c': 'nan' is no number"),
    "inf": (between("1,2,inf"), "row 8 (line 9), column 3 'c': 'inf' is no number"),
    "too large": (between("1,2,1e999"), "column 3 'c': '1e999' is beyond what a double holds"),
    "empty cell": (between("1,,2"), "row 8 (line 9), column 2 'b': is empty"),
    "empty row": (between(",,"), "row 8 (line 9) is empty and numbers follow"),
    "short row": (between("1,2"), "row 8 (line 9) has 2 fields where others have 3"),
    "long row": (between("1,2,3,4"), "row 8 (line 9) has 4 fields where others have 3"),
    "header again": (between("a,b,c"), "row 8 (line 9), column 1 'a': 'a' is no number"),
    "underscore": (between("1_0,2,3"), "'1_0' is no number"),
    "hexadecimal": (between("0x1F,2,3"), "'0x1F' is no number"),
    "NUL": (between("1,2,3\0"), "row 8 (line 9), column 3 'c'"),
    # In the first column they are no comments, and behind a digit # begins no remark.
    "Excel's #NV": (between("#NV,1,2"), "row 8 (line 9), column 1 'a': '#NV' is no number"),
    "Excel's #WERT!": (between("#WERT!,1,2"), "row 8 (line 9), column 1 'a': '#WERT!'"),
    "Excel's #NAME?": (between("1,2,#NAME?"), "row 8 (line 9), column 3 'c': '#NAME?'"),
    "Excel's #N/A N/A": (between("1,#N/A N/A,2"), "row 8 (line 9), column 2 'b': '#N/A N/A'"),
    "too narrow": (between("1,2,#####"), "row 8 (line 9), column 3 'c': '#####'"),
    "-1.#IND": (between("1,2,-1.#IND"), "row 8 (line 9), column 3 'c': '-1.#IND' is no number"),
    "1.#INF": (between("1.#INF,2,3"), "row 8 (line 9), column 1 'a': '1.#INF' is no number"),
    "a remark without a blank": (between("1,2,3#x"), "'3#x' is no number"),
    "digits of other scripts": (between("\uff11.5,2,3"), "row 8 (line 9), column 1 'a': '\uff11"),
    "a typing error in the first row": (text("l.5,2.5,3.5", *X), "row 1 (line 1), column 1: 'l.5'"),
    "an instrument's header": (text("Model,X", "Rate,1", "a,b,c", *X),
                               "rows of numbers begin at line 4: delete what stands above"),
    "UTF-16 without a mark": (text(*X).encode("utf-16-le"), "zero bytes"),
    "compressed": (b"\x1f\x8b\x08" + bytes(40), "is a compressed file"),
    "years": (text(*[f"{1980 + i},{r}" for i, r in enumerate(X)], above="y,a,b,c"),
              "column 1 'y' counts the rows"),
    "counting down": (text(*[f"{r},{30 - i}" for i, r in enumerate(X)]), "column 4 counts"),
    "labels": (text(*[f"{row},cat" for row in X], above="a,b,c,label"),
               "row 1 (line 2), column 4 'label': 'cat' is no number: delete the column"),
    "truth": (text(*["True,2.5"] * 30, above="a,b"), "column 1 'a': 'True' is no number"),
    "percent": (text(*["1.5%,2.5"] * 30, above="a,b"), "'1.5%' is a percentage"),
    "row numbers": (text(*COUNTED, above="id,a,b,c"), "column 1 'id' counts the rows"),
    "row numbers, no names": (text(*[f"{i + 1},{r}" for i, r in enumerate(X)]), "column 1 counts"),
    "row numbers behind": (text(*[f"{r},{i}" for i, r in enumerate(X)]), "column 4 counts"),
    "times without a name": (text(*[f"{i / 10},{r}" for i, r in enumerate(X)], above=",a,b,c"),
                             "column 1 has no name"),
    "thousands": (text(*[f"1.{200 + i},5;2,5" for i in range(30)]), "thousands separator"),
    "thousands or decimals": (text(*THREE, above="a;b"), "thousands or decimals?"),
    "blank thousands": (text(*["1 234,5;2,5"] * 30, above="a;b"), "'1 234,5'"),
    "point among commas": (text(*["1,5;2,5"] * 29, "1.5;2,5", above="a;b"),
                           "row 30 (line 31), column 1 'a': '1.5' has a decimal point where"),
    "comma among points": (text(*["1.5;2.5"] * 29, "1,5;2.5", above="a;b"),
                           "row 30 (line 31), column 1 'a': '1,5' has a decimal comma where"),
    "two integers or one number": (text(*[f"{i % 7},{i % 5}" for i in range(30)]), "may be two"),
    "one column or two": (text(*["1,2", "3"] * 20), "may be two integers or one number"),
    "integers under 0, 1, 2": (text(*[f"{i % 7},{i % 5},3" for i in range(30)], above="0,1,2"),
                               "first row counts the columns"),
    "another delimiter further down": (text(*X[:20], *S[20:], above="a,b,c"), "row 21 (line 22)"),
    "header with other delimiters": (text(*S, above="a,b,c"), "';'"),
    "only a header": (text("a,b,c"), "a header and no rows"),
    "nothing": ("", "it is empty"),
    "only comments": ("# a\n# b\n", "it is empty"),
    "a sheet": (b"PK\x03\x04" + bytes(range(256)) * 8, "x.csv"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_refused(tmp_path, kind):
    content, message = WRONG[kind]
    path = put(tmp_path, content)
    with pytest.raises((InputError, ValueError), match=re.escape(message)):
        read_table(path)
    with pytest.raises(InputError) as caught:
        array(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_the_delimiter_that_would_fit(tmp_path):
    path = put(tmp_path, text("sep=,", *S))
    with pytest.raises(InputError, match=".line 3., .*; ';' would cut every row into 3"):
        read_table(path)


@pytest.mark.parametrize("name", ["x.csv", "x.npy"])
def test_a_constant_column_is_named(tmp_path, name):
    table = R.copy()
    table[:, 1] = 1.5
    path = tmp_path / name
    if name == "x.npy":
        np.save(path, table)
    else:
        np.savetxt(path, table, delimiter=",", header="a,b,c", comments="")
    word = "column 2 is" if name == "x.npy" else "column 2 'b' is"
    with pytest.raises(InputError, match=f"{word} constant .1.5 in every row."):
        array(path)


def test_a_clock_is_remarked_on(tmp_path):
    lines = [f"{2e-6 * i + 1e-3:.6g},{row}" for i, row in enumerate(X)]
    with pytest.warns(UserWarning, match="column 1 't' grows evenly from row to row"):
        assert read_table(put(tmp_path, text(*lines, above="t,a,b,c"))).values.shape == (30, 4)


def test_a_long_table_loses_nothing(tmp_path):
    """A hundred thousand rows, as they were; and the last cell of the last row is looked at."""
    table = np.random.default_rng(1).normal(size=(100_000, 2))
    lines = [f"{x!r};{y!r}".replace(".", ",") for x, y in table.tolist()]
    found = read_table(put(tmp_path, text(*lines, above="a;b")))
    assert np.array_equal(found.values, table)
    with pytest.raises(InputError, match="row 100001 .line 100002., column 2 'b': 'x'"):
        read_table(put(tmp_path, text(*lines, "1,5;x", above="a;b")))
