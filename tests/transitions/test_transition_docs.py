"""The examples of docs/transitions.md run as printed, and print what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "transitions.md"
BLOCK = re.compile(r"```python\n(.*?)```|<!-- output -->\n```\n(.*?)```", re.DOTALL)
NUMBER = r"[-+]?\d[\d.]*(?:e[-+]?\d+)?"


def test_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """Words are the same; numbers, printed to six digits or fewer, to one unit of the last."""
    names: dict[str, Any] = {}
    shown = 0
    for code, expected in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if code:
            exec(code, names)
            continue
        printed = capsys.readouterr().out
        assert re.sub(NUMBER, "#", printed).split() == re.sub(NUMBER, "#", expected).split()
        found, told = (re.findall(NUMBER, text) for text in (printed, expected))
        for a, b in zip(found, told, strict=True):
            unit = 10.0 ** -len(b.partition(".")[2].rstrip("."))
            assert np.isclose(
                float(a.rstrip(".")), float(b.rstrip(".")), rtol=0.0, atol=1.01 * unit
            )
        shown += 1
    assert shown >= 3
