"""A tensor without memory that passes for one on its device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Blank(Tensor):
    """Shape and precision of a tensor.

    torch asks it for its device, and applies what depends on that: autocast, defaults of
    factories, the place of literals.

    Attributes:
        bare: the tensor on the device "meta".
        place: the device it passes for.
    """

    bare: Tensor
    place: torch.device

    # Nothing of this class is meant for the user's own overrides.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, bare: Tensor, place: torch.device) -> Blank:
        """Clothe a tensor on the device "meta"."""
        made: Blank = Tensor._make_subclass(
            cls, bare, False, dispatch_device=True, device_for_backend_keys=place
        )
        made.bare, made.place = bare, place
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """The device it passes for."""
        return self.place

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        """Shape and precision, which is all there is."""
        return f"Blank({list(self.shape)}, {self.dtype})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Tell the device; all else is for a recorder."""
        if func is torch.ops.prim.device.default:
            return args[0].place
        raise RuntimeError(f"{func} on a tensor without memory, outside of a recording")
