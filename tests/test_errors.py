"""What a message may hold: whatever was supplied, on one line, and nothing that moves a cursor."""

import pytest

from thermohw.errors import InputError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x = 3: expected ümlauts", "x = 3: expected ümlauts"),
        ("two\n  lines\there", "two lines here"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("turned \u202e round\ufeff", "turned \\u202e round\\ufeff"),
        ("a" * 5000 + "z", "a" * 450 + " ... " + "a" * 449 + "z"),
        ("\ud800", "\\ud800"),
    ],
)
def test_a_message_is_one_line_of_printable_text(text, shown):
    error = InputError(text, where=text)
    assert str(error) == f"{shown}: {shown}"
    assert (error.problem, error.where) == (shown, shown)
