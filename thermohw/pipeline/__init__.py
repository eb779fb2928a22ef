"""The main job: from a SPEC to a stored run."""

from thermohw.pipeline.pool import pool
from thermohw.pipeline.record import Run
from thermohw.pipeline.run import run_spec
from thermohw.pipeline.simulate import simulate
from thermohw.pipeline.spec import Spec, load_spec, read_spec, spec_names

__all__ = ["Run", "Spec", "load_spec", "pool", "read_spec", "run_spec", "simulate", "spec_names"]
