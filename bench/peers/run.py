#!/usr/bin/env python3
"""Measures smelt beside ONNX Runtime and OpenVINO: the same networks with the
same weights, batch 1, float32.

    python3 bench/peers/run.py [--nets a,b] [--threads 1,2] [--rounds N] [--json FILE]

The three take turns, round by round, so that whatever else slows the machine
slows them alike. A row holds the least milliseconds of each over all rounds, and
the median over the rounds of smelt's least time by that of the better peer.
Before that, smelt's outputs are held against ONNX Runtime's.

It makes a virtual environment with requirements.txt (several GB) in
.cache/peers, unless --python or PEERS_PYTHON names an interpreter that has
these packages. This file itself needs nothing but the standard library, and must
not: the memory that smelt reports includes that of the process which started it.
"""

import argparse
import contextlib
import fcntl
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = ROOT / ".cache" / "peers"
NETS = CACHE / "nets"
PEERS = {"ort": "ONNX Runtime", "openvino": "OpenVINO"}
TOLERANCE = 1e-3  # of outputs, relative to the largest


def arguments(parser):
    """Adds the flags that every measurement here has."""
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds of measuring (5)")
    parser.add_argument("--json", metavar="FILE", help="write everything measured to FILE")
    parser.add_argument("--smelt", metavar="FILE", help="smelt to measure, instead of building it")
    parser.add_argument("--smelt-cpu", metavar="LEVEL", default="", help="set SMELT_CPU for smelt: generic, avx2, …")
    parser.add_argument("--python", metavar="FILE", default=os.environ.get("PEERS_PYTHON"), help="interpreter that has the peers")
    parser.add_argument("--lock", metavar="FILE", help="hold a lock on FILE while measuring, a network at a time")
    parser.add_argument("--export", action="store_true", help="write the networks again")


class Bench:
    """What is measured with: an interpreter that has the peers, a smelt."""

    def __init__(self, options):
        self.options = options
        self.python = options.python or str(environment())
        self.smelt = options.smelt
        if self.smelt and not os.access(self.smelt, os.X_OK):
            sys.exit(f"--smelt {self.smelt}: no program")
        if not self.smelt:
            self.folder = tempfile.TemporaryDirectory()  # its own: another run may build meanwhile
            self.smelt = os.path.join(self.folder.name, "smelt")
            subprocess.run(["go", "build", "-o", self.smelt, "./cmd/smelt"], cwd=ROOT, check=True)
        self.env = dict(os.environ)
        if options.smelt_cpu:
            self.env["SMELT_CPU"] = options.smelt_cpu

    def export(self, names):
        missing = [n for n in names if self.options.export or not (NETS / f"{n}.npz").exists()]
        if missing:
            command = [self.python, str(HERE / "nets.py"), str(NETS), *missing]
            quiet = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if quiet.returncode:
                sys.exit(quiet.stderr)

    def titles(self):
        """Returns the titles of all networks by name."""
        return json.loads(self.tell(self.python, HERE / "nets.py", "--list"))

    def tell(self, *command):
        done = subprocess.run([str(c) for c in command], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip()[-2000:])
        return done.stdout

    def smelt_bench(self, name, threads, runs):
        return json.loads(self.tell(self.smelt, "bench", NETS / f"{name}.mlpackage", "--json", "--threads", threads, "--runs", runs))

    def check(self, name):
        """Returns how far smelt's outputs are from ONNX Runtime's."""
        inputs = NETS / f"{name}.npz"
        with tempfile.TemporaryDirectory() as folder:
            self.tell(self.smelt, "predict", NETS / f"{name}.mlpackage", "--inputs", inputs, "--output-dir", folder, "--json")
            told = self.tell(self.python, HERE / "peer.py", "check", NETS / f"{name}.onnx", inputs, folder)
        return json.loads(told)["max_relative_error"]

    @contextlib.contextmanager
    def alone(self):
        if not self.options.lock:
            yield
            return
        with open(self.options.lock, "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class Peer:
    """A peer in its own process, loaded and warm; started is what it told of that."""

    def __init__(self, bench, peer, name, threads):
        command = [bench.python, HERE / "peer.py", "run", peer, NETS / f"{name}.onnx", NETS / f"{name}.npz", threads]
        self.process = subprocess.Popen(
            [str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.started = self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the peer has ended")
        return json.loads(line)

    def measure(self, seconds, runs):
        self.process.stdin.write(json.dumps({"seconds": seconds, "runs": runs}) + "\n")
        self.process.stdin.flush()
        return self.read()


def environment():
    python = CACHE / "venv" / "bin" / "python"
    done = CACHE / "venv" / "requirements.txt"
    wanted = (HERE / "requirements.txt").read_text()
    if not done.exists() or done.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", CACHE / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-r", HERE / "requirements.txt"], check=True)
        done.write_text(wanted)
    return python


def measure(bench, name, threads):
    """Measures one network in rounds."""
    options = bench.options
    rounds, versions = [], {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(bench.alone())
        peers = {p: stack.enter_context(Peer(bench, p, name, threads)) for p in PEERS}
        versions = {p: peers[p].started["version"] for p in peers}
        guess = bench.smelt_bench(name, threads, 3)
        runs = max(options.runs, math.ceil(1e3 * options.seconds / guess["median_ms"]))
        turns = {p: lambda p=p: peers[p].measure(options.seconds, options.runs) for p in peers}
        turns["smelt"] = lambda: bench.smelt_bench(name, threads, runs)
        order = list(turns)
        for _ in range(options.rounds):
            order = order[1:] + order[:1]
            rounds.append({who: turns[who]() for who in order})
    ratios = [r["smelt"]["min_ms"] / min(r[p]["min_ms"] for p in PEERS) for r in rounds]
    medians = [r["smelt"]["median_ms"] / min(r[p]["median_ms"] for p in PEERS) for r in rounds]
    return {
        "net": name,
        "threads": threads,
        "gflop": guess["gflop_count"],
        "least_ms": {who: min(r[who]["min_ms"] for r in rounds) for who in turns},
        "median_ms": {who: statistics.median(r[who]["median_ms"] for r in rounds) for who in turns},
        "ratio": statistics.median(ratios),
        "ratio_of_medians": statistics.median(medians),
        "ratios": ratios,
        "rounds": rounds,
        "versions": versions,
    }


def starts(bench, name, threads):
    """Measures how long a first prediction takes from the file, and the memory after it."""
    found = {who: [] for who in ("smelt", *PEERS)}
    with bench.alone():
        for _ in range(bench.options.starts):
            found["smelt"].append(bench.smelt_bench(name, threads, 1))
            for p in PEERS:
                with Peer(bench, p, name, threads) as peer:
                    found[p].append(peer.started)
    least = {}
    for who, all in found.items():
        least[who] = {
            "load_ms": min(s["load_ms"] for s in all),
            "first_ms": min(s["first_ms"] for s in all),
            "start_ms": min(s["load_ms"] + s["first_ms"] for s in all),
        }
        for key in ("peak_rss_bytes", "rss_bytes", "net_rss_bytes"):
            if key in all[0]:
                least[who][key] = min(s[key] for s in all)
    return {"net": name, "threads": threads, "least": least}


def machine():
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in open("/proc/cpuinfo"):
            if line.startswith("model name"):
                model = line.split(":")[1].strip()
                break
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "date": time.strftime("%Y-%m-%d")}


def row(*cells):
    print("| " + " | ".join(str(c) for c in cells) + " |", flush=True)


def head(*cells):
    row(*cells)
    print("|" + "--|" * len(cells), flush=True)


def figure(ms):
    """Returns milliseconds in three digits or more."""
    return f"{ms:.{max(0, 2 - math.floor(math.log10(ms)))}f}" if ms < 100 else f"{ms:.0f}"


def megabytes(n):
    return f"{n / 1e6:.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", default="all", metavar="A,B", help="networks, by their names in nets.py (all)")
    parser.add_argument("--threads", default="1,2", metavar="N,M", help="numbers of threads (1,2)")
    parser.add_argument("--seconds", type=float, default=1, metavar="S", help="each one's share of a round (1)")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="least runs of each in a round (5)")
    parser.add_argument("--starts", type=int, default=0, metavar="N", help="measure N first predictions and memory too (0)")
    arguments(parser)
    options = parser.parse_args()
    bench = Bench(options)
    titles = bench.titles()
    names = list(titles) if options.nets == "all" else options.nets.split(",")
    for n in names:
        if n not in titles:
            parser.error(f"--nets {n}: want some of {', '.join(titles)}")
    threads = [int(n) for n in options.threads.split(",")]
    bench.export(names)
    report = {"machine": machine(), "smelt_cpu": options.smelt_cpu, "errors": {}, "speed": [], "starts": []}

    def save():  # after each network: a long run that is cut off has not been for nothing
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")

    wrong = []
    for n in names:
        try:
            report["errors"][n] = bench.check(n)
            if not report["errors"][n] <= TOLERANCE:
                wrong.append(f"{n}: outputs differ by {report['errors'][n]:.2g} of the largest")
        except RuntimeError as err:
            wrong.append(f"{n}: {err}")
    for w in wrong:
        print(w, file=sys.stderr)
    broken = {w.split(":")[0] for w in wrong}

    smelt = f"smelt ({options.smelt_cpu})" if options.smelt_cpu else "smelt"
    if options.rounds:
        head("network", "GFLOP", "threads", smelt, *PEERS.values(), f"{smelt} / better", "error")
    for n in names if options.rounds else []:
        for t in threads if n not in broken else []:
            m = measure(bench, n, t)
            report["speed"].append(m)
            save()
            least = (figure(m["least_ms"][who]) for who in ("smelt", *PEERS))
            row(titles[n], f"{m['gflop']:.3g}", t, *least, f"{m['ratio']:.2f}", f"{report['errors'][n]:.0e}")
    for t in threads if report["speed"] else []:
        ratios = [m["ratio"] for m in report["speed"] if m["threads"] == t]
        if ratios:
            row("geometric mean", "", t, "", "", "", f"**{statistics.geometric_mean(ratios):.2f}**", "")

    if options.starts:
        print()
        head(
            "network",
            "threads",
            *(f"{who}: load + first, ms" for who in (smelt, *PEERS.values())),
            f"{smelt}: peak MB",
            *(f"{who}: peak, resident, without imports, MB" for who in PEERS.values()),
        )
        for n in names:
            for t in threads if n not in broken else []:
                m = starts(bench, n, t)
                report["starts"].append(m)
                times = (figure(m["least"][who]["start_ms"]) for who in ("smelt", *PEERS))
                held = (
                    ", ".join(megabytes(m["least"][p][k]) for k in ("peak_rss_bytes", "rss_bytes", "net_rss_bytes"))
                    for p in PEERS
                )
                row(titles[n], t, *times, megabytes(m["least"]["smelt"]["peak_rss_bytes"]), *held)

    save()
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
