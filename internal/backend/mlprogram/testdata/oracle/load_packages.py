"""Loads ML Program packages with coremltools: the document, and the program by its
milproto frontend, which checks every operation, type and constant anew.

    python load_packages.py FOLDER

FOLDER holds .mlpackage folders at any depth, such as those that
SMELT_CONVERTED=FOLDER go test -tags fulldata ./internal/convert leaves there.

Its reader takes no custom layers: constants stand for what they give, and what they
name must be there.

Made with coremltools 9.0, numpy 1.26.4, Python 3.11. Run by hand.
"""
import collections, logging, multiprocessing, pathlib, sys, warnings

warnings.filterwarnings("ignore")
import coremltools as ct
from coremltools.converters.mil.frontend.milproto.load import load
from coremltools.models.utils import load_spec

logging.getLogger("coremltools").setLevel(logging.ERROR)


def known(block):
    """Puts constants of zeros in the place of custom layers. The attributes must be those
    that coremltools writes, and name inputs."""
    for o in list(block.operations):
        for inner in o.blocks:
            known(inner)
    operations = []
    for o in block.operations:
        if o.type != "custom_layer":
            operations.append(o)
            continue
        assert set(o.attributes) == {"name", "class_name", "description", "input_order", "parameters", "weights"}
        for key in ("input_order", "parameters", "weights"):
            for v in o.attributes[key].immediateValue.list.values:
                assert v.immediateValue.tensor.strings.values[0] in o.inputs
        for out in o.outputs:
            c = type(o)(type="const")
            c.outputs.add().CopyFrom(out)
            c.attributes["name"].CopyFrom(o.attributes["name"])
            value = c.attributes["val"]
            value.type.CopyFrom(out.type)
            n = 1
            for d in out.type.tensorType.dimensions:
                n *= d.constant.size
            value.immediateValue.tensor.floats.values.extend([0.0] * n)
            operations.append(c)
    del block.operations[:]
    block.operations.extend(operations)


def check(path):
    try:
        ct.models.MLModel(path, skip_model_load=True)
        spec = load_spec(path)
        weights = str(pathlib.Path(path) / "Data/com.apple.CoreML/weights")
        for f in spec.mlProgram.functions.values():
            for block in f.block_specializations.values():
                known(block)
        program = load(spec, spec.specificationVersion, weights)
        return path, sum(len(list(f.operations)) for f in program.functions.values()), None
    except Exception as e:  # whatever it is, it is a finding
        return path, 0, f"{type(e).__name__}: {e}"


if __name__ == "__main__":
    paths = sorted(str(p) for p in pathlib.Path(sys.argv[1]).rglob("*.mlpackage"))
    failures = collections.Counter()
    loaded = operations = 0
    # A process does not live long: symbols of one program stay known to the next.
    with multiprocessing.Pool(2, maxtasksperchild=40) as pool:
        for path, n, error in pool.imap_unordered(check, paths, chunksize=16):
            if error is None:
                loaded += 1
                operations += n
                continue
            failures[error[:160]] += 1
            print("FAIL", path, error[:300], flush=True)
    print(f"{loaded} of {len(paths)} packages load, {operations} operations and constants")
    for error, n in failures.most_common():
        print(n, error)
