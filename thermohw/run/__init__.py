"""Runs of every kind: played, stored, opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.rooms import on_demand

if TYPE_CHECKING:
    from thermohw.run.extend import extends, extension
    from thermohw.run.keep import KEPT, MOMENTS_ONLY, Keeper, keeping
    from thermohw.run.lanes import wanted_workers
    from thermohw.run.play import play_into_file, play_into_memory
    from thermohw.run.world import Playing, World

__all__ = [
    "KEPT",
    "MOMENTS_ONLY",
    "Keeper",
    "Playing",
    "World",
    "extends",
    "extension",
    "keeping",
    "play_into_file",
    "play_into_memory",
    "wanted_workers",
]

on_demand(
    __name__,
    {
        "KEPT": "keep",
        "Keeper": "keep",
        "MOMENTS_ONLY": "keep",
        "Playing": "world",
        "World": "world",
        "extends": "extend",
        "extension": "extend",
        "keeping": "keep",
        "play_into_file": "play",
        "play_into_memory": "play",
        "wanted_workers": "lanes",
    },
)
