"""Whether another library is there: it is only looked for, since to import one may compile."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from ostinato.core.recurrence import Recurrence
from ostinato.core.state import leaves

# Where kernels of peers run.
DEVICES = ("cuda",)
# Below the reference, which takes everything: `auto` never gets here.
RANK = -10


def missing(module: str, package: str) -> str | None:
    """What to install, or None if `module` is there.

    Args:
        module: what is imported.
        package: the name under which it is installed.
    """
    if module in sys.modules or find_spec(module) is not None:
        return None
    return (
        f"{module!r} is not installed; it needs a CUDA device and brings requirements of its own: "
        f"pip install {package}"
    )


def unfit(recurrence: Recurrence, dtypes: Sequence[str] = ("float32",)) -> str | None:
    """What about the call kernels of peers do not take.

    Args:
        recurrence: the call.
        dtypes: of its state that they take, as torch names them.
    """
    if recurrence.valid is not None or recurrence.restart is not None:
        return "its kernels have no lengths and no resets"
    if recurrence.checkpoint is not None:
        return "its kernels store what they like, so it cannot honour checkpoint"
    if recurrence.steps == 0:
        return "there are no steps"
    return elsewhere(recurrence, dtypes)


def elsewhere(recurrence: Recurrence, dtypes: Sequence[str]) -> str | None:
    """Why the state of the call is not where, or not what, kernels of peers can read."""
    if not {str(leaf.dtype) for leaf in leaves(recurrence.init)} <= {f"torch.{d}" for d in dtypes}:
        return off_device(recurrence) or f"it is asked for {', '.join(dtypes)} only"
    return off_device(recurrence)


def off_device(recurrence: Recurrence) -> str | None:
    """Why the state of the call is not where kernels of peers can read it."""
    if any(leaf.device.type not in DEVICES for leaf in leaves(recurrence.init)):
        return "its kernels run on a CUDA device only"
    return None
