"""The house as its files tell it: which module imports which, and what classes are called."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import thermohw

PACKAGE = Path(thermohw.__file__).resolve().parent

# `Target.score` names the type that the score room, one floor above, hands down at run time.
HANDED_DOWN = ("thermohw.target.base", "thermohw.score.exact")


@cache
def _trees() -> dict[str, tuple[ast.Module, bool]]:
    """Name of every module -> what stands in it, and whether it is a package."""
    trees = {}
    # Experiments stand beside the package and are reached through a link in it.
    for path in [*PACKAGE.rglob("*.py"), *(PACKAGE / "experiments").rglob("*.py")]:
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if package else parts)
        trees[name] = ast.parse(path.read_text(encoding="utf-8")), package
    return trees


def _imports(name: str) -> set[str]:
    """What a module imports of the package: at its head, for types alone, in functions."""
    modules, (tree, package) = _trees(), _trees()[name]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = name.split(".")[: None if package and node.level == 1 else -node.level or None]
            base = ".".join([*up, node.module or ""]).rstrip(".") if node.level else node.module
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in modules else str(base))
    return (found & modules.keys()) - {name}


def test_no_modules_import_each_other():
    graph = {name: _imports(name) for name in _trees()}
    assert "thermohw.units" in graph["thermohw.datasheet.rated"]  # it does see imports
    pairs = [(a, b) for a in graph for b in graph[a] if a < b and a in graph[b]]
    assert not pairs
    graph[HANDED_DOWN[0]].remove(HANDED_DOWN[1])
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"a circle of imports: {' <- '.join(error.args[1])}") from None


def test_no_two_classes_have_one_name():
    names = Counter(
        node.name
        for tree, _ in _trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    assert names["Audit"] == 1
    assert [name for name, count in names.items() if count > 1] == []
