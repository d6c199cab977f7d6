# Makes the small models of this folder: coremltools 9.0, NumPy 2.2, protobuf as
# coremltools asks for. Run from this folder.
import zipfile, json, io, os, sys
import numpy as np
import coremltools as ct
from coremltools.models import datatypes, neural_network as nn
from coremltools.converters.mil import Builder as mb
from coremltools.converters.mil.mil import types

r = np.random.RandomState(0)


def network():
    b = nn.NeuralNetworkBuilder([("image", datatypes.Array(3, 8, 8))], [("probs", None)], mode="classifier")
    b.add_convolution("conv", 3, 4, 3, 3, 2, 2, "same", 1, r.randn(3, 3, 3, 4).astype("f"), r.randn(4).astype("f"), True, input_name="image", output_name="conv")
    b.add_activation("relu", "RELU", "conv", "relu")
    b.add_pooling("pool", 3, 3, 2, 2, "MAX", "INCLUDE_LAST_PIXEL", "relu", "pool", padding_top=0, padding_left=0)
    b.add_pooling("mean", 0, 0, 1, 1, "AVERAGE", "VALID", "pool", "mean", is_global=True)
    b.add_flatten("flat", 0, "mean", "flat")
    b.add_softmax("soft", "flat", "probs")
    b.set_class_labels(["a", "b", "c", "d"], "label", "probs")
    b.set_input([b.spec.description.input[0].name], [(3, 8, 8)])
    b.set_pre_processing_parameters(image_input_names=["image"], is_bgr=True, red_bias=-1, green_bias=-2, blue_bias=-3, image_scale=0.5)
    return b.spec


def program():
    @mb.program(input_specs=[mb.TensorSpec((1, 2, 6))], opset_version=ct.target.iOS16)
    def prog(x):
        y = mb.conv(x=x, weight=r.randn(4, 2, 3).astype("f"), pad_type="same")
        y = mb.gelu(x=y)
        z = mb.cond(pred=mb.greater(x=mb.reduce_sum(x=y), y=0.0), _true_fn=lambda: mb.add(x=y, y=1.0), _false_fn=lambda: mb.mul(x=y, y=2.0))
        return mb.layer_norm(x=z, axes=[-1])
    return ct.convert(prog, convert_to="mlprogram", compute_precision=ct.precision.FLOAT32, minimum_deployment_target=ct.target.iOS16).get_spec()


for name, spec in [("network", network()), ("program", program())]:
    with open(name + ".mlmodel", "wb") as f:
        f.write(spec.SerializeToString())
