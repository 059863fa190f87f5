"""The gradients of the operands, from those of the states; one program for each chunk."""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"
from __future__ import annotations

import triton
import triton.language as tl

from ostinato.engines.chunk.on_device.decayed import ends, passed_on, table, whole
from ostinato.engines.chunk.on_device.rows import (
    block_of,
    parts,
    parts_of,
    put_rows,
    rows_of,
    state_of,
)


@triton.jit
def gradients(
    q, k, v, erase, beta, o, dq, dk, dv, dg, derase, dbeta,
    starts, after, new, grad_new, gamma,
    q_batch, q_head, q_time, k_batch, k_head, k_time, v_batch, v_head, v_time,
    erase_batch, erase_head, erase_time, beta_batch, beta_head, beta_time,
    o_batch, o_head, o_time, dq_batch, dq_head, dq_time, dk_batch, dk_head, dk_time,
    dv_batch, dv_head, dv_time, dg_batch, dg_head, dg_time,
    derase_batch, derase_head, derase_time, dbeta_batch, dbeta_head, dbeta_time,
    T, heads, chunks, n, scale, keys: tl.constexpr, values: tl.constexpr,
    GATED: tl.constexpr, BY_KEY: tl.constexpr, ERASES: tl.constexpr, SCALED: tl.constexpr,
    DELTA: tl.constexpr, C: tl.constexpr, K: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """`o` is the gradient of o; dq is by rows, of which the last of a step counts, and so is dg.

    With DELTA the erase key is k, and dk has the gradients of both.
    """
    chunk, i = tl.program_id(0).to(tl.int64), tl.arange(0, C)
    row, at = chunk // chunks, (chunk % chunks) * C + i
    b, h = row // heads, row % heads
    q, k = q + b * q_batch + h * q_head, k + b * k_batch + h * k_head
    v, o = v + b * v_batch + h * v_head, o + b * o_batch + h * o_head
    erase, beta = erase + b * erase_batch + h * erase_head, beta + b * beta_batch + h * beta_head
    dq, dk = dq + b * dq_batch + h * dq_head, dk + b * dk_batch + h * dk_head
    dv, dg = dv + b * dv_batch + h * dv_head, dg + b * dg_batch + h * dg_head
    derase += b * derase_batch + h * derase_head
    dbeta += b * dbeta_batch + h * dbeta_head
    starts, after = starts + chunk * keys * values, after + chunk * keys * values
    new, grad_new = new + chunk * C * values, grad_new + chunk * C * values
    gamma += chunk * C * (keys if BY_KEY else 1)
    here, reads = at < T * n, (at < T * n) & (at % n == n - 1)
    real = starts.dtype.element_ty
    part = parts_of(beta, beta_time, at, here, real, SCALED)

    # Of the weights between rows: what is read of N, and what of it is erased.
    inner, cross = tl.zeros((C, C), real), tl.zeros((C, C), real)
    dpart, flow, ended = tl.zeros((C,), real), tl.zeros((C,), real), tl.zeros((K,), real)
    for begin in parts(0, values, V, num_stages=1):
        value = begin + tl.arange(0, V)
        do = rows_of(o, o_time, at // n, reads, value, values)
        rows = block_of(new, i, value, values)
        y = block_of(grad_new, i, value, values)
        put_rows(dv, dv_time, at, here, value, values, y * part[:, None])
        inner += tl.dot(do, tl.trans(rows), input_precision=PRECISION)
        if ERASES:
            cross -= tl.dot(y, tl.trans(rows), input_precision=PRECISION)
        if SCALED:
            dpart += tl.sum(y * rows_of(v, v_time, at, here, value, values), 1)
    before = i[:, None] > i[None, :]
    if BY_KEY:
        inner = tl.where(i[:, None] >= i[None, :], inner, 0.0)
    else:
        decay = table(gamma, i, real, GATED)
        inner *= decay
        cross *= decay
    cross = tl.where(before, cross, 0.0)

    for begin in parts(0, keys, K, num_stages=1):
        key = begin + tl.arange(0, K)
        dqq, dkk = tl.zeros((C, K), real), tl.zeros((C, K), real)
        da, both = tl.zeros((C, K), real), tl.zeros((K,), real)
        for first in parts(0, values, V, num_stages=1):
            value = first + tl.arange(0, V)
            s = state_of(starts, key, keys, value, values)
            ds = state_of(after, key, keys, value, values)
            do = rows_of(o, o_time, at // n, reads, value, values)
            rows = block_of(new, i, value, values)
            dqq += tl.dot(do, tl.trans(s), input_precision=PRECISION)
            dkk += tl.dot(rows, tl.trans(ds), input_precision=PRECISION)
            both += tl.sum(s * ds, 1)
            if ERASES:
                y = block_of(grad_new, i, value, values)
                da -= tl.dot(y, tl.trans(s), input_precision=PRECISION)
        enter, leave = ends(gamma, i, key, keys, real, BY_KEY, GATED, C)
        qq = rows_of(q, q_time, at // n, reads, key, keys) * scale
        kk = rows_of(k, k_time, at, here, key, keys)
        dkk *= leave
        both = both * whole(gamma, key, keys, real, BY_KEY, GATED, C) + tl.sum(kk * dkk, 0)
        to_q, to_k = passed_on(inner, qq, kk, gamma, i, key, keys, BY_KEY, C, PRECISION)
        dqq = dqq * enter + to_q
        dkk += to_k
        put_rows(dq, dq_time, at // n, reads, key, keys, dqq * scale)
        passed = qq * dqq
        if ERASES:
            a = rows_of(erase, erase_time, at, here, key, keys)
            aa = a * part[:, None]
            to_a, to_k = passed_on(cross, aa, kk, gamma, i, key, keys, BY_KEY, C, PRECISION)
            da = da * enter + to_a
            dkk += to_k
            passed += aa * da
            if SCALED:
                dpart += tl.sum(a * da, 1)
        passed -= kk * dkk
        if DELTA:
            dkk += da * part[:, None]
        elif ERASES:
            put_rows(derase, derase_time, at, here, key, keys, da * part[:, None])
        put_rows(dk, dk_time, at, here, key, keys, dkk)
        if BY_KEY:
            later = tl.sum(passed, 0)[None, :] - tl.cumsum(passed, 0) + passed + both[None, :]
            put_rows(dg, dg_time, at // n, here & (at % n == 0), key, keys, later)
        elif GATED:
            flow += tl.sum(passed, 1)
            ended += both
    if SCALED:
        tl.store(dbeta + at * dbeta_time, dpart, mask=here)
    if GATED and not BY_KEY:
        later = tl.sum(flow, 0) - tl.cumsum(flow, 0) + flow + tl.sum(ended, 0)
        tl.store(dg + (at // n) * dg_time, later, mask=here & (at % n == 0))
