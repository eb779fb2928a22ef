"""The examples of docs/programs.md run as printed, and print what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "programs.md"
BLOCK = re.compile(r"```python\n(.*?)```|<!-- output -->\n```\n(.*?)```", re.DOTALL)


def test_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers may differ in their last digit between machines; the words may not."""
    names: dict[str, Any] = {}
    shown = 0
    for code, expected in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if code:
            exec(code, names)
            continue
        printed = capsys.readouterr().out
        words = [re.sub(r"[-+]?\d[\d.e+-]*", "#", text) for text in (printed, expected)]
        assert words[0].split() == words[1].split()
        shown += 1
    assert shown == 4
