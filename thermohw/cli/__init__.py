"""The shell: thermohw devices | run | audit | report | inspect | experiment."""

from thermohw.cli.app import main

__all__ = ["main"]
