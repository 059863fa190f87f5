"""The recurrence of a matrix state as Triton kernels, with one decay for all keys.

One program takes a head through time and keeps its matrix in registers; chunkwise.py has the
equations. The n updates of a step are n rows, of which the first decays and the last reads. Here
the inverse is made of blocks on the diagonal that double in size, as in triangular.py, by masks
instead of slices.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"
from __future__ import annotations

import triton
import triton.language as tl

if triton.knobs.runtime.interpret:
    from ostinato.engines.fused.device.interpreted import steps
else:
    steps = tl.range


@triton.jit
def rows_of(base, stride, row, there, column, size):
    """Rows (C, size) of an operand, filled up with zeros, in float32 at least."""
    mask = there[:, None] & (column < size)[None, :]
    return tl.load(base + row[:, None] * stride + column[None, :], mask=mask, other=0.0)


@triton.jit
def put_rows(base, stride, row, there, column, size, x):
    """The inverse of `rows_of`."""
    mask = there[:, None] & (column < size)[None, :]
    tl.store(base + row[:, None] * stride + column[None, :], x, mask=mask)


@triton.jit
def decayed_since(g, stride, first, i, n, T, GATED: tl.constexpr, C: tl.constexpr):
    """Γ of the rows of a chunk in float64, since the sums of a chunk may be large."""
    step = (first + i) // n
    begins = ((first + i) % n == 0) & (step < T)
    gamma = tl.zeros((C,), tl.float64)
    if GATED:
        own = tl.load(g + step * stride, mask=begins, other=0.0).to(tl.float64)
        gamma = tl.cumsum(tl.maximum(own, -800.0), 0)
    return gamma


@triton.jit
def between(gamma, i, like):
    """e^{Γ_i − Γ_j} (C, C), zero where j > i."""
    difference = gamma[:, None] - gamma[None, :]
    known = i[:, None] >= i[None, :]
    return tl.where(known, tl.exp(tl.where(known, difference, 0.0).to(like.dtype)), 0.0)


@triton.jit
def inverse(a, i, C: tl.constexpr, PRECISION: tl.constexpr):
    """(I + A)⁻¹ of a strictly lower triangular A (C, C)."""
    found = tl.where(i[:, None] == i[None, :], 1.0, 0.0).to(a.dtype)
    half = 1
    # A loop, not written out: ten products at once would find no registers.
    while half < C:
        row, column = i[:, None] // half, i[None, :] // half
        lower = (row % 2 == 1) & (column == row - 1)
        step = tl.dot(tl.where(lower, a, 0.0), found, input_precision=PRECISION)
        found -= tl.dot(found, step, input_precision=PRECISION)
        half *= 2
    return found


@triton.jit
def forward(
    q, k, v, g, erase, beta, o, first, last, starts, written,
    q_batch, q_head, q_time, k_batch, k_head, k_time, v_batch, v_head, v_time,
    g_batch, g_head, g_time, erase_batch, erase_head, erase_time,
    beta_batch, beta_head, beta_time, o_batch, o_head, o_time,
    T, heads, chunks, n, keys, values, scale,
    GATED: tl.constexpr, ERASES: tl.constexpr, SCALED: tl.constexpr, KEEP: tl.constexpr,
    C: tl.constexpr, K: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """o and the last state; with KEEP, the first state and N of every chunk."""
    row = tl.program_id(0).to(tl.int64)
    b, h = row // heads, row % heads
    q, k, v, o = (
        q + b * q_batch + h * q_head, k + b * k_batch + h * k_head,
        v + b * v_batch + h * v_head, o + b * o_batch + h * o_head,
    )  # fmt: skip
    g, erase = g + b * g_batch + h * g_head, erase + b * erase_batch + h * erase_head
    beta = beta + b * beta_batch + h * beta_head
    i, key, value = tl.arange(0, C), tl.arange(0, K), tl.arange(0, V)
    place = key[:, None] * values + value[None, :]
    there = (key < keys)[:, None] & (value < values)[None, :]
    s = tl.load(first + row * keys * values + place, mask=there, other=0.0)
    for m in steps(chunks):
        at = m * C + i
        here, reads = at < T * n, (at < T * n) & (at % n == n - 1)
        if KEEP:
            tl.store(starts + (row * chunks + m) * keys * values + place, s, mask=there)
        kk = rows_of(k, k_time, at, here, key, keys)
        new = rows_of(v, v_time, at, here, value, values)
        gamma = decayed_since(g, g_time, m * C, i, n, T, GATED, C)
        table, enter = between(gamma, i, s), tl.exp(gamma.to(s.dtype))
        part = tl.full((C,), 1.0, s.dtype)
        if SCALED:
            part = tl.load(beta + at * beta_time, mask=here, other=0.0)
            new = new * part[:, None]
        if ERASES:
            a = rows_of(erase, erase_time, at, here, key, keys) * part[:, None]
            scores = tl.dot(a, tl.trans(kk), input_precision=PRECISION) * table
            scores = tl.where(i[:, None] > i[None, :], scores, 0.0)
            new -= tl.dot(a * enter[:, None], s, input_precision=PRECISION)
            new = tl.dot(inverse(scores, i, C, PRECISION), new, input_precision=PRECISION)
        qq = rows_of(q, q_time, at // n, reads, key, keys) * scale
        weights = tl.dot(qq, tl.trans(kk), input_precision=PRECISION) * table
        out = tl.dot(qq * enter[:, None], s, input_precision=PRECISION)
        out += tl.dot(weights, new, input_precision=PRECISION)
        put_rows(o, o_time, at // n, reads, value, values, out)
        if KEEP:
            whole_row = tl.full((C,), True, tl.int1)
            put_rows(written + row * chunks * C * values, values, at, whole_row, value, values, new)
        total = tl.sum(tl.where(i == C - 1, gamma, 0.0), 0)
        leave = tl.exp((total - gamma).to(s.dtype))
        s = s * tl.exp(total.to(s.dtype))
        s += tl.dot(tl.trans(kk * leave[:, None]), new, input_precision=PRECISION)
    tl.store(last + row * keys * values + place, s, mask=there)


@triton.jit
def backward(
    q, k, v, g, erase, beta, o, dq, dk, dv, dg, derase, dbeta,
    starts, written, grad_first, grad_last,
    q_batch, q_head, q_time, k_batch, k_head, k_time, v_batch, v_head, v_time,
    g_batch, g_head, g_time, erase_batch, erase_head, erase_time,
    beta_batch, beta_head, beta_time, o_batch, o_head, o_time,
    dq_batch, dq_head, dq_time, dk_batch, dk_head, dk_time, dv_batch, dv_head, dv_time,
    dg_batch, dg_head, dg_time, derase_batch, derase_head, derase_time,
    dbeta_batch, dbeta_head, dbeta_time,
    T, heads, chunks, n, keys, values, scale,
    GATED: tl.constexpr, ERASES: tl.constexpr, SCALED: tl.constexpr,
    C: tl.constexpr, K: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The gradients, from the last chunk to the first; `o` is the gradient of o.

    `dq` is by rows, of which the last of a step counts, and so is `dg`, of which the first does.
    """
    row = tl.program_id(0).to(tl.int64)
    b, h = row // heads, row % heads
    q, k, v, o = (
        q + b * q_batch + h * q_head, k + b * k_batch + h * k_head,
        v + b * v_batch + h * v_head, o + b * o_batch + h * o_head,
    )  # fmt: skip
    g, erase = g + b * g_batch + h * g_head, erase + b * erase_batch + h * erase_head
    beta = beta + b * beta_batch + h * beta_head
    dq, dk, dv = (
        dq + b * dq_batch + h * dq_head, dk + b * dk_batch + h * dk_head,
        dv + b * dv_batch + h * dv_head,
    )  # fmt: skip
    dg, derase = dg + b * dg_batch + h * dg_head, derase + b * derase_batch + h * derase_head
    dbeta = dbeta + b * dbeta_batch + h * dbeta_head
    i, key, value = tl.arange(0, C), tl.arange(0, K), tl.arange(0, V)
    place = key[:, None] * values + value[None, :]
    there = (key < keys)[:, None] & (value < values)[None, :]
    ds = tl.load(grad_last + row * keys * values + place, mask=there, other=0.0)
    for back in steps(chunks):
        m = chunks - 1 - back
        at = m * C + i
        here, reads = at < T * n, (at < T * n) & (at % n == n - 1)
        s = tl.load(starts + (row * chunks + m) * keys * values + place, mask=there, other=0.0)
        whole_row = tl.full((C,), True, tl.int1)
        new = rows_of(written + row * chunks * C * values, values, at, whole_row, value, values)
        kk = rows_of(k, k_time, at, here, key, keys)
        qq = rows_of(q, q_time, at // n, reads, key, keys) * scale
        do = rows_of(o, o_time, at // n, reads, value, values)
        gamma = decayed_since(g, g_time, m * C, i, n, T, GATED, C)
        table, enter = between(gamma, i, s), tl.exp(gamma.to(s.dtype))
        total = tl.sum(tl.where(i == C - 1, gamma, 0.0), 0)
        leave, whole = tl.exp((total - gamma).to(s.dtype)), tl.exp(total.to(s.dtype))
        weights = tl.dot(qq, tl.trans(kk), input_precision=PRECISION) * table
        y = tl.dot(tl.trans(weights), do, input_precision=PRECISION)
        y += tl.dot(kk * leave[:, None], ds, input_precision=PRECISION)
        part = tl.full((C,), 1.0, s.dtype)
        if SCALED:
            part = tl.load(beta + at * beta_time, mask=here, other=0.0)
        if ERASES:
            a = rows_of(erase, erase_time, at, here, key, keys)
            before = i[:, None] > i[None, :]
            scores = tl.dot(a * part[:, None], tl.trans(kk), input_precision=PRECISION) * table
            solved = inverse(tl.where(before, scores, 0.0), i, C, PRECISION)
            y = tl.dot(tl.trans(solved), y, input_precision=PRECISION)
        put_rows(dv, dv_time, at, here, value, values, y * part[:, None])

        # How far a row reaches: what it reads of the state, and of the rows before it.
        inner = tl.dot(do, tl.trans(new), input_precision=PRECISION) * table
        dqq = tl.dot(do * enter[:, None], tl.trans(s), input_precision=PRECISION)
        dqq += tl.dot(inner, kk, input_precision=PRECISION)
        put_rows(dq, dq_time, at // n, reads, key, keys, dqq * scale)
        passed = tl.dot(new, tl.trans(ds), input_precision=PRECISION) * leave[:, None]
        dkk = passed + tl.dot(tl.trans(inner), qq, input_precision=PRECISION)
        flow = tl.sum(qq * dqq, 1)
        ended = tl.sum(tl.sum(s * ds, 1), 0) * whole + tl.sum(tl.sum(kk * passed, 1), 0)
        if SCALED:
            vv = rows_of(v, v_time, at, here, value, values)
            dpart = tl.sum(y * vv, 1)
        ds = ds * whole
        ds += tl.dot(tl.trans(qq * enter[:, None]), do, input_precision=PRECISION)
        if ERASES:
            aa = a * part[:, None]
            inner = tl.dot(y, tl.trans(new), input_precision=PRECISION) * table
            inner = tl.where(before, -inner, 0.0)
            da = tl.dot(inner, kk, input_precision=PRECISION)
            da -= tl.dot(y * enter[:, None], tl.trans(s), input_precision=PRECISION)
            dkk += tl.dot(tl.trans(inner), aa, input_precision=PRECISION)
            flow += tl.sum(aa * da, 1)
            put_rows(derase, derase_time, at, here, key, keys, da * part[:, None])
            ds -= tl.dot(tl.trans(aa * enter[:, None]), y, input_precision=PRECISION)
            if SCALED:
                dpart += tl.sum(a * da, 1)
        if SCALED:
            tl.store(dbeta + at * dbeta_time, dpart, mask=here)
        put_rows(dk, dk_time, at, here, key, keys, dkk)
        if GATED:
            flow -= tl.sum(kk * dkk, 1)
            following = tl.sum(flow, 0) - tl.cumsum(flow, 0) + flow + ended
            tl.store(dg + (at // n) * dg_time, following, mask=here & (at % n == 0))
    tl.store(grad_first + row * keys * values + place, ds, mask=there)
