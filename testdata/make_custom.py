# Makes custom.mlpackage, an ML Program with two custom layers as coremltools writes them: coremltools 9.0, numpy 2.4.6.
# One has weights and parameters of every type, the other takes its inputs in an order that is not that of their names.
import os
import shutil

import coremltools as ct
import numpy as np
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import Operation, types
from coremltools.converters.mil.mil.input_type import InputSpec, TensorInputType
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

here = os.path.dirname(os.path.abspath(__file__))


def known(dtype):
    return TensorInputType(const=True, type_domain=dtype)


@SSAOpRegistry.register_op(is_custom_op=True)
class acme_swirl(Operation):
    input_spec = InputSpec(
        x=TensorInputType(type_domain=types.fp32), kernel=known(types.fp32), angle=known(types.fp32), mode=known(types.str),
        turns=known(types.int32), clockwise=known(types.bool), center=known(types.int32),
    )
    bindings = {
        "class_name": "AcmeSwirl", "input_order": ["x"], "parameters": ["angle", "mode", "turns", "clockwise", "center"],
        "weights": ["kernel"], "description": "turns a picture around its middle",
    }

    def type_inference(self):
        return types.tensor(self.x.dtype, self.x.shape)


@SSAOpRegistry.register_op(is_custom_op=True)
class acme_mix(Operation):
    input_spec = InputSpec(a=TensorInputType(type_domain=types.fp32), b=TensorInputType(type_domain=types.fp32))
    bindings = {"class_name": "AcmeMix", "input_order": ["b", "a"]}

    def type_inference(self):
        return types.tensor(self.a.dtype, self.a.shape), types.tensor(self.a.dtype, (1,))


@mb.program(input_specs=[mb.TensorSpec(shape=(1, 3, 4))], opset_version=ct.target.iOS15)
def program(x):
    y = mb.relu(x=x, name="positive")
    z = mb.acme_swirl(
        x=y, kernel=np.arange(12, dtype=np.float32), angle=np.float32(0.5), mode="polar", turns=np.int32(3), clockwise=True,
        center=np.array([1, 2], dtype=np.int32), name="swirled",
    )
    mixed, score = mb.acme_mix(a=y, b=z, name="mixed")
    return mb.add(x=mixed, y=np.float32(1), name="out"), mb.sigmoid(x=score, name="score"), mb.mul(x=y, y=np.float32(2), name="twice")


path = os.path.join(here, "custom.mlpackage")
shutil.rmtree(path, ignore_errors=True)
ct.convert(
    program, convert_to="mlprogram", compute_precision=ct.precision.FLOAT32, minimum_deployment_target=ct.target.iOS15, skip_model_load=True,
).save(path)
