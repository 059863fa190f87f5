"""Generated code on lesser and on other processors: whole cells, and the headers by themselves."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import torch

import ostinato as ost
from ostinato.bench.steps import HeadsStep
from ostinato.cells import make_cell
from ostinato.engines.fused import kernel, toolchain
from ostinato.engines.fused.routines import routines

from .kernels import needs_compiler

CELLS = {
    "LSTM": lambda: make_cell("LSTM", 5, 33),
    "layer-norm LSTM": lambda: make_cell("LayerNormLSTM", 5, 33),
    "per head": lambda: HeadsStep(5, 36),
}
# The flag, the bytes of a register, and what the processor must have to run it.
TARGETS = {"x86-64-v4": (64, "avx512bw"), "x86-64-v3": (32, "avx2"), "x86-64": (16, "sse2")}
CROSS = shutil.which("aarch64-linux-gnu-g++")
EMULATOR = shutil.which("qemu-aarch64")


@pytest.fixture(params=TARGETS)
def target(request, monkeypatch):
    """Kernels are compiled for a target."""
    width, feature = TARGETS[request.param]
    if feature not in toolchain._cpu().split():
        pytest.skip(f"this processor has no {feature}")
    monkeypatch.setenv("OSTINATO_CXXFLAGS", f"-O1 -march={request.param}")
    routines.cache_clear()
    yield width
    routines.cache_clear()


def outcome(cell, engine, x, state):
    """Outputs, last state and all gradients."""
    x = x.clone().requires_grad_()
    y, last = ost.RNN(cell, engine)(x, state)
    leaves = [y, *(last if isinstance(last, tuple) else (last,))]
    loss = torch.stack([(leaf * leaf + leaf).sum() for leaf in leaves]).sum()
    return [*leaves, *torch.autograd.grad(loss, [x, *cell.parameters()])]


@needs_compiler
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_has_the_same_values_and_gradients_on_every_target(name, target):
    assert routines(torch.float32).register_bytes() == target
    for dtype, bound in ((torch.float32, 2e-4), (torch.float64, 1e-10)):
        cell = CELLS[name]().to(dtype)
        for rows in (1, 7):
            x = torch.randn(rows, 4, 5, dtype=dtype)
            # Not a constant state: layer norm would divide by nothing.
            state = cell.initial_state(rows)
            state = (
                tuple(torch.randn_like(leaf) for leaf in state)
                if isinstance(state, tuple)
                else torch.randn_like(state)
            )
            found, expected = (outcome(cell, e, x, state) for e in ("fused", "reference"))
            torch.testing.assert_close(found, expected, rtol=bound, atol=bound)


HEADERS = r"""
#define SINGLE 1
typedef float real;
#include "matmul.h"
#include <cstdio>
#include <vector>

static bool near(real a, real b) { return std::fabs(a - b) <= 1e-4f * (1 + std::fabs(b)); }

int main() {
  for (int64_t rows : {1, 2, 3, 5, 6, 7, 13, 25})
    for (int64_t k : {1, 2, 17})
      for (int64_t n : {1, 4, 15, 33, 70}) {
        const int64_t panels = (n + PANEL - 1) / PANEL;
        std::vector<real> a(rows * k), w(panels * k * PANEL), c(rows * n);
        for (size_t i = 0; i < a.size(); i++) a[i] = std::sin(real(i));
        for (int64_t i = 0; i < k; i++)
          for (int64_t j = 0; j < n; j++)
            w[(j / PANEL * k + i) * PANEL + j % PANEL] = std::cos(real(i * n + j));
        matmul(rows, k, n, a.data(), k, w.data(), c.data(), n, nullptr, 0);
        for (int64_t r = 0; r < rows; r++)
          for (int64_t j = 0; j < n; j++) {
            real sum = 0;
            for (int64_t i = 0; i < k; i++) sum += a[r * k + i] * std::cos(real(i * n + j));
            if (!near(c[r * n + j], sum)) return std::printf("product %d\n", int(rows)), 1;
          }
        std::vector<real> total(k * n);
        outer(1, rows, k, n, a.data(), 0, k, c.data(), 0, n, total.data(), n);
        for (int64_t i = 0; i < k; i++)
          for (int64_t j = 0; j < n; j++) {
            real sum = 0;
            for (int64_t r = 0; r < rows; r++) sum += a[r * k + i] * c[r * n + j];
            if (!near(total[i * n + j], sum)) return std::printf("outer %d\n", int(rows)), 1;
          }
      }
  for (real x = -20; x < 20; x += 0.37f) {
    if (!near(tanh_(splat(x))[0], std::tanh(x))) return std::puts("tanh"), 1;
    if (!near(sigmoid_(splat(x))[0], 1 / (1 + std::exp(-x)))) return std::puts("sigmoid"), 1;
    if (!near(exp_(splat(x))[LANES - 1], std::exp(x))) return std::puts("exp"), 1;
  }
  std::printf("%d bytes\n", WIDTH);
}
"""


def built(compiler, flags, tmp_path):
    """A program of the headers alone."""
    (tmp_path / "unit.cpp").write_text(HEADERS)
    portable = [f for f in toolchain.FLAGS if f not in ("-march=native", "-shared", "-w", "-O3")]
    command = [
        *compiler,
        *portable,
        "-O2",
        *flags,
        f"-I{toolchain.HEADERS}",
        "unit.cpp",
        "-o",
        "run",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    return str(tmp_path / "run")


@needs_compiler
@pytest.mark.parametrize("name", TARGETS)
def test_the_headers_by_themselves(name, tmp_path):
    width, feature = TARGETS[name]
    if feature not in toolchain._cpu().split():
        pytest.skip(f"this processor has no {feature}")
    program = built(toolchain.find_compiler(), [f"-march={name}"], tmp_path)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == (f"{width} bytes\n", 0)


@pytest.mark.skipif(CROSS is None, reason="no compiler for aarch64")
def test_the_headers_on_aarch64(tmp_path):
    program = built([CROSS], ["-static"], tmp_path)
    if EMULATOR is None:
        pytest.skip("they compile, but nothing runs them here")
    done = subprocess.run([EMULATOR, program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("16 bytes\n", 0)


@needs_compiler
@pytest.mark.skipif(CROSS is None, reason="no compiler for aarch64")
@pytest.mark.parametrize("name", CELLS)
def test_generated_cells_compile_for_aarch64(name, tmp_path, monkeypatch):
    sources = []
    original = kernel.load
    monkeypatch.setattr(kernel, "load", lambda source: sources.append(source) or original(source))
    monkeypatch.setenv("OSTINATO_CXXFLAGS", "-O1")
    for dtype in (torch.float32, torch.float64):
        ost.RNN(CELLS[name]().to(dtype), "fused")(torch.randn(2, 3, 5, dtype=dtype))
    assert any("double" in source for source in sources)
    for source in sources:
        flags = [f for f in toolchain.FLAGS if f != "-march=native"]
        command = [CROSS, *flags, "-O1", "-Werror", f"-I{toolchain.HEADERS}", "-x", "c++", "-"]
        done = subprocess.run(
            [*command, "-o", str(tmp_path / "unit.so")], input=source, capture_output=True,
            text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
