# Makes the small models of this folder: coremltools 9.0, numpy 2.2.6.
#
#   network.mlmodel      classifier: convolution, quantized inner product, LSTM, loop, branch, custom layer
#   pipeline.mlmodel     pipeline of a feature vectorizer and a tree ensemble
#   features.mlmodel     every type of input and output
#   program.mlpackage    ML Program with a weight file, compressed constants, a while loop and class labels
#   functions.mlpackage  ML Program of two functions that share weights, with a state
import os
import shutil

import coremltools as ct
import numpy as np
from coremltools.converters.mil import Builder as mb
from coremltools.converters.mil.mil import types
from coremltools.models import datatypes
from coremltools.models.neural_network import NeuralNetworkBuilder
from coremltools.models.tree_ensemble import TreeEnsembleClassifier
from coremltools.proto import Model_pb2

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.RandomState(1)


def save(spec, name):
    with open(os.path.join(here, name), "wb") as f:
        f.write(spec.SerializeToString(deterministic=True))


def network():
    b = NeuralNetworkBuilder([("x", datatypes.Array(3, 8, 8))], [("p", None)], mode="classifier", disable_rank5_shape_mapping=True)
    b.add_convolution("conv", 3, 4, 3, 3, 1, 1, "valid", 1, rng.rand(3, 3, 3, 4), rng.rand(4), True, input_name="x", output_name="c")
    b.add_convolution("deconv", 4, 2, 2, 2, 2, 2, "valid", 1, rng.rand(2, 2, 4, 2), None, False, is_deconv=True, input_name="c", output_name="d")
    b.add_inner_product("ip", rng.rand(5, 288), rng.rand(5), 288, 5, True, "d", "i")
    b.add_batchnorm("bn", 5, np.ones(5), np.zeros(5), np.zeros(5), np.ones(5), input_name="i", output_name="n")
    b.add_activation("prelu", "PRELU", "n", "a", rng.rand(5))
    h = 3
    b.add_unilstm("lstm", [rng.rand(h, h) for _ in range(4)], [rng.rand(h, 5) for _ in range(4)], [rng.rand(h) for _ in range(4)],
                  h, 5, ["a", "h0", "c0"], ["o", "h1", "c1"], peep=[rng.rand(h) for _ in range(3)])
    for name in ("h0", "c0"):
        b.add_load_constant_nd(name, name, np.zeros((1, 1, h, 1, 1)), [1, 1, h, 1, 1])
    loop = b.add_loop("loop", max_iterations=3)
    body = NeuralNetworkBuilder(nn_spec=loop.loop.bodyNetwork)
    body.add_inner_product("inside", rng.rand(3, 3), None, 3, 3, False, "o", "o")
    branch = b.add_branch("branch", "o")
    for net in (branch.branch.ifBranch, branch.branch.elseBranch):
        NeuralNetworkBuilder(nn_spec=net).add_copy("same", "o", "q")
    custom = ct.proto.NeuralNetwork_pb2.CustomLayerParams()
    custom.className = "Swish"
    custom.description = "x * sigmoid(x)"
    custom.parameters["beta"].doubleValue = 1.5
    custom.parameters["name"].stringValue = "s"
    custom.parameters["n"].intValue = 7
    custom.parameters["long"].longValue = 1 << 40
    custom.parameters["on"].boolValue = True
    custom.weights.add().floatValue.extend([1.0, 2.0])
    b.add_custom("swish", ["q"], ["p"], custom)
    b.set_class_labels(["a", "b", "c"], predicted_feature_name="label", prediction_blob="p")
    spec = b.spec
    spec.description.metadata.author = "Someone"
    spec.description.metadata.license = "Apache-2.0"
    spec.description.metadata.versionString = "1.2"
    spec.description.metadata.shortDescription = "small"
    spec.description.metadata.userDefined["key"] = "value"
    for layer in spec.neuralNetworkClassifier.layers:
        if layer.name == "ip":
            w = layer.innerProduct.weights
            codes = np.clip(np.round(np.array(w.floatValue) * 15), 0, 15).astype(np.uint8)
            del w.floatValue[:]
            w.rawValue = bytes(codes[0::2] << 4 | codes[1::2])
            w.quantization.numberOfBits = 4
            w.quantization.linearQuantization.scale.extend([1 / 15] * 5)
            w.quantization.linearQuantization.bias.extend([0.0] * 5)
        if layer.name == "conv":
            b = layer.convolution.bias
            half = np.array(b.floatValue, np.float16).tobytes()
            del b.floatValue[:]
            b.float16Value = half
    save(spec, "network.mlmodel")


def pipeline():
    features = [("a", datatypes.Double()), ("b", datatypes.Double())]
    tree = TreeEnsembleClassifier([("v", datatypes.Array(2))], [10, 20], [("label", datatypes.Int64()), ("probs", datatypes.Dictionary(datatypes.Int64()))])
    tree.set_default_prediction_value([0.0])
    tree.add_branch_node(0, 0, 0, 0.5, "BranchOnValueLessThanEqual", 1, 2)
    tree.add_leaf_node(0, 1, {0: -1.0})
    tree.add_leaf_node(0, 2, {0: 1.0})
    vec = ct.models.feature_vectorizer.create_feature_vectorizer(features, "v")[0]
    p = ct.models.pipeline.PipelineClassifier(features, [10, 20], [("label", datatypes.Int64()), ("probs", datatypes.Dictionary(datatypes.Int64()))])
    p.add_model(vec)
    p.add_model(tree.spec)
    save(p.spec, "pipeline.mlmodel")


def features():
    s = Model_pb2.Model()
    s.specificationVersion = 9
    s.identity.SetInParent()
    FT = ct.proto.FeatureTypes_pb2

    def add(to, name, optional=False):
        f = to.add()
        f.name = name
        f.shortDescription = "the " + name
        f.type.isOptional = optional
        return f.type

    i, o, st = s.description.input, s.description.output, s.description.state
    add(i, "int").int64Type.SetInParent()
    add(i, "double", True).doubleType.SetInParent()
    add(i, "string").stringType.SetInParent()
    for name, space in (("rgb", "RGB"), ("half", "GRAYSCALE_FLOAT16")):
        t = add(i, name).imageType
        t.width, t.height, t.colorSpace = 32, 24, FT.ImageFeatureType.ColorSpace.Value(space)
    t = add(i, "sizes").imageType
    t.width, t.height, t.colorSpace = 32, 24, FT.ImageFeatureType.BGR
    for w, h in ((32, 24), (64, 48)):
        size = t.enumeratedSizes.sizes.add()
        size.width, size.height = w, h
    t = add(i, "range").imageType
    t.width, t.height, t.colorSpace = 32, 24, FT.ImageFeatureType.GRAYSCALE
    t.imageSizeRange.widthRange.lowerBound, t.imageSizeRange.widthRange.upperBound = 16, 64
    t.imageSizeRange.heightRange.lowerBound, t.imageSizeRange.heightRange.upperBound = 8, -1
    t = add(i, "array").multiArrayType
    t.shape.extend([1, 3]), setattr(t, "dataType", FT.ArrayFeatureType.FLOAT32)
    t = add(i, "shapes", True).multiArrayType
    t.shape.extend([1, 3]), setattr(t, "dataType", FT.ArrayFeatureType.INT32)
    for shape in ([1, 3], [2, 3]):
        t.enumeratedShapes.shapes.add().shape.extend(shape)
    t.intDefaultValue = -2
    t = add(i, "ranges").multiArrayType
    t.shape.extend([1, 3]), setattr(t, "dataType", FT.ArrayFeatureType.DOUBLE)
    for lo, hi in ((1, 1), (2, 5), (1, -1)):
        r = t.shapeRange.sizeRanges.add()
        r.lowerBound, r.upperBound = lo, hi
    t = add(i, "seq").sequenceType
    t.stringType.SetInParent()
    t.sizeRange.lowerBound, t.sizeRange.upperBound = 0, -1
    add(o, "dict").dictionaryType.stringKeyType.SetInParent()
    add(o, "ints").dictionaryType.int64KeyType.SetInParent()
    t = add(st, "cache").stateType.arrayType
    t.shape.extend([4]), setattr(t, "dataType", FT.ArrayFeatureType.FLOAT16)
    s.description.predictedFeatureName = "dict"
    s.description.predictedProbabilitiesName = "ints"
    save(s, "features.mlmodel")


def package(model, name):
    path = os.path.join(here, name)
    shutil.rmtree(path, ignore_errors=True)
    model.save(path)


def program():
    w = rng.rand(4, 3, 3, 3).astype(np.float32)

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 3, 8, 8))], opset_version=ct.target.iOS16)
    def prog(x):
        x = mb.conv(x=x, weight=w, bias=np.zeros(4, np.float32), name="conv")
        x = mb.while_loop(_cond=lambda a: mb.less(x=mb.reduce_mean(x=a), y=100.0, name="less"),
                          _body=lambda a: mb.add(x=a, y=rng.rand(1, 4, 6, 6).astype(np.float32), name="inside"), loop_vars=(x,), name="loop")
        x = mb.reduce_mean(x=x, axes=[2, 3])
        return mb.softmax(x=x, name="p")

    config = ct.ClassifierConfig(["w", "x", "y", "z"])
    m = ct.convert(prog, convert_to="mlprogram", classifier_config=config, minimum_deployment_target=ct.target.iOS16,
                   compute_precision=ct.precision.FLOAT32)
    c = ct.optimize.coreml
    m = c.palettize_weights(m, c.OptimizationConfig(c.OpPalettizerConfig("uniform", nbits=4, weight_threshold=50)))
    package(m, "program.mlpackage")


def functions():
    w = rng.rand(4, 16).astype(np.float16)
    dirs = []
    for name, scale in (("one", 3.0), ("two", 2.0)):
        @mb.program(input_specs=[mb.TensorSpec(shape=(1, 16), dtype=types.fp16), mb.StateTensorSpec((1, 4), dtype=types.fp16)],
                    opset_version=ct.target.iOS18)
        def prog(x, s):
            y = mb.mul(x=mb.linear(x=x, weight=w), y=np.float16(scale))
            return mb.add(x=mb.read_state(input=s), y=y, name="y")

        m = ct.convert(prog, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS18)
        d = os.path.join(here, name + ".mlpackage")
        shutil.rmtree(d, ignore_errors=True)
        m.save(d)
        dirs.append((name, d))
    desc = ct.utils.MultiFunctionDescriptor()
    for name, d in dirs:
        desc.add_function(d, src_function_name="main", target_function_name=name)
    desc.default_function_name = "two"
    out = os.path.join(here, "functions.mlpackage")
    shutil.rmtree(out, ignore_errors=True)
    ct.utils.save_multifunction(desc, out)
    for _, d in dirs:
        shutil.rmtree(d)


network()
pipeline()
features()
program()
functions()
