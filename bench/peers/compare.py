#!/usr/bin/env python3
"""Measures `smelt compare` beside Python programs that do the same.

    python3 bench/peers/compare.py --images DIR [--rounds N] [--json FILE]

Both take every picture of DIR, decode it, resize it and put it through SqueezeNet
in float32 and SqueezeNet with weights of 8 bits. The Python programs (compare in
peer.py) use Pillow and ONNX Runtime: the pooled one has as many pictures at once
as there are cores, each on one thread; the plain loop, as most people would write
it, takes one picture after another and leaves the threads to ONNX Runtime. Their
time is without starting Python and loading; that of smelt is all that the process
takes.
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

PEERS = {"pool": "Pillow and ONNX Runtime, pooled", "loop": "Pillow and ONNX Runtime, plain loop"}


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

    onnx = NETS / "classifier.onnx", NETS / "classifier8.onnx"
    runs = {name: [] for name in ("smelt", *PEERS)}
    with bench.alone():
        for _ in range(options.rounds):
            runs["smelt"].append(timed(bench, bench.smelt, "compare", *models, "--images", options.images, "--json"))
            for how in PEERS:
                peer = timed(bench, bench.python, HERE / "peer.py", "compare", how, *onnx, options.images)
                peer["images_per_second"] = peer["samples"] / peer["seconds"]
                runs[how].append(peer)

    head("", "images/s, best", "images/s, median", "cores busy", "same first class", "smelt / this")
    ratios = {}
    for name, all in runs.items():
        rates = [r["images_per_second"] for r in all]
        same = all[0].get("metrics", all[0])["top1_agreement"]
        busy = ratio = ""
        if name == "smelt":
            busy = f"{statistics.median(r['utilization'] for r in all):.0%}"
        else:
            ratios[name] = statistics.median(s["images_per_second"] / r for s, r in zip(runs["smelt"], rates))
            ratio = f"{ratios[name]:.2f}"
        title = PEERS.get(name, "smelt compare")
        row(title, f"{max(rates):.1f}", f"{statistics.median(rates):.1f}", busy, f"{same:.3f}", ratio)
    print(f"\n{runs['smelt'][0]['samples']} pictures; ratios are medians over rounds")
    if options.json:
        report = {"machine": machine(), "runs": runs, "ratios": ratios}
        pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
