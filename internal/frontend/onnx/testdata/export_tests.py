"""Write the test cases that come with the onnx package to a folder.

    python export_tests.py FOLDER

Each case becomes FOLDER/KIND/NAME/{model.onnx,tolerance.txt,input_I.pb,output_I.pb}; cases whose
inputs or outputs are no tensors have the model only. Made with onnx 1.23.2, numpy 2.
"""

import os
import shutil
import sys
import warnings

import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

warnings.simplefilter("ignore")


def write(path, message):
    with open(path, "wb") as f:
        f.write(message.SerializeToString())


def tensors(infos):
    return all(i.type.HasField("tensor_type") for i in infos)


def export(case, kind, out):
    folder = os.path.join(out, kind, case.name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "tolerance.txt"), "w") as f:
        f.write(f"{case.rtol} {case.atol}\n")
    if case.model_dir:
        shutil.copy(os.path.join(case.model_dir, "model.onnx"), folder)
        data = os.path.join(case.model_dir, "test_data_set_0")
        for name in sorted(os.listdir(data)):
            shutil.copy(os.path.join(data, name), folder)
        return
    write(os.path.join(folder, "model.onnx"), case.model)
    graph = case.model.graph
    if not tensors(list(graph.input) + list(graph.output)):
        return
    inputs, outputs = case.data_sets[0]
    for what, infos, values in (("input", graph.input, inputs), ("output", graph.output, outputs)):
        for i, (info, value) in enumerate(zip(infos, values)):
            if not isinstance(value, onnx.TensorProto):
                import numpy as np

                dtype = onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
                value = np.asarray(value)
                if value.dtype != dtype and value.dtype.kind != "U" and value.dtype.kind != "O":
                    value = value.astype(dtype)
                value = numpy_helper.from_array(value, info.name)
            write(os.path.join(folder, f"{what}_{i}.pb"), value)


def main():
    out = sys.argv[1]
    shutil.rmtree(out, ignore_errors=True)
    for kind in ("node", "simple", "pytorch-operator", "pytorch-converted"):
        for case in load_model_tests(kind=kind):
            try:
                export(case, kind, out)
            except Exception as e:  # the case is listed as one without data
                print(kind, case.name, repr(e), file=sys.stderr)


main()
