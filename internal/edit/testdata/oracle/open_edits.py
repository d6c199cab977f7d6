"""Edits real models with the command, compares with coremltools' own edits of the
same files, and opens every result in coremltools: coremltools 9.0.

    go build -o /tmp/smelt ./cmd/smelt
    python internal/edit/testdata/oracle/open_edits.py /tmp/smelt ../shared/data/models
"""
import os
import subprocess
import sys
import tempfile

import coremltools as ct
from coremltools.converters.mil.frontend.milproto.load import load as load_program
from coremltools.models.neural_network import flexible_shape_utils as fs
from coremltools.models.utils import rename_feature

smelt, models = sys.argv[1:3]
squeeze, wave = "squeezenet/SqueezeNet.mlmodel", "style-wave/StyleWave.mlmodel"
mobile = "mobilenet-v1-025/MobileNetV1_025.mlmodel"
fp16, nmp, minilm = "squeezenet/SqueezeNet_fp16.mlpackage", "basic-pitch/nmp.mlpackage", "minilm/MiniLM_int8.mlpackage"


def sizes(spec, name, *all):
    fs.add_enumerated_image_sizes(spec, name, [fs.NeuralNetworkImageSize(h, w) for w, h in all])


def size_range(spec, name, h, w):
    fs.update_image_size_range(spec, name, fs.NeuralNetworkImageSizeRange(h, w))


def rename(*pairs):
    def do(spec):
        for old, new in pairs:
            rename_feature(spec, old, new)
    return do


def two(f, *names):
    return lambda spec: [f(spec, n) for n in names]


cases = [  # model, arguments, the same in coremltools if it can
    (squeeze, "--flexible-image image=227x227,256x300", lambda s: sizes(s, "image", (227, 227), (256, 300))),
    (squeeze, "--flexible-image image=64..512x80..", lambda s: size_range(s, "image", (80, -1), (64, 512))),
    (wave, "--flexible-image image=64x48,128x128 --flexible-image stylizedImage=64x48,128x128",
     two(lambda s, n: sizes(s, n, (64, 48), (128, 128)), "image", "stylizedImage")),
    (wave, "--flexible-image image=64..256x64..320 --flexible-image stylizedImage=64..256x64..320",
     two(lambda s, n: size_range(s, n, (64, 320), (64, 256)), "image", "stylizedImage")),
    (wave, "--flexible-image image=64..256x64..320", None),
    (squeeze, "--rename image=data,classLabel=label,classLabelProbs=probs", rename(("image", "data"), ("classLabel", "label"), ("classLabelProbs", "probs"))),
    (mobile, "--rename input=photo,Identity=p", rename(("input", "photo"), ("Identity", "p"))),
    (fp16, "--rename image=data,classLabel=label,classLabel_probs=probs", rename(("image", "data"), ("classLabel", "label"), ("classLabel_probs", "probs"))),
    (nmp, "--rename input_2=audio,Identity=contour", rename(("input_2", "audio"), ("Identity", "contour"))),
    (minilm, "--rename input_ids=ids --rename embedding=e", rename(("input_ids", "ids"), ("embedding", "e"))),
    (squeeze, "--array-input image --dtype image=double", None),
    (fp16, "--array-input image --dtype image=float16", None),
    (fp16, "--flexible-image image=64..512x64..512", None),
    (fp16, "--flexible-image image=227x227,256x256", None),
    (nmp, "--dtype input_2=float16,Identity=float16,Identity_1=int32 --author A --meta k=v --describe Identity=contour", None),
    (minilm, "--author A --minimize-version --dtype embedding=float16", None),
]


def message(path):
    return ct.utils.load_spec(path)


failed = 0
with tempfile.TemporaryDirectory() as folder:
    for i, (model, args, same) in enumerate(cases):
        source = os.path.join(models, model)
        out = os.path.join(folder, f"{i}{os.path.splitext(model)[1]}")
        text = "as it is"
        try:
            subprocess.run([smelt, "edit", source, "-o", out, *args.split()], check=True, capture_output=True, text=True)
            have = message(out)
            ct.models.MLModel(out, skip_model_load=True)
            if have.WhichOneof("Type") == "mlProgram":
                load_program(have, have.specificationVersion, os.path.join(out, "Data", "com.apple.CoreML", "weights"))
            if same:
                want = message(source)
                same(want)
                if want != have:
                    raise ValueError("coremltools makes another message of it")
                text = "as coremltools makes it"
        except Exception as e:
            failed += 1
            text = f"FAILED: {getattr(e, 'stderr', '') or e}"
        print(f"{model} {args}: {text[:300]}")
print(f"{len(cases) - failed} of {len(cases)}")
sys.exit(failed > 0)
