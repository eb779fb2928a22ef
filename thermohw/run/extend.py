"""A finished run made longer: `--resume` with more paths than its file holds.

A path depends on the seed and on its number alone, and totals are added up tile after tile. So the
whole tiles of a finished run are the first tiles of a longer one. They are copied into a new file
beside it, NAME.extended, checksum by checksum and with the totals as they stood behind them; a last
tile that is not whole is played again with the paths that it lacked. Once complete, the new file
takes the place of the old one, which until then is only read: whatever is killed when, no path is
lost, and the same command goes on from the last commit.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from thermohw.errors import StoreError
from thermohw.run.noise import require_noise
from thermohw.run.setting import differences
from thermohw.store import SAMPLE, RunReader, changed, content_hash

if TYPE_CHECKING:
    from pathlib import Path

    from thermohw.store import RunWriter

__all__ = ["copy_tiles", "extends", "extension"]


def extension(path: Path) -> Path:
    """Where a longer run grows until it takes the place of the one at `path`."""
    return path.with_name(path.name + ".extended")


def extends(path: Path, spec: str, paths: int) -> bool:
    """Whether this is the finished run at `path` with more paths; looked at before a run goes on.

    Args:
        path: a run file.
        spec: the text that identifies the run that is asked for.
        paths: how many paths that has.

    Raises:
        StoreError: it is the same run with fewer paths, not finished yet, or extended to another
            number of paths by a run that was interrupted; or its noise is of another version.
    """
    where = str(path)
    with RunReader.open(path, partial=True) as run:
        held = run.layout.paths
        changes = set(differences(run.parameters.get("spec"), spec))
        if changes - {"simulate.paths"} or (held == paths and run.finished):
            return False
        require_noise(run.parameters, where)
        if held == paths:
            return False
        if paths < held:
            problem = f"holds {held} paths, more than the {paths} asked for: a run only grows"
            raise StoreError(problem, where=where)
        if not run.finished:
            problem = f"is an unfinished run of {held} paths: finish it with --paths {held} first"
            raise StoreError(problem, where=where)
    begun = extension(path)
    if not begun.exists():
        return True
    with RunReader.open(begun, partial=True) as run:
        if run.spec_hash != content_hash(spec):
            raise StoreError(
                f"is an interrupted extension to {run.layout.paths} paths: finish it with --paths "
                f"{run.layout.paths}, or delete this file",
                where=str(begun),
            )
        finished = run.finished
    if finished:  # killed before it took its place
        os.replace(begun, path)
        raise StoreError("is complete: there is nothing to resume", where=where)
    return True


def copy_tiles(path: Path, writer: RunWriter) -> None:
    """Copy what a longer run has in common with the finished one at `path`, one commit a unit.

    Raises:
        StoreError: its numbers differ from their checksums or have none, or it was made by a
            version that kept other ones.
    """
    layout = writer.layout
    with RunReader.open(path) as run:
        whole = run.layout.paths // layout.group
        kept = whole * layout.blocks
        if writer.committed >= kept:
            return
        if not run.has_checksums or replace(run.layout, paths=layout.paths) != layout:
            problem = "was made by a version whose files hold other numbers: run it anew"
            raise StoreError(problem, where=str(path))
        if what := changed(run.provenance):
            warnings.warn(f"{path}: extended elsewhere, not bit-identical ({what})", stacklevel=2)
        # A last tile that is not whole has totals of its own in the state behind it.
        full = run.layout.paths % layout.group == 0
        state = run.state(run.layout.units - (not full))
        totals = {name: value for name, value in state.items() if name.startswith("total/")}
        for result in layout.results:  # written once, with the first tile
            if result.name.startswith(SAMPLE):
                writer.write_result(result.name, run.result(result.name))
        series = {channel.name: run.series(channel.name) for channel in layout.series}
        while writer.committed < kept:
            region = layout.unit(writer.committed)
            for name, stored in series.items():
                values = stored.read(region.frames, region.paths)
                writer.write_series(name, region.frames, region.paths, values)
            if (writer.committed + 1) % layout.blocks == 0:
                for channel in layout.ledger:
                    values = run.ledger(channel.name, region.paths)
                    writer.write_ledger(channel.name, region.paths, values)
            writer.commit(totals)
