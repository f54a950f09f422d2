# SPDX-License-Identifier: GPL-2.0
"""What a frame costs in instructions, counted by callgrind; the load runs outside of it.

Everything that the process executes while frames go round is counted and divided
by the frames. Under callgrind a back end is so slow that each of its polls finds a
full burst: empty polls, which say nothing, hardly occur; before and behind it is
stopped. Valgrind knows no AVX-512;
both sides see a CPU without it.
"""
import glob
import os
import re
import shutil
import signal
import subprocess
import time

from backends import Failed, Testpmd, Viola

CASES = [(kind, ring) for kind in ("reflect", "p2p")
         for ring in ("split", "split-in-order", "packed", "packed-in-order")]
SIZE = 64
FUNCTIONS = 6  # of each, the dearest


def control(bench, pid, *words):
    subprocess.run(["callgrind_control", *words, str(pid)], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, cwd=bench.dir, timeout=60)


def total_of(path):
    with open(path, errors="replace") as f:
        found = re.findall(r"^(?:totals|summary): (\d+)", f.read(), re.M)
    return int(found[-1]) if found else 0


def functions_of(path, frames):
    """The functions themselves, without those they call."""
    text = subprocess.run(["callgrind_annotate", "--threshold=95", path], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    rows = re.findall(r"^\s*([\d,]+) \([^)]*\)\s+\S*?:(\S+)(?: \[(.*)\])?$", text, re.M)
    # What has no name has at least a file.
    return [{"name": "%s in %s" % (name, os.path.basename(file)) if name.startswith("0x") else name,
             "per_frame": int(count.replace(",", "")) / frames}
            for count, name, file in rows[:FUNCTIONS] if frames]


def one(bench, generator, kind, ring, name, make, devargs):
    backend = make(["valgrind", "--tool=callgrind", "--fair-sched=yes", "--instr-atstart=no",
                    "--callgrind-out-file=%s" % os.path.join(bench.dir, "callgrind." + name)])
    bench.backends.append(backend)
    load = None
    try:
        backend.start()
        time.sleep(1)
        # Under valgrind the back end has ordinary pages; the generator has huge ones.
        load = generator(bench, devargs, SIZE, 1, [(name, backend.ports)])
        load.greet()
        if not load.ask("prime", 0, 20000)["back"]:
            raise Failed("instructions, %s: no frame came back" % name)
        # Counted is from here to the dump; stopped, it polls nothing in vain.
        control(bench, backend.pid, "-i", "on")
        os.kill(backend.pid, signal.SIGSTOP)
        load.keep_cpu()
        os.kill(backend.pid, signal.SIGCONT)
        seen = load.ask("series", "loop", 1500 if bench.quick else 3000, 0, 1, 0)
        os.kill(backend.pid, signal.SIGSTOP)
        frames = sum(s["received"] for s in seen)
        os.kill(backend.pid, signal.SIGCONT)
        control(bench, backend.pid, "-d")
        time.sleep(0.5)
        dumps = sorted(glob.glob(os.path.join(bench.dir, "callgrind.%s.*" % name)),
                       key=os.path.getmtime)
        if not dumps or not frames:
            raise Failed("instructions, %s: %s" % (
                name, "callgrind wrote nothing" if frames else "no frame arrived"))
        return {"case": "%s-%d-%s" % (kind, SIZE, ring), "name": name, "frames": frames,
                "instructions": total_of(dumps[-1]),
                "per_frame": total_of(dumps[-1]) / frames,
                "functions": functions_of(dumps[-1], frames)}
    finally:
        if load:
            load.stop()
        backend.stop(kill=True)
        for path in glob.glob(os.path.join(bench.dir, "callgrind.%s*" % name)):
            os.unlink(path)


def run(bench, generator):
    from cases import RINGS
    if not shutil.which("callgrind_control"):
        bench.say("no valgrind here (tools/setup brings it): no instructions are counted")
        return []
    results = []
    for kind, ring in CASES if not bench.quick else CASES[:2]:
        ports = 2 if kind == "p2p" else 1
        mode = "patch" if kind == "p2p" else "reflect"
        other = "io" if kind == "p2p" else "mac"
        results.append(one(bench, generator, kind, ring, "viola-" + mode, lambda wrap: Viola(
            bench, "viola-callgrind", mode, ports, 1, SIZE, wrap=wrap), RINGS[ring]))
        results.append(one(bench, generator, kind, ring, "testpmd-" + other, lambda wrap: Testpmd(
            bench, "testpmd-callgrind", other, ports, 1, SIZE, wrap=wrap), RINGS[ring]))
    return results
