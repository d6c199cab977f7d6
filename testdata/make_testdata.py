# Makes the small models and pictures of this folder: coremltools 9.0, numpy 2.2.6, Pillow 13.0.0.
#
#   classifier.mlmodel   neural network: picture 24×24 to 8 classes named after colours
#   style.mlmodel        neural network: picture 32×32 to a picture
#   sums.mlpackage       ML Program: arrays a and b [1, 64] to total [1, 64] and mean [1, 1]
#   photos/              6 pictures of different sizes, and a .npy and .npz of inputs
import os
import shutil

import coremltools as ct
import numpy as np
from coremltools.converters.mil import Builder as mb
from coremltools.models import datatypes
from coremltools.models.neural_network import NeuralNetworkBuilder
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.RandomState(7)
colours = {
    "black": (0, 0, 0), "red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255),
    "yellow": (255, 255, 0), "magenta": (255, 0, 255), "cyan": (0, 255, 255), "white": (255, 255, 255),
}


def save(spec, name):
    with open(os.path.join(here, name), "wb") as f:
        f.write(spec.SerializeToString(deterministic=True))


def classifier():
    """The class whose colour is nearest to the mean of the picture: the scores are
    2 c·x - |c|², written as a blurring convolution, a mean and a linear layer."""
    b = NeuralNetworkBuilder([("image", datatypes.Array(3, 24, 24))], [("scores", None)], mode="classifier")
    blur = np.zeros((3, 3, 3, 3), np.float32)  # height, width, in, out
    for c in range(3):
        blur[:, :, c, c] = 1 / 9 + 0.01 * rng.randn(3, 3)
    b.add_convolution("blur", 3, 3, 3, 3, 1, 1, "valid", 1, blur, np.full(3, 0.01, np.float32), True, input_name="image", output_name="b")
    b.add_pooling("mean", 22, 22, 1, 1, "AVERAGE", "VALID", "b", "m", is_global=True)
    c = np.array(list(colours.values()), np.float32) / 255 - 0.5
    b.add_inner_product("nearest", 8 * c, -4 * (c * c).sum(1), 3, 8, True, "m", "s")
    b.add_softmax("softmax", "s", "scores")
    b.set_pre_processing_parameters(["image"], is_bgr=False, red_bias=-0.5, green_bias=-0.5, blue_bias=-0.5, image_scale=1 / 255)
    b.set_class_labels(list(colours), predicted_feature_name="colour", prediction_blob="scores")
    b.spec.description.metadata.shortDescription = "Names the colour of a picture"
    b.spec.description.metadata.author = "smelt"
    save(b.spec, "classifier.mlmodel")


def style():
    b = NeuralNetworkBuilder([("image", datatypes.Array(3, 32, 32))], [("painting", datatypes.Array(3, 32, 32))])
    w = 0.3 * np.eye(3, dtype=np.float32)[None, None] * np.ones((3, 3, 1, 1), np.float32) + 0.02 * rng.randn(3, 3, 3, 3)
    b.add_convolution("paint", 3, 3, 3, 3, 1, 1, "same", 1, 0.4 * w, np.array([3, 2, 1], np.float32), True, input_name="image", output_name="painting")
    b.set_pre_processing_parameters(["image"], is_bgr=False)
    spec = b.spec
    for f in (spec.description.input[0], spec.description.output[0]):
        f.type.imageType.width = f.type.imageType.height = 32
        f.type.imageType.colorSpace = ct.proto.FeatureTypes_pb2.ImageFeatureType.ColorSpace.Value("RGB")
    save(spec, "style.mlmodel")


def sums():
    w = (0.1 * rng.randn(64, 64)).astype(np.float32)

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 64)), mb.TensorSpec(shape=(1, 64))], opset_version=ct.target.iOS16)
    def prog(a, b):
        total = mb.add(x=mb.linear(x=a, weight=w, bias=np.full(64, 0.5, np.float32)), y=b, name="total")
        return total, mb.reduce_mean(x=total, axes=[1], keep_dims=True, name="mean")

    m = ct.convert(prog, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS16, compute_precision=ct.precision.FLOAT32)
    path = os.path.join(here, "sums.mlpackage")
    shutil.rmtree(path, ignore_errors=True)
    m.save(path)
    np.savez(os.path.join(here, "sums.npz"), a=rng.randn(5, 64).astype(np.float32), b=rng.randn(5, 64).astype(np.float32))


def photos():
    path = os.path.join(here, "photos")
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    for i, (name, colour) in enumerate(colours.items()):
        if name in ("black", "magenta"):
            continue
        h, w = 30 + 4 * i, 52 - 3 * i
        y, x = np.mgrid[0:h, 0:w]
        p = np.array(colour) * 0.8 + 20 + 25 * np.sin(x / 5 + i)[..., None] + 15 * np.cos(y / 3)[..., None]
        picture = Image.fromarray(np.clip(p, 0, 255).astype(np.uint8))
        picture.save(os.path.join(path, name + (".jpg" if i % 2 else ".png")))
    tiles = np.stack([np.full((24, 24, 3), c, np.uint8) for c in colours.values()])
    np.save(os.path.join(here, "tiles.npy"), tiles)


classifier()
style()
sums()
photos()
