# Makes golden/: models of this folder as coremltools 9.0 edits them. The test
# TestAsCoremltools has the same edits.
import os
import shutil

import coremltools as ct
from coremltools.models.neural_network import flexible_shape_utils as fs
from coremltools.models.utils import rename_feature

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.join(here, "..", "..", "..", "testdata")
out = os.path.join(here, "golden")
shutil.rmtree(out, ignore_errors=True)
os.mkdir(out)


def edit(source, name, *edits):
    spec = ct.utils.load_spec(os.path.join(root if source == "style" or source == "classifier" else here, source + (".mlpackage" if source == "net" else ".mlmodel")))
    for e in edits:
        e(spec)
    with open(os.path.join(out, name + ".pb"), "wb") as f:
        f.write(spec.SerializeToString(deterministic=True))


def rename(old, new):
    return lambda s: rename_feature(s, old, new)


def sizes(name, *all):
    return lambda s: fs.add_enumerated_image_sizes(s, name, [fs.NeuralNetworkImageSize(h, w) for h, w in all])


def size_range(name, h, w):
    return lambda s: fs.update_image_size_range(s, name, fs.NeuralNetworkImageSizeRange(h, w))


def array_range(name, c, h, w):
    r = fs.NeuralNetworkMultiArrayShapeRange({"C": c, "H": h, "W": w})
    return lambda s: fs.update_multiarray_shape_range(s, name, r)


edit("style", "sizes", sizes("image", (64, 48), (128, 128)), sizes("painting", (64, 48), (128, 128)))
edit("style", "range", size_range("image", (16, 128), (24, -1)), size_range("painting", (16, 128), (24, -1)))
edit("skip", "array_range", array_range("x", (3, 3), (16, 16), (16, -1)), array_range("y", (6, 6), (16, 16), (16, -1)))
edit("exact", "nd_range", lambda s: fs.set_multiarray_ndshape_range(s, "x", [1, 3, 4, 8], [1, 3, 64, -1]), lambda s: fs.set_multiarray_ndshape_range(s, "y", [1, 3, 4, 8], [1, 3, 64, -1]))
edit("exact", "nd_shapes", lambda s: fs.add_multiarray_ndshape_enumeration(s, "x", [(1, 3, 16, 16), (1, 3, 8, 8), (1, 3, 4, 9)]), lambda s: fs.add_multiarray_ndshape_enumeration(s, "y", [(1, 3, 16, 16), (1, 3, 8, 8), (1, 3, 4, 9)]))
edit("dense", "rename_network", rename("x", "data"), rename("scores", "p"))
edit("classifier", "rename_classifier", rename("image", "photo"), rename("colour", "label"), rename("scores", "p"))
edit("chain", "rename_pipeline", rename("x", "a"), rename("z", "b"))
edit("net", "rename_program", rename("x", "data"), rename("scores", "p"))
