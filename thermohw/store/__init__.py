"""Stored runs: one HDF5 file a run, valid H5MD 1.1, safe against a kill at any moment.

The room knows named channels with units and no physics. `Layout` says what a file holds,
`RunWriter` fills it unit by unit, `RunReader` reads it back and believes it as far as its checksums
go, `verify` checks a whole file against itself.
The format is specified in docs/format.md.
"""

from thermohw.store.layout import Channel, Layout, Result, Unit, time_block
from thermohw.store.opening import one_line
from thermohw.store.parameters import content_hash, required
from thermohw.store.provenance import changed, provenance
from thermohw.store.reader import HISTOGRAM, MOMENTS, PRODUCTS, SAMPLE, Entry, RunReader, Series
from thermohw.store.reserve import check_new
from thermohw.store.state import state_bytes
from thermohw.store.statistics import CELLS, COLUMNS, Statistics
from thermohw.store.verify import Finding, verify
from thermohw.store.writer import RunWriter

__all__ = [
    "CELLS",
    "COLUMNS",
    "HISTOGRAM",
    "MOMENTS",
    "PRODUCTS",
    "SAMPLE",
    "Channel",
    "Entry",
    "Finding",
    "Layout",
    "Result",
    "RunReader",
    "RunWriter",
    "Series",
    "Statistics",
    "Unit",
    "changed",
    "check_new",
    "content_hash",
    "one_line",
    "provenance",
    "required",
    "state_bytes",
    "time_block",
    "verify",
]
