"""Loads NeuralNetwork models with coremltools: the document, and the model object
made of it.

    python load_networks.py FOLDER

FOLDER holds .mlmodel files at any depth, such as those that these leave there:

    SMELT_CONVERTED=FOLDER go test -tags fulldata ./internal/convert -run 'Networks|Programs'
    SMELT_CONVERTED=FOLDER go test -tags onnxcases ./internal/convert -run ONNXCases

Made with coremltools 9.0, numpy 1.26.4, Python 3.11. Run by hand.
"""
import collections, logging, multiprocessing, pathlib, sys, warnings

warnings.filterwarnings("ignore")
import coremltools as ct

logging.getLogger("coremltools").setLevel(logging.ERROR)


def check(path):
    try:
        spec = ct.utils.load_spec(path)
        ct.models.MLModel(spec, skip_model_load=True)
        nn = getattr(spec, spec.WhichOneof("Type"))
        return path, spec.specificationVersion, len(nn.layers), None
    except Exception as e:  # whatever it is, it is a finding
        return path, 0, 0, f"{type(e).__name__}: {e}"


if __name__ == "__main__":
    paths = sorted(str(p) for p in pathlib.Path(sys.argv[1]).rglob("*.mlmodel") if ".mlpackage" not in str(p))
    failures, versions = collections.Counter(), collections.Counter()
    layers = 0
    with multiprocessing.Pool(2) as pool:
        for path, version, n, error in pool.imap_unordered(check, paths, chunksize=64):
            if error is None:
                versions[version] += 1
                layers += n
                continue
            failures[error[:160]] += 1
            print("FAIL", path, error[:300], flush=True)
    print(f"{sum(versions.values())} of {len(paths)} networks load, {layers} layers; by specification version {dict(sorted(versions.items()))}")
    for error, n in failures.most_common():
        print(n, error)
