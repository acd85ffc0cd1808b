"""Which implementation of a convolution torch takes on a CPU."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class FastConvolutions(TorchFunctionMode):
    """Within its block, 3D convolutions of one image on a CPU are oneDNN's, in float32 too.

    Torch's own choice (`use_mkldnn` in its Convolution.cpp) is oneDNN for two images, but for one only where the
    product of channels and first two axes is above 20,480: most levels of a U-Net, on a processor without bfloat16, are
    left to a routine that takes several times longer.
    """

    def __torch_function__(
        self, function: Callable, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, or oneDNN in its place."""
        if function is torch.conv3d and len(args) == 7 and _is_left_out(args[0]):  # as torch's own layers call it
            image, weight, bias, stride, padding, dilation, groups = args
            if not isinstance(padding, str):
                return torch.mkldnn_convolution(image, weight, bias, padding, stride, dilation, groups)
        return function(*args, **kwargs or {})


def _is_left_out(image: Tensor) -> bool:
    """Whether it is one image in float32 on a CPU that has oneDNN, and no gradient or autocast is wanted."""
    return (
        image.device.type == "cpu"
        and image.dtype == torch.float32
        and len(image) == 1
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
    )
