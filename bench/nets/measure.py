"""Converts the networks that export.py wrote, runs what came of them, and writes
the table of docs/onnx.md.

    python measure.py FOLDER --smelt PROGRAM [--docs ../../docs/onnx.md] [NAME…]

Each ONNX file becomes an ML Program in float32 and one in float16, both read by
coremltools, program and all, and run by `smelt predict`, as is the ONNX file
itself. Their outputs are held against ONNX Runtime's: the error is the largest
over the largest absolute value. Seconds and memory (peak resident) are those of
the conversion to float16 with its check. What is measured is kept in NAME.json,
so that the table can be made anew without measuring everything again.
"""

import argparse
import json
import logging
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx

HERE = pathlib.Path(__file__).resolve().parent
ORACLE = HERE.parents[1] / "internal/backend/mlprogram/testdata/oracle"
BAR = 1e-3
DETECTORS = ("ssdlite320_mobilenet_v3_large", "yolo_nms")  # whose outputs are rows by score


def run(*command):
    """Returns exit code, output, error, seconds and peak memory in MB, which GNU
    time tells: what this process would be told of a child includes its own."""
    with tempfile.NamedTemporaryFile("r") as used:
        start = time.perf_counter()
        p = subprocess.run(["/usr/bin/time", "-f", "%M", "-o", used.name, *map(str, command)], capture_output=True, text=True)
        seconds = time.perf_counter() - start
        return p.returncode, p.stdout, p.stderr, seconds, int(used.read().split()[-1]) / 1024


def last_line(text):
    lines = [line for line in text.strip().splitlines() if line.startswith("smelt")]
    return (lines or [text.strip() or "no message"])[-1][:300]


def nodes(path):
    def count(graph):
        inner = (a.g for n in graph.node for a in n.attribute if a.type == onnx.AttributeProto.GRAPH)
        return len(graph.node) + sum(count(g) for g in inner)

    return count(onnx.load(path, load_external_data=False).graph)


def predicted(smelt, model, arrays, at, folder):
    """Runs a model on one set of inputs; returns the expected and the given outputs."""
    given, out = [], folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for key in arrays.files:
        if key.startswith(f"in{at}/"):
            name = key.split("/")[1]
            np.save(folder / f"{name}.npy", arrays[key])
            given += ["--input", f"{name}={folder / name}.npy"]
    code, _, err, _, _ = run(smelt, "predict", model, *given, "--output-dir", out, "--json")
    if code:
        raise RuntimeError(last_line(err))
    want, have = {}, {}
    for key in arrays.files:
        if key.startswith(f"out{at}/"):
            name = key.split("/")[1]
            want[name], have[name] = arrays[key], np.load(next(out.glob(f"*_{name}.npy")))
    return want, have


def largest(want, have):
    """The largest relative error of all outputs."""
    worst = 0.0
    for name, w in want.items():
        h = have[name]
        if h.shape != w.shape:
            raise RuntimeError(f"output {name}: {h.shape}, want {w.shape}")
        if w.size:
            error = np.abs(h.astype(np.float64) - w).max() / max(np.abs(w).max(), 1e-30)
            worst = max(worst, float(error)) if np.isfinite(error) else float("inf")
    return worst


def detections(want, have):
    """The same of a detector's rows, each held against the one most like it, and how
    many have none: where scores nearly tie, rows change places, and boxes that
    suppress one another, too."""

    def rows(outputs):
        columns = [v.reshape(len(v), -1).astype(np.float64) for v in outputs.values()]
        return np.concatenate([c / max(np.abs(s).max(), 1e-30) for c, s in zip(columns, scales, strict=True)], 1)

    scales = list(want.values())
    w, h = rows(want), rows(have)
    errors = np.abs(w[:, None] - h[None]).max(2).min(1)
    found = errors < 0.02
    return float(errors[found].max(initial=0)), int((~found).sum()), len(w)


def measure(smelt, path, check):
    row = {"net": path.stem, "nodes": nodes(path), "bytes": path.stat().st_size, "failures": []}
    arrays = np.load(path.with_suffix(".npz"))
    sets = 1 + any(k.startswith("in1/") for k in arrays.files)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for precision in ("fp32", "fp16"):
            out = folder / f"{precision}.mlpackage"
            code, text, err, seconds, mb = run(smelt, "convert", path, "-o", out, "--precision", precision, "--json")
            if code:
                row["failures"].append(f"{precision}: {last_line(err)}")
                continue
            report = json.loads(text)
            row["ops"], row["spec"] = sum(n for op, n in report["ops"].items() if op != "const"), report["spec_version"]
            row["kinds"] = report["ops"]
            row["seconds"], row["mb"] = seconds, mb
            row["check"] = report.get("verify", {}).get("skipped") or max(
                [o["max_rel_error"] for o in report["verify"]["outputs"].values()], default=None
            )
            for i in range(sets):
                try:
                    want, have = predicted(smelt, out, arrays, i, folder)
                    if path.stem.split(".")[0] in DETECTORS:
                        e, lost, of = detections(want, have)
                        row[f"{precision} lost"] = [row.get(f"{precision} lost", [0, 0])[k] + v for k, v in enumerate((lost, of))]
                    else:
                        e = largest(want, have)
                    row[precision] = max(row.get(precision, 0), e)
                except Exception as e:
                    row["failures"].append(f"{precision}, inputs {i}: {e}"[:400])
            if check:
                _, n, error = check(str(out))
                if error:
                    row["failures"].append(f"{precision}: coremltools: {error}"[:400])
                else:
                    row["loads"] = row.get("loads", 0) + 1
            shutil.rmtree(out)
        if row.get("fp32", 0) > BAR:
            row["failures"].append(f"fp32: error of {row['fp32']:.2g}")
        try: # the file itself, converted in memory
            source = detections if path.stem.split(".")[0] in DETECTORS else largest
            row["source"] = max(np.ravel(source(*predicted(smelt, path, arrays, i, folder)))[0] for i in range(sets))
        except Exception as e:
            row["failures"].append(f"source: {e}"[:400])
    return row


def again(smelt, path):
    """Measures seconds and memory again, for when the machine had other work."""
    row = json.loads(path.with_suffix(".json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        code, _, _, seconds, mb = run(smelt, "convert", path, "-o", pathlib.Path(folder) / "out.mlpackage", "--json")
        if code == 0:
            row["seconds"], row["mb"] = seconds, mb
    return row


def table(folder):
    lines = [
        "| net | exporter | shapes | nodes | operations written | seconds | MB | error fp32 | error fp16 | loads in coremltools |",
        "|--|--|--|--|--|--|--|--|--|--|",
    ]
    for path in sorted(folder.glob("*.json")):
        r = json.loads(path.read_text())
        name, exporter, shapes = r["net"].split(".")
        def show(k, f):
            lost, of = r.get(f"{k} lost", (0, 0))
            return (f.format(r[k]) if k in r else "–") + (f", {lost} of {of} rows differ" if lost else "")

        lines.append(
            f"| {name} | {'torchscript, 17' if exporter == 'ts' else 'dynamo, 18'} | {shapes} | {r['nodes']} | {show('ops', '{}')} | {show('seconds', '{:.1f}')} "
            f"| {show('mb', '{:.0f}')} | {show('fp32', '{:.1e}')} | {show('fp16', '{:.1e}')} | {'yes' if r.get('loads') == 2 else 'no'} |"
        )
    not_written = [f"| {p.stem} | {p.read_text().strip()} |" for p in sorted(folder.glob("*.failed"))]
    text = "\n".join(lines) + "\n"
    if not_written:
        text += "\nThe exporters could not write these:\n\n| file | why |\n|--|--|\n" + "\n".join(not_written) + "\n"
    return text


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("names", nargs="*")
    p.add_argument("--smelt", required=True)
    p.add_argument("--docs", type=pathlib.Path)
    p.add_argument("--no-coremltools", action="store_true")
    p.add_argument("--times", action="store_true", help="measure only seconds and memory again")
    a = p.parse_args()
    check = None
    if not a.no_coremltools and not a.times:
        logging.disable(logging.WARNING)
        sys.path.insert(0, str(ORACLE))
        from load_packages import check
    bad = 0
    for path in sorted(a.folder.glob("*.onnx")):
        name = path.stem
        if name.startswith("part.") or a.names and name not in a.names and name.split(".")[0] not in a.names:
            continue
        if a.times:
            path.with_suffix(".json").write_text(json.dumps(again(a.smelt, path), indent=1))
            continue
        row = measure(a.smelt, path, check)
        path.with_suffix(".json").write_text(json.dumps(row, indent=1))
        bad += bool(row["failures"])
        figures = {k: row.get(k) for k in ("nodes", "ops", "seconds", "mb", "fp32", "fp16", "source", "check")}
        print(name, *(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in figures.items()), flush=True)
        for f in row["failures"]:
            print("    FAIL", f, flush=True)
    if a.docs:
        begin, end = "<!-- nets -->\n", "<!-- /nets -->\n"
        text = a.docs.read_text()
        before, rest = text.split(begin)
        a.docs.write_text(before + begin + "\n" + table(a.folder) + "\n" + end + rest.split(end)[1])
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
