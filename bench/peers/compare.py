#!/usr/bin/env python3
"""Measures `smelt compare` beside a Python program that does the same.

    python3 bench/peers/compare.py --images DIR [--rounds N] [--json FILE]

Both take every picture of DIR, decode it, resize it and put it through SqueezeNet
in float32 and SqueezeNet with weights of 8 bits. The Python program (compare in
peer.py) uses Pillow and ONNX Runtime, one thread a picture, as many as there are
cores. Its time is without starting Python and loading; that of smelt is all that
the process takes.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from run import HERE, NETS, Bench, arguments, head, machine, row


def timed(bench, *command):
    """Runs a command; returns what it told, with the time and processor time of the whole process."""
    start = time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], env=bench.env, stdout=subprocess.PIPE, text=True)
    told = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        sys.exit(f"{command[0]} has failed")
    told = json.loads(told)
    told["wall_seconds"] = wall
    told["images_per_second"] = told["samples"] / wall
    told["utilization"] = (usage.ru_utime + usage.ru_stime) / wall / len(os.sched_getaffinity(0))
    return told


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("SMELT_DATA")
    images = pathlib.Path(data) / "images" / "imagenet" if data else None
    parser.add_argument("--images", metavar="DIR", default=images, required=not data, help="folder of pictures")
    arguments(parser)
    options = parser.parse_args()
    bench = Bench(options)
    bench.export(["classifier"])
    models = NETS / "classifier.mlpackage", NETS / "classifier8.mlpackage"
    bench.tell(bench.smelt, "quantize", models[0], "-o", models[1], "--bits", 8, "--mode", "linear", "--json")

    smelt, peer = [], []
    with bench.alone():
        for _ in range(options.rounds):
            smelt.append(timed(bench, bench.smelt, "compare", *models, "--images", options.images, "--json"))
            onnx = NETS / "classifier.onnx", NETS / "classifier8.onnx"
            peer.append(timed(bench, bench.python, HERE / "peer.py", "compare", *onnx, options.images))
    for p in peer:
        p["images_per_second"] = p["samples"] / p["seconds"]

    head("", "images/s, best", "images/s, median", "cores busy", "same first class")
    for who, all in ("smelt compare", smelt), ("Pillow and ONNX Runtime", peer):
        rates = [r["images_per_second"] for r in all]
        same = all[0].get("metrics", all[0])["top1_agreement"]
        busy = f"{statistics.median(r['utilization'] for r in all):.0%}" if all is smelt else ""
        row(who, f"{max(rates):.1f}", f"{statistics.median(rates):.1f}", busy, f"{same:.3f}")
    ratio = statistics.median(s["images_per_second"] / p["images_per_second"] for s, p in zip(smelt, peer))
    print(f"\n{smelt[0]['samples']} pictures; smelt / Python, median over rounds: {ratio:.2f}")
    if options.json:
        report = {"machine": machine(), "smelt": smelt, "python": peer, "ratio": ratio}
        pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
