"""The main job: SPEC in, one complete run file out.

    build (train if asked) -> likelihood terms -> simulate into the file

Likelihood terms come first, because the file gets its final size before the first tick and holds
them from the start. A path that cannot be used is refused before any work. Training keeps a
checkpoint beside the output, so an interrupted run resumes there too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from thermohw.control import make_plan
from thermohw.errors import InputError, StoreError
from thermohw.integrate import block_generator
from thermohw.likelihood import evaluate
from thermohw.likelihood.flow import terminal_bar
from thermohw.pipeline.build import build_setting, prior_kind
from thermohw.pipeline.simulate import Run, simulate
from thermohw.store import RunReader, check_new, content_hash

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thermohw.audit.rebuild import Setting
    from thermohw.pipeline.spec import Spec
    from thermohw.target import Target

__all__ = ["likelihood_tree", "run_spec"]


def run_spec(spec: Spec, out: str | Path, *, resume: bool = False, progress: bool = True) -> Run:
    """Run a SPEC into a file.

    Args:
        spec: the validated SPEC.
        out: run file to write.
        resume: continue an unfinished file of the same spec, or start it if it does not exist.
        progress: show progress bars.

    Raises:
        InputError: a key is refused, the path exists or cannot be written, or the disk is too
            small.
    """
    out = Path(out)
    if spec.tables.sweep is not None:
        raise InputError(
            "the SPEC has a [sweep] table: it describes many runs, not one", where=spec.where
        )
    continuing = resume and out.exists()
    if continuing:
        _require_same(out, spec)
    else:
        check_new(out)
    checkpoint = out.with_name(out.name + ".training")
    setting = build_setting(spec, checkpoint=checkpoint, progress=progress)
    tables, prior = spec.tables, prior_kind(spec)
    extra: dict[str, Any] = {"source": spec.text}
    if not continuing:
        # Refused settings (an unstable grid, say) must show before the likelihood is computed.
        make_plan(setting.protocol)
        if tables.likelihood.test:
            extra["likelihood"] = likelihood_tree(setting, spec, prior=prior, progress=progress)
    run = simulate(
        setting.protocol,
        paths=tables.simulate.paths,
        seed=tables.simulate.seed,
        store=out,
        start=tables.simulate.start,
        target=setting.target,
        prior=prior,
        dtype=tables.simulate.dtype,
        every=tables.store.every,
        scale=setting.scale,
        spec=spec.canonical,
        parameters=extra,
        resume=resume,
        progress=progress,
    )
    checkpoint.unlink(missing_ok=True)
    return run


def _require_same(out: Path, spec: Spec) -> None:
    with RunReader.open(out, partial=True) as run:
        if run.spec_hash != content_hash(spec.canonical):
            raise StoreError(
                "was made from another spec: resume it with its own spec and options, or choose "
                "another name",
                where=str(out),
            )
        if run.finished:
            raise StoreError("is complete: there is nothing to resume", where=str(out))


def likelihood_tree(
    setting: Setting, spec: Spec, *, prior: str, progress: bool = True
) -> dict[str, Any]:
    """Every likelihood term of a setting as a tree for /parameters/likelihood.

    terms/<name> is (value, standard error) in nats per sample, data units, NaN where unknown with
    the reason in `notes`.
    """
    assert setting.target is not None
    table = spec.tables.likelihood
    generator = block_generator(spec.tables.simulate.seed, 0, stream=2)
    data = setting.target
    one_dimensional = data.analytic and data.dim == 1
    points = None if one_dimensional else data.held_out(_test_rows(data, table.test), generator)
    threads = torch.get_num_threads()
    found = evaluate(
        setting.score,
        data,
        generator=generator,
        prior=prior,
        points=points,
        probes=table.probes,
        tolerance=table.tolerance,
        moments=table.steps,
        progress=terminal_bar if progress else _silent,
    )
    torch.set_num_threads(threads)
    return {
        "terms": {
            name: [float("nan"), float("nan")] if term is None else [term.value, term.stderr]
            for name, term in found.terms.items()
        },
        "notes": json.dumps(found.notes),
        "settings": json.dumps(found.settings),
        "points": dict(found.points),
        "profile": dict(found.profile),
        **({} if points is None else {"test": points.numpy()}),
    }


def _silent(items: Iterable, label: str) -> Iterable:
    return items


def _test_rows(data: Target, asked: int) -> int:
    """At most as many held-out rows as a data set has."""
    counts = getattr(data, "counts", None)
    return asked if counts is None else min(asked, counts["test"])
