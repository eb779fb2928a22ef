"""Real runs of earlier releases stay readable: they are audited and reported. Every verdict that
differs from that release's own is listed here, and in CHANGELOG.md with the rule that changed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from thermohw.audit import audit
from thermohw.report import report

FOLDER = Path(__file__).parent.parent / "data" / "golden_0.1.0"
VERDICTS = json.loads((FOLDER / "verdicts.json").read_text())
# checks that 0.1.0 did not have; its files lack the sums
NEW = {"noise_temperature", "noise_correlation", "gain", "filter"}
LIKELIHOOD = ("bound_marginal", "bound_ode", "nll_above_entropy")
CHANGED: dict[tuple[str, str], str] = {
    # 256 paths: skewed samples of -E ln p are no longer judged as if they were normal
    **dict.fromkeys(
        [(run, "sample_law") for run in ("clocked-emf", "clocked-current", "resistance",
                                         "temperature")], "holds"),
    # momenta are thrown away: the samples are the data coordinate
    ("langevin", "sample_law"): "holds",
    # 8 or 16 held-out points: a verdict on a mean needs 30
    **dict.fromkeys(
        [(run, check) for run in ("pixels", "chain", "chain-clocked") for check in LIKELIHOOD],
        "not-applicable"),
}  # fmt: skip


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    """Name -> the unpacked file."""
    folder = tmp_path_factory.mktemp("golden")

    def unpack(name):
        path = folder / f"{name}.h5"
        if not path.exists():
            path.write_bytes(gzip.decompress((FOLDER / f"{name}.h5.gz").read_bytes()))
        return path

    return unpack


@pytest.mark.parametrize("name", sorted(VERDICTS))
def test_verdicts_of_0_1_0(golden, name):
    found = {check.name: check.status for check in audit(golden(name)).checks}
    assert {found.pop(check) for check in NEW} == {"not-applicable"}
    # 0.1.0 stored start states and all paths, and never looked at these
    assert {found.pop(name) for name in ("start_law", "finite_values", "distinct_paths")} == {
        "holds"
    }
    before = VERDICTS[name]
    changed = {key: value for (run, key), value in CHANGED.items() if run == name}
    assert found == before | changed
    assert all(before[key] != value for key, value in changed.items()), "listed but unchanged"


@pytest.mark.parametrize("name", ["clocked-emf", "chain", "langevin", "network", "pixels"])
def test_report_of_0_1_0(golden, name, tmp_path):
    page = report(golden(name), tmp_path / "page.html")
    assert "Second law" in Path(page).read_text()
