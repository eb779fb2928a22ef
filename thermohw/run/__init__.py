"""Runs of every kind: played, stored, opened again."""

from thermohw.run.extend import extends, extension
from thermohw.run.play import play_into_file, play_into_memory
from thermohw.run.world import Playing, World

__all__ = ["Playing", "World", "extends", "extension", "play_into_file", "play_into_memory"]
