"""The same U-Net as the peers build it: four levels of `FEATURES`, three classes, no deep supervision."""

from collections.abc import Callable
from functools import partial

from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from monai.networks.nets import DynUNet, SegResNet
from torch import nn

from benchmarks.timing import DEFAULT_NETWORK
from mtseg.networks import JointNet

OURS = "mtseg"
CHECKPOINTING = "mtseg with gradient checkpointing"
FEATURES = (16, 32, 64, 128)
STRIDES = (1, 2, 2, 2)
CLASSES = DEFAULT_NETWORK["mask_classes"]
_NNUNET = {
    "input_channels": 1,
    "n_stages": len(FEATURES),
    "features_per_stage": FEATURES,
    "conv_op": nn.Conv3d,
    "kernel_sizes": 3,
    "strides": STRIDES,
    "num_classes": CLASSES,
    "conv_bias": True,
    "norm_op": nn.InstanceNorm3d,
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "nonlin": nn.LeakyReLU,
    "nonlin_kwargs": {"inplace": True},
}
_joint = partial(JointNet, **DEFAULT_NETWORK, channels=FEATURES)
_residual = partial(ResidualEncoderUNet, **_NNUNET, n_conv_per_stage_decoder=1)

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    OURS: _joint,
    CHECKPOINTING: partial(_joint, gradient_checkpointing=True),
    "nnU-Net, PlainConvUNet": partial(PlainConvUNet, **_NNUNET, n_conv_per_stage=2, n_conv_per_stage_decoder=2),
    "nnU-Net, ResidualEncoderUNet, 1 block a level": partial(_residual, n_blocks_per_stage=1),
    "nnU-Net, ResidualEncoderUNet, its 1-3-4-6 blocks": partial(_residual, n_blocks_per_stage=[1, 3, 4, 6]),
    "MONAI, DynUNet with residual blocks": partial(
        DynUNet, 3, 1, CLASSES, [3] * 4, STRIDES, STRIDES[1:], filters=FEATURES, res_block=True
    ),
    "MONAI, SegResNet": partial(SegResNet, 3, FEATURES[0], 1, CLASSES, blocks_down=(1, 1, 1, 1), blocks_up=(1, 1, 1)),
}
