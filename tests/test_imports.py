"""Imports point one way, stay light, and the public names are what they claim."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import ostinato as ost

PACKAGE = Path(ost.__file__).parent
ORDER = [
    "core", "compiler", "engines", ("cells", "wrap"), "over", "models", "tasks", "train",
    "analysis", "experiments", "bench", "cli",
]  # fmt: skip
RANK = {
    name: rank
    for rank, names in enumerate(ORDER)
    for name in (names if isinstance(names, tuple) else (names,))
}
# Torch-free files beside the packages: what they hold is data about the project.
TOP = {"__init__", "__main__", "papers"}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def layer_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0] if len(parts) > 1 else None


def imported_layers(path):
    """The packages of ostinato that a file imports, with the line, type-checking blocks too."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [node.module]
            if node.module == "ostinato":
                names = [f"ostinato.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "ostinato" and len(parts) > 1:
                yield parts[1], node.lineno


def test_every_package_has_a_place_in_the_order():
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert packages <= set(RANK)
    assert {path.stem for path in PACKAGE.glob("*.py")} <= TOP


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    layer = layer_of(path)
    if layer is None:
        return
    for other, line in imported_layers(path):
        lower = RANK.get(other, -1) < RANK[layer] and other not in ("__main__",)
        same = other == layer
        assert lower or same or other in ("__version__", "papers"), (
            f"{path}:{line}: {layer} may not import {other}"
        )


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_short_and_named_by_their_content(path):
    assert len(path.read_text().splitlines()) <= 500
    assert path.stem not in {"utils", "helpers", "common", "misc"}


def test_public_names_are_listed_for_type_checkers_too():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.asname: node.module for node in block.body for alias in node.names}
    for name, module in typed.items():
        assert getattr(ost, name).__name__ == name
        assert module.startswith("ostinato.")
        assert hasattr(import_module(module), name)
    assert set(typed) | {"__version__"} == set(ost.__all__)
    assert all(getattr(ost, name).__doc__ for name in typed)
    with pytest.raises(AttributeError, match="no attribute 'LTSM'"):
        _ = ost.LTSM


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_import_alone_loads_nothing_heavy():
    loaded = run_python("import sys, ostinato; print(*sys.modules)").split()
    assert not {"torch", "numpy", "rich", "jsonargparse"} & set(loaded)


def test_the_whole_public_api_adds_little_to_torch():
    """The target is 150 ms on a free machine; the test leaves room for a busy one."""
    code = (
        "import torch, time; start = time.perf_counter(); import ostinato as ost; "
        "[getattr(ost, n) for n in ost.__all__]; ost.scan; "
        "print(time.perf_counter() - start)"
    )
    assert min(float(run_python(code)) for _ in range(3)) < 0.3


def test_no_extra_is_needed_for_the_core():
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['rich', 'jsonargparse', 'accelerate', 'matplotlib',\n"
        "                                  'sklearn', 'pandas', 'tensorboard', 'triton']))\n"
        "import torch, ostinato as ost\n"
        "y, h = ost.GRU(3, 4)(torch.randn(5, 2, 3))\n"
        "from ostinato.cells import cell_names\n"
        "from ostinato.tasks import make_task\n"
        "make_task('copy').batch(0, 2)\n"
        "print(len(cell_names()), y.shape)"
    )
    assert "torch.Size([5, 2, 4])" in run_python(code)
