"""The shell: thermohw devices | run | audit | report | inspect."""

from thermohw.cli.app import main

__all__ = ["main"]
