"""experiments/: one folder a study, names that say what is in them, nothing that nobody uses."""

import ast
from pathlib import Path

import pytest

import thermohw
from thermohw import experiments
from thermohw.study.catalogue import CONCLUSIONS, SHARED, find_study, sources, study_names

ROOM = Path(experiments.__file__).resolve().parent
MODULES = sorted(ROOM.rglob("*.py"))


def test_no_module_hides_and_none_is_longer_than_400_lines():
    hidden = [m for m in MODULES if m.name.startswith("_") and m.name != "__init__.py"]
    long = {m.name: n for m in MODULES if (n := len(m.read_text().splitlines())) > 400}
    assert not hidden and not long
    assert [m.name for m in ROOM.glob("*.py")] == ["__init__.py"]


def test_every_module_is_used_and_shared_ones_by_several_studies():
    users: dict[Path, set[str]] = {}
    for name in study_names():
        for module in sources(ROOM / name / "__init__.py", conclusions=True):
            users.setdefault(module, set()).add(name)
    idle = [m for m in MODULES if m not in users and m != ROOM / "__init__.py"]
    assert not idle
    for module, names in users.items():
        home = module.relative_to(ROOM).parts[0]
        if home == SHARED and module.name != "__init__.py":
            assert len(names) > 1, f"{module.name} belongs to {names}"
        elif home != SHARED:
            assert names == {home}, f"{home}/{module.name} is used by {names}"


@pytest.mark.parametrize("name", study_names())
def test_what_cells_come_from_does_not_lean_on_what_is_concluded(name):
    folder = ROOM / name
    computing = sources(folder / "__init__.py")
    assert folder / "compute.py" in computing and folder / "findings.py" not in computing
    for module in computing:
        if module == folder / "__init__.py":
            continue
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not node.level  # `sources` follows absolute ones
                names = {*(node.module or "").split("."), *(a.name for a in node.names)}
                shipped = (node.module or "").startswith("thermohw.experiments")
                assert not (shipped and names & set(CONCLUSIONS))


def test_the_code_of_cells_is_not_that_of_figures(monkeypatch):
    """A shipped study's digest changes with what computes, and not with what draws."""
    read = Path.read_bytes

    def digest(touched: str) -> str:
        def changed(path: Path) -> bytes:
            return read(path) + (b"\n#" if str(path).endswith(touched) else b"")

        monkeypatch.setattr(Path, "read_bytes", changed)
        return find_study("bound_sweep").digest

    base = find_study("bound_sweep").digest
    assert digest("bound_sweep/figures.py") == base == digest("bound_sweep/findings.py")
    for touched in ("bound_sweep/compute.py", "bound_sweep/__init__.py", "shared/paired.py"):
        assert digest(touched) != base


def test_a_folder_of_a_checkout_is_the_study_of_that_name():
    found = find_study(ROOM / "clock_speed" / "__init__.py")
    assert found.name == "clock_speed" and found.digest == find_study("clock_speed").digest


def test_no_class_is_called_like_another():
    package = Path(thermohw.__file__).resolve().parent
    names: dict[str, set[Path]] = {}
    for module in {path.resolve() for path in [*MODULES, *package.rglob("*.py")]}:
        for node in ast.parse(module.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                names.setdefault(node.name, set()).add(module)
    ours = {name for name, homes in names.items() if any(ROOM in home.parents for home in homes)}
    assert "Mirrored" in ours
    assert not {name: names[name] for name in ours if len(names[name]) > 1}
