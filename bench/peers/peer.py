"""One peer in a process of its own, so that its threads and memory are its own.

    python peer.py run ort|openvino MODEL.onnx INPUTS.npz THREADS

loads the model, predicts once and tells in one line of JSON how long that took
and what memory it holds. Then, for each line {"seconds": S, "runs": N} on its
standard input, it measures N runs, and more until S seconds are over.

    python peer.py check MODEL.onnx INPUTS.npz FOLDER

tells how far the outputs that smelt saved in FOLDER are from ONNX Runtime's.

    python peer.py compare pool|loop A.onnx B.onnx FOLDER

does what `smelt compare` does: each picture of FOLDER through both models. With
pool, as many pictures at once as there are cores, each on one thread; with loop,
one after another, on as many threads as ONNX Runtime takes.
"""

import gc
import json
import multiprocessing.pool
import os
import pathlib
import sys
import time

import numpy as np


def answer(**fields):
    print(json.dumps(fields), flush=True)


def memory(field):
    """Returns a field of /proc/self/status in bytes; 0 where there is none."""
    try:
        for line in open("/proc/self/status"):
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def ort_session(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def ort(path, inputs, threads):
    session = ort_session(path, threads)
    return lambda: session.run(None, inputs)


def openvino(path, inputs, threads):
    import openvino

    core = openvino.Core()
    model = core.compile_model(
        path,
        "CPU",
        {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        },
    )
    request = model.create_infer_request()
    for name, value in inputs.items():
        request.set_tensor(name, openvino.Tensor(value))
    return request.infer


PEERS = {"ort": ("onnxruntime", ort), "openvino": ("openvino", openvino)}


def run(peer, path, inputs, threads):
    module, load = PEERS[peer]
    inputs = dict(np.load(inputs))
    version = __import__(module).__version__
    base = memory("VmRSS")
    start = time.perf_counter()
    predict = load(path, inputs, int(threads))
    loaded = time.perf_counter()
    predict()
    answer(
        version=version,
        load_ms=1e3 * (loaded - start),
        first_ms=1e3 * (time.perf_counter() - loaded),
        peak_rss_bytes=memory("VmHWM"),
        rss_bytes=memory("VmRSS"),
        net_rss_bytes=memory("VmRSS") - base,
    )
    gc.disable()
    for line in sys.stdin:
        want = json.loads(line)
        for _ in range(2):
            predict()
        times, begin = [], time.perf_counter()
        while len(times) < want["runs"] or time.perf_counter() - begin < want["seconds"]:
            start = time.perf_counter()
            predict()
            times.append(1e3 * (time.perf_counter() - start))
        answer(min_ms=min(times), median_ms=float(np.median(times)), runs=len(times))


def check(path, inputs, folder):
    session = ort_session(path, 0)
    error = 0.0
    for out, want in zip(session.get_outputs(), session.run(None, dict(np.load(inputs)))):
        (file,) = pathlib.Path(folder).glob(f"*_{out.name}.npy")
        got = np.load(file)
        if got.shape != want.shape:
            raise SystemExit(f"output {out.name}: shape {got.shape}, ONNX Runtime gives {want.shape}")
        apart = np.abs(got - want).max() / np.abs(want).max()
        error = max(error, float(apart) if np.isfinite(apart) else np.inf)
    answer(max_relative_error=error)


def compare(how, a, b, folder):
    from PIL import Image

    cores = len(os.sched_getaffinity(0))
    threads = {"pool": 1, "loop": 0}[how]
    sessions = ort_session(a, threads), ort_session(b, threads)
    (want,) = sessions[0].get_inputs()
    height, width = want.shape[2:]

    def both(file):
        with Image.open(file) as picture:
            pixels = np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
        x = pixels.astype(np.float32).transpose(2, 0, 1)[None]
        x = np.ascontiguousarray((x - 127.5) / 58)
        p, q = (s.run(None, {want.name: x})[0].ravel() for s in sessions)
        return p.argmax() == q.argmax(), p.argmax() in q.argsort()[-5:]

    files = sorted(f for f in pathlib.Path(folder).iterdir() if f.suffix.lower() in (".jpg", ".jpeg", ".png"))
    start = time.perf_counter()
    if how == "loop":
        same = [both(file) for file in files]
    else:
        with multiprocessing.pool.ThreadPool(cores) as pool:
            same = pool.map(both, files, chunksize=1)
    seconds = time.perf_counter() - start
    top1, top5 = np.mean(same, axis=0)
    answer(samples=len(files), seconds=seconds, top1_agreement=top1, top5_agreement=top5)


if __name__ == "__main__":
    {"run": run, "check": check, "compare": compare}[sys.argv[1]](*sys.argv[2:])
