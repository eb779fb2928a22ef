"""The command line in this process, as a shell sees it."""

import signal
import sys
import warnings

import pytest

from thermohw.cli import main


@pytest.fixture
def shell(capsys, monkeypatch):
    """Run a command: (status, stdout, stderr)."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["thermohw", *map(str, words)])
        handler = signal.getsignal(signal.SIGINT)
        try:
            with pytest.raises(SystemExit) as left, warnings.catch_warnings():
                main()
        finally:
            signal.signal(signal.SIGINT, handler)
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call
