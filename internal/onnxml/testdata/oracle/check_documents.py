"""Convert the models of a folder to Core ML and load what is written in coremltools.

Checked with coremltools 9.0:

    python check_documents.py SMELT ../models
"""

import collections
import glob
import os
import subprocess
import sys
import tempfile

import coremltools as ct

smelt, folder = sys.argv[1:3]
work = tempfile.mkdtemp()
loaded = refused = 0
versions = collections.Counter()
for path in sorted(glob.glob(os.path.join(folder, "*.onnx"))):
    out = os.path.join(work, os.path.basename(path)[:-5] + ".mlmodel")
    run = subprocess.run([smelt, "convert", path, "-o", out, "--to", "classical"], capture_output=True, text=True)
    if run.returncode:
        refused += 1
        continue
    model = ct.models.MLModel(out, skip_model_load=True)
    spec = model.get_spec()
    versions[spec.specificationVersion] += 1
    assert {i.name for i in spec.description.input} and {o.name for o in spec.description.output}, path
    loaded += 1
print(f"{loaded} load, {refused} are not expressible; specification versions {dict(versions)}")
