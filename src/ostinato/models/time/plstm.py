"""pLSTM over a sequence: linear attention with source, transition and mark, and state tracking.

Every head computes::

    C_t[d,v,i] = Σ_j T_t[i,j] C_{t−1}[d,v,j] + Σ_{a,b} S_t[i,a,b] k_t[d,a] v_t[v,b]
    h_t[v,i]   = K^{−1/2} Σ_{d,a} q_t[d,a] (Σ_j M_t[i,a,j] C_{t−1}[d,v,j]
                                            + Σ_{b,c} D_t[i,a,b,c] k_t[d,b] v_t[v,c])
    y_t = W_out HeadRMSNorm(h_t)

T is held stable (`stable_transition`); S, M and D are sigmoids; all are affine in x_t, or, with a
kernel, in a causal convolution of x for each channel. With J states that T mixes, a head can follow
a state machine. What is read is the state *before* the step, so a step reaches its own output
through D alone.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ostinato.core.errors import ArgumentError
from ostinato.core.form import Form, FormDecision
from ostinato.core.recurrence import checkpoint_interval
from ostinato.core.registry import tell_form
from ostinato.core.sequence import restart_steps, valid_steps
from ostinato.core.state import State, check_like, map_state
from ostinato.engines.parallel.affine import affine_scan
from ostinato.models.bias_only import BiasOnly, affine
from ostinato.models.head_rms_norm import HeadRMSNorm
from ostinato.models.time.causal_convolution import CausalConvolution
from ostinato.models.time.stable_transition import stable_transition, transition_numbers
from ostinato.models.tracking import Tracking
from ostinato.over.grid import line_scan
from ostinato.over.layer import Options, SequenceLayer

__papers__ = ("plstm",)


class LinePLSTM(SequenceLayer):
    """Mix the steps of a sequence: (B, T, D) to (B, T, D).

    Args:
        size: D.
        heads: how many; a divisor of D.
        tracking: sizes of the gates; all 1 by default.
        transition: form of T, see `stable_transition`.
        block: how many steps are computed together, a power of two.
        reverse: run from the last step to the first, as for `RNN`.
        tied: let queries be the keys.
        scale: of the queries; None: K^{−1/2}.
        weights: let gates depend on the input; False: biases only.
        kernel: how many steps a convolution of the gates' inputs sees; None: no convolution.
        block_diagonal: let the gates of a head read its own D/heads features only.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: the state is C (B, heads, states, K, V); with a convolution the pair of its last inputs
    (B, kernel − 1, D) and C.

    Raises:
        ArgumentError: if the heads do not divide D, there is no such form, queries that are keys
            are not as many, there are no weights for an option to act on, or a convolution is to
            run backwards.
    """

    def __init__(
        self,
        size: int,
        heads: int,
        tracking: Tracking | None = None,
        transition: str = "diagonal",
        block: int = 64,
        *,
        reverse: bool = False,
        tied: bool = False,
        scale: float | None = None,
        weights: bool = True,
        kernel: int | None = None,
        block_diagonal: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if heads < 1 or size % heads:
            raise ArgumentError(f"heads must divide the size {size}; got heads={heads}.")
        _check_gates(weights, kernel, block_diagonal, reverse)
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        self.tracking = j = tracking or Tracking()
        self.heads, self.width, self.transition, self.block = (
            heads,
            size // heads,
            transition,
            block,
        )
        self.reverse, self.tied, self.scale = reverse, tied, scale
        self.input = nn.Linear(size, size * sum(j.vectors(tied)), False, **on)
        self.sizes = (
            transition_numbers(transition, j.states),
            j.states * j.written,
            j.read * j.states,
            j.read * j.written,
        )
        parts = heads if block_diagonal else 1
        self.gates = affine(size, heads * sum(self.sizes), weights, parts, **on)
        self.convolution = None if kernel is None else CausalConvolution(size, kernel, **on)
        self.norm = HeadRMSNorm(heads, self.width * j.outputs, **on)
        self.output = nn.Linear(size * j.outputs, size, False, **on)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Begin with long memory: gates that depend on the input little, T near its bound."""
        for linear in (self.input, self.output):
            nn.init.normal_(linear.weight, std=(0.4 / linear.in_features) ** 0.5)
        if not isinstance(self.gates, BiasOnly):
            weight = self.gates.weight
            nn.init.normal_(weight, std=0.1 * weight.shape[-1] ** -0.5)
        assert self.gates.bias is not None
        bias = torch.unflatten(self.gates.bias, 0, (self.heads, sum(self.sizes)))
        transition, source, mark, direct = torch.split(bias, list(self.sizes), -1)
        transition.normal_(std=0.1)
        transition[:, -self.tracking.states :] += 1
        for gate, value in ((source, -4), (mark, -4), (direct, -6)):
            gate.fill_(value)

    def initial_state(self, batch_size: int) -> State:
        """Zeros (B, heads, states, K, V), behind those of a convolution if there is one."""
        shape = self.heads, self.tracking.states, self.width, self.width
        fresh = self.output.weight.new_zeros(batch_size, *shape)
        return self._joined(self.convolution and self.convolution.initial_state(batch_size), fresh)

    def run(self, x: Tensor, state: State | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, D); returns outputs, state[, states]."""
        begin = self.initial_state(len(x))
        if state is not None:
            check_like(state, begin, "The given state", "Pass None, or what the layer returned.")
            begin = state
        past, init = begin if self.convolution else (None, begin)
        forms = {"blocks": Form(f"up to {self.block} steps at once, as one masked attention")}
        tell_form(FormDecision(type(self).__name__, x, state, "blocks", "blocks", forms))
        valid, restart = _masks(x, options, self.reverse)
        if self.reverse:
            # Padding then comes first, where the state is held.
            x = x.flip(1)
        if valid is not None:
            x = x.masked_fill(~valid[..., None], 0)
        if not x.shape[1]:
            empty = map_state(lambda leaf: leaf[:, None].expand(-1, 0, *leaf.shape[1:]), begin)
            return (x, begin, empty) if options.return_states else (x, begin)
        read, *pasts = (
            self.convolution.run(x, past, options) if self.convolution else (x, None, None)
        )
        q, k, v = self._vectors(x)
        t, s, m, d = self._gates(read)
        if restart is not None:
            # a fresh state is zero: what is not passed on and not read is forgotten
            cut = restart[:, None, :, None, None]
            t, m = t.masked_fill(cut, 0), m.masked_fill(cut, 0)
        if valid is not None:
            hold = ~valid[:, None, :, None, None]
            t = torch.where(hold, torch.eye(t.shape[-1], dtype=t.dtype, device=t.device), t)
            s = s.masked_fill(hold, 0)
        every = checkpoint_interval(options.checkpoint, x.shape[1])
        h, last = self._scan((q, k, v, t, s, m, d), init, every)
        h = self.tracking.summed(h)  # (B, heads, T, outputs, V)
        y = self.output(self.norm(h.transpose(1, 2).flatten(-2)).flatten(-2))
        if valid is not None:
            y = y.masked_fill(~valid[..., None], 0)
        every_step = (_states(t, s, k, v, init),) if options.return_states else ()
        y, *states = (each.flip(1) if self.reverse else each for each in (y, *every_step))
        return (y, *map(self._joined, pasts, (last, *states)))

    def _joined(self, past: State | None, states: Tensor) -> State:
        """The state, or all, as it is handed on."""
        return states if past is None else (past, states)

    def step(
        self, x: Tensor, state: State | None = None, noise: State | None = None
    ) -> tuple[Tensor, State]:
        """Run one step of a stream; see `SequenceLayer.step`."""
        y, new = self.run(x[:, None], state, Options())
        return y[:, 0], new

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return (
            f"heads={self.heads}, transition={self.transition!r}, {self.tracking}, "
            f"reverse={self.reverse}, tied={self.tied}, scale={self.scale}"
        )

    def _scan(
        self, parts: tuple[Tensor, ...], init: Tensor, every: int | None
    ) -> tuple[Tensor, Tensor]:
        """Outputs and C after the last step; between every so many steps, C alone is stored."""

        def steps(init: Tensor, *parts: Tensor) -> tuple[Tensor, Tensor]:
            h, last = line_scan(*parts, block=self.block, init=init, scale=self.scale)
            return h, last.to(init.dtype)  # autocast would round what a stream hands back

        if every is None:
            return steps(init, *parts)
        outputs = list[Tensor]()
        for some in zip(*(torch.split(each, every, 2) for each in parts), strict=True):
            h, init = checkpoint(steps, init, *some, use_reentrant=False)
            outputs.append(h)
        return torch.cat(outputs, 2), init

    def _vectors(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries for every (output, query), keys and values for every (key, value)."""
        j = self.tracking
        parts = torch.unflatten(self.input(x), -1, (self.heads, -1, self.width)).transpose(1, 2)
        vectors = j.vectors(self.tied)
        *q, k, v = torch.split(parts, [*vectors[2:], *vectors[:2]], -2)
        return j.paired(q[0] if q else k, k, v)

    def _gates(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """T, S, M and D as matrices (B, heads, T, ·, ·)."""
        j = self.tracking
        affine = torch.unflatten(self.gates(x), -1, (self.heads, -1)).transpose(1, 2)
        transition, source, mark, direct = torch.split(affine, list(self.sizes), -1)
        return (
            stable_transition(self.transition, transition, j.states),
            torch.unflatten(source.sigmoid(), -1, (j.states, -1)),
            torch.unflatten(mark.sigmoid(), -1, (-1, j.states)),
            torch.unflatten(direct.sigmoid(), -1, (j.read, -1)),
        )


def _check_gates(weights: bool, kernel: int | None, block_diagonal: bool, reverse: bool) -> None:
    if not weights and (kernel is not None or block_diagonal):
        raise ArgumentError(
            "Gates of biases only read no input: leave out kernel and block_diagonal, or "
            f"weights=False; got kernel={kernel}, block_diagonal={block_diagonal}."
        )
    if reverse and kernel is not None:
        raise ArgumentError(
            "The convolution of gates sees the steps before: leave out kernel or reverse=True; "
            f"got kernel={kernel}."
        )


def _masks(x: Tensor, options: Options, reverse: bool) -> tuple[Tensor | None, Tensor | None]:
    """Which steps are valid, and at which the state is fresh, (B, T) each, in running order."""
    batch, steps = x.shape[:2]
    valid = restart = None
    if options.lengths is not None:
        lengths = torch.as_tensor(options.lengths, device=x.device)
        valid = valid_steps(lengths, batch, steps).T
    if options.resets is not None:
        restart = restart_steps(options.resets.to(x.device), batch, steps, reverse).T
    if reverse:
        valid, restart = (mask if mask is None else mask.flip(1) for mask in (valid, restart))
    return valid, restart


def _states(t: Tensor, s: Tensor, k: Tensor, v: Tensor, init: Tensor) -> Tensor:
    """C after every step (B, T, heads, J, K, V)."""
    written = torch.einsum("bhtju,bhtuk,bhtuv->tbhkvj", s, k, v)
    matrices = t.permute(2, 0, 1, 3, 4)[:, :, :, None, None]
    states = affine_scan(matrices, written, init.movedim(2, -1), kind="block")
    return states.movedim(0, 1).movedim(-1, 3)
