r"""What a cell may ask for: random streams that depend on nothing but itself, and trained networks.

Streams. `generator(stream)` is seeded by numpy's SeedSequence with

    entropy    the study's parameter `seed` (0 where it has none)
    spawn_key  (2, sha256 of the JSON text [cell, stream] with sorted keys)

so that the same cell gets the same numbers whatever runs beside it, in whatever order, on however
many workers. With `shared`, only the named keys of the cell enter the hash: cells that agree in
them draw the same numbers, which is how two methods are compared on the same data.

Networks. A training is named by the sha256 of all that fixes it: target (its description and the
bytes of its arrays), process, every option of `fit_score`, and thermohw's version. Its weights
stand in networks/<hash>.safetensors, found by every cell, worker and later run. While it is
trained, an advisory file lock keeps others from training it too; a kill releases the lock and
leaves the checkpoint, from which the next who asks goes on. What is handed out is always read from
the file, so that it makes no difference who trained it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import thermohw
from thermohw.errors import InputError
from thermohw.outputs import open_lock
from thermohw.store import content_hash

if TYPE_CHECKING:
    import torch

    from thermohw.process import Process
    from thermohw.score.network import NetworkScore
    from thermohw.target import Target

__all__ = ["Tools", "network_hash"]


class Tools:
    """Handed to `compute`.

    Args:
        cell: the piece of work.
        seed: the study's seed.
        networks: folder for trained networks; made when needed.
    """

    def __init__(self, cell: Mapping[str, Any], seed: int, networks: Path) -> None:
        self._cell, self._seed, self._networks = dict(cell), int(seed), networks

    def generator(
        self, stream: str | int = 0, *, shared: Sequence[str] | None = None
    ) -> torch.Generator:
        """A stream of random numbers of this cell.

        Args:
            stream: its name; different names are independent streams.
            shared: keys of the cell that choose the stream, instead of all of them; () shares it
                among all cells.

        Raises:
            KeyError: the cell has no such key.
        """
        from thermohw.noise import Stream, block_generator

        cell = self._cell if shared is None else {key: self._cell[key] for key in shared}
        text = json.dumps([cell, stream], sort_keys=True)
        return block_generator(self._seed, int(content_hash(text), 16), Stream.CELLS)

    def score(
        self,
        target: Target,
        process: Process,
        *,
        seed: int = 0,
        steps: int | None = None,
        architecture: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> NetworkScore:
        """A trained network score: from networks/ where it is there, else trained and kept.

        Args:
            target: the data.
            process: the forward process.
            seed: of the training.
            steps: training steps.
            architecture: of the network.
            **options: further options of `fit_score`.

        Raises:
            InputError: settings that cannot be used, or a place that cannot be written to.
        """
        from thermohw.score.training import fit_score
        from thermohw.score.weights import load_score, save_score

        settings = {"seed": seed, "steps": steps, "architecture": architecture, **options}
        self._networks.mkdir(parents=True, exist_ok=True)
        path = self._networks / f"{network_hash(target, process, settings)}.safetensors"
        checkpoint = path.with_suffix(".checkpoint")
        with _locked(path.with_suffix(".lock")):
            if path.exists():
                try:
                    return load_score(path, process)
                except InputError:  # damaged: train it again
                    path.unlink()
            try:
                trained = fit_score(
                    target, process, checkpoint=checkpoint, progress=False, **settings
                )
            except InputError:
                if not checkpoint.exists():
                    raise
                # A damaged checkpoint, or one of an older training of the same name.
                checkpoint.unlink()
                trained = fit_score(
                    target, process, checkpoint=checkpoint, progress=False, **settings
                )
            save_score(trained, path)
            checkpoint.unlink(missing_ok=True)
            return load_score(path, process)


def network_hash(target: Target, process: Process, settings: Mapping[str, Any]) -> str:
    """The name of a training: 32 hexadecimal digits of a sha256 over all that fixes it."""
    arrays = target.arrays()
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}\0".encode())
        digest.update(content_hash(arrays[name]).encode())
    plan = {
        "thermohw": thermohw.__version__,
        "target": target.to_dict(),
        "arrays": digest.hexdigest(),
        "process": process.to_dict(),
        "settings": dict(settings),
    }
    return content_hash(json.dumps(plan, sort_keys=True))[:32]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; released by the system when its holder dies."""
    with open_lock(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
