# Collects the small models that structured fuzzing starts from, one for each
# kind of layer and of model: the smallest that holds it among the conformance
# cases (nn.zip and trees.zip of the folder given as the only argument), as
# coremltools 9.0 wrote them. Standard library only. Run from this folder.
import json, os, sys, zipfile

smallest = {}
for suite in ["nn", "trees"]:
    cases = zipfile.ZipFile(os.path.join(sys.argv[1], suite + ".zip"))
    names = set(cases.namelist())
    index = json.loads(cases.read("index.json"))
    for case in index if isinstance(index, list) else index["cases"]:
        name = case["id"] + "/model.mlmodel"
        if name not in names:
            continue
        model = cases.read(name)
        for kind in case["ops"] + case.get("variants", []):
            if (suite, kind) not in smallest or len(model) < len(smallest[suite, kind]):
                smallest[suite, kind] = model

with zipfile.ZipFile("fuzz_models.zip", "w", zipfile.ZIP_DEFLATED) as out:
    written = set()
    for (suite, kind), model in sorted(smallest.items()):
        if model not in written:
            written.add(model)
            out.writestr(zipfile.ZipInfo("%s/%s.mlmodel" % (suite, kind)), model, zipfile.ZIP_DEFLATED)
