# SPDX-License-Identifier: GPL-2.0
"""`make bench-dpdk`: viola-dpdk beside dpdk-testpmd and OVS-DPDK.

  tests/bench/dpdk.sh [--only CASE[,CASE...]] [--no-rates] [--no-restart] [--no-instructions] ...

Documentation/performance/dpdk.md says what each number rests on.
"""
import argparse
import collections
import fnmatch
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import cases
import instructions
import plot
import report
import restart
from backends import BIN, Failed, Ovs, TOP, wait_for


MOST_RATE = 40000000  # frames per second; no back end here comes near
PRIME_MS = 60000  # for the first frame; reached by what hangs


class Generator:
    """viola-test-load, and a conversation with it: a line there, a line of JSON back."""

    def __init__(self, bench, devargs, size, queues, contenders, server=False, touch=False,
                 lean=False):
        command = [os.path.join(BIN, "viola-test-load"), "--cpu", str(bench.cpu_load),
                   "--devargs", devargs, "--size", str(size), "--queues", str(queues),
                   "--ring-size", str(bench.args.ring_size),
                   "--in-flight", str(bench.args.in_flight)]
        if not bench.huge:
            command.append("--no-huge")
        if server:
            command.append("--server")
        if touch:
            command.append("--touch")
        if lean:
            command.append("--lean")
        for name, ports in contenders:
            command += ["--contender", ",".join([name] + ports)]
        self.fifo = bench.args.fifo
        self.polling = []  # threads of back ends
        self.errors = tempfile.TemporaryFile(dir=bench.dir)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True)

    def greet(self):
        self.hello = self.answer()
        return self

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            text = self.errors.read().decode(errors="replace").strip().splitlines()
            raise Failed("the load generator ended: %s" % (text[-2:] or "it said nothing"))
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            raise Failed("the load generator: %s" % answer["error"])
        return answer

    def tell(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()

    def ask(self, *words):
        self.tell(*words)
        return self.answer()

    def measure(self, *words):
        """As ask(), while nobody else gets at the CPUs, if that is wanted.

        Only for so long: threads that serve those who poll must run, too.
        """
        self.policy(self.fifo)
        try:
            return self.ask(*words)
        finally:
            self.policy(0)

    def policy(self, priority):
        if not self.fifo:
            return
        for tid in [self.process.pid] + self.polling:
            try:
                os.sched_setscheduler(tid, os.SCHED_FIFO if priority else os.SCHED_OTHER,
                                      os.sched_param(priority))
            except ProcessLookupError:
                pass

    def keep_cpu(self):
        """Nobody else on the generator's CPU from here on, where that is permitted."""
        try:
            os.sched_setscheduler(self.process.pid, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pass

    def stop(self):
        if self.process.poll() is None:
            try:
                self.tell("quit")
                self.process.wait(5)
            except (subprocess.TimeoutExpired, OSError):
                self.process.kill()
                self.process.wait()
        self.errors.close()


class Bench:
    def __init__(self, args, directory):
        self.args = args
        self.dir = directory
        self.quick = args.quick
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            raise Failed("two CPUs are needed: one for the back end, one for the load")
        self.cpu_back, self.cpu_load = cpus[:2]
        with open("/proc/meminfo") as f:
            memory = {line.split(":")[0]: int(line.split()[1]) for line in f}
        free = memory["HugePages_Free"] * memory["Hugepagesize"]
        # In kB: four back ends and the generator.
        self.huge = free >= 1200 * 1024 and not args.no_huge
        self.backends = []

    def say(self, text):
        if not self.args.verbose:
            print("  " + text, file=sys.stderr, flush=True)
        else:
            print("  %6.1f %s" % (time.monotonic() - self.begin, text), file=sys.stderr, flush=True)

    def stop(self):
        for backend in self.backends:
            backend.stop()
        self.backends = []


def measure_away(bench):
    """What the machine itself takes of both CPUs, before anything else wants them."""
    def shield():
        if bench.args.fifo:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(bench.args.fifo))
    found = []
    for cpu in (bench.cpu_back, bench.cpu_load):
        command = [os.path.join(BIN, "viola-test-load"), "--cpu", str(cpu), "--away", "500"]
        text = subprocess.run(command, preexec_fn=shield, stdout=subprocess.PIPE,
                              check=True, text=True).stdout
        found.append(json.loads(text))
    return found


def start_backends(bench, kind, queues, size):
    """[(contender, backend)]; OVS only where there is one, another viola-dpdk if wanted."""
    started = []
    for contender in cases.KINDS[kind].contenders:
        if contender.name.startswith("ovs") and (bench.args.no_ovs or Ovs.find() is None):
            continue
        if contender.name.startswith("before") and not bench.args.before:
            continue
        if bench.args.contender and not any(
                fnmatch.fnmatch(contender.name, p) for p in bench.args.contender):
            continue
        backend = contender.make(bench, queues, size)
        bench.backends.append(backend)
        backend.start()
        started.append((contender, backend))
    # OVS and testpmd make their ports in their own time.
    time.sleep(0.5)
    return started


def measure_busy(bench, load, kind, started, result):
    """Cycles a frame of the back end's busy polls. None is stopped within a measurement."""
    for _ in range(bench.args.windows):
        for k, (contender, backend) in enumerate(started):
            load.ask("select", k)
            time.sleep(0.02)
            before = backend.busy()
            if before is None:
                continue
            load.measure("series", cases.KINDS[kind].action, bench.args.window_ms, 10, 1, k)
            frames, cycles = (a - b for a, b in zip(backend.busy(), before))
            if frames > 1000 and cycles:
                result[contender.name]["cycles"].append(cycles / frames)


def measure_rates(bench, load, started, result):
    """NDR, PDR, and latency at shares of the NDR."""
    for _ in range(bench.args.searches):
        for k, (contender, _) in enumerate(started):
            load.ask("select", k)
            r = result[contender.name]
            r["ndr"].append(load.measure("search", k, 0, 0, MOST_RATE, bench.args.trial_ms))
            # What carries a rate without loss does so with some.
            r["pdr"].append(load.measure("search", k, 0.005, r["ndr"][-1]["rate"],
                                         MOST_RATE, bench.args.trial_ms))
    ndr = {c.name: report.median([s["rate"] for s in result[c.name]["ndr"]]) for c, _ in started}
    least = min(ndr.values())
    for _ in range(bench.args.latency_rounds):
        for share, of in ((0.1, None), (0.5, None), (0.9, None), (0.5, least)):
            for k, (contender, _) in enumerate(started):
                rate = share * (of or ndr[contender.name])
                if rate < 1000:
                    continue
                load.ask("select", k)
                answer = load.measure("latency", k, int(rate), bench.args.latency_windows,
                                      bench.args.latency_us)
                answer["share"] = share
                answer["common"] = of is not None
                result[contender.name]["latency"].append(answer)


def prime(bench, load, k, action, name):
    """Until frames flow. A port is made ready by threads that need a CPU, too.

    OVS sends nothing to a port before its main thread has set the port up once more, after
    the front end came, and that thread has no CPU while the other back ends poll. So these
    are stopped, and the limit is one that only a hang reaches.
    """
    load.ask("select", k)
    if action == "loop":
        if not load.ask("prime", k, PRIME_MS)["back"]:
            raise Failed("%s returns no frame" % name)
        return

    def flows():
        sample = load.ask("series", action, 10, 0, 1, k)[0]
        # More than the ring holds: somebody takes them.
        return sample["sent"] > 2 * bench.args.ring_size or sample["received"] > 0
    wait_for(name, flows, PRIME_MS / 1000)


def run_case(bench, case, started):
    kind = cases.KINDS[case.kind]
    load = Generator(bench, cases.RINGS[case.ring], case.size, case.queues,
                     [(c.name, b.ports) for c, b in started],
                     touch=bench.args.touch and not case.lean, lean=case.lean)
    result = {c.name: collections.defaultdict(list) for c, _ in started}
    try:
        load.greet()
        for k, (contender, backend) in enumerate(started):
            load.polling.append(backend.polling_thread())
            load.ask("pid", k, backend.pid, load.polling[-1])
            result[contender.name]["paths"] = load.hello["paths"][k]
        for k, (contender, _) in enumerate(started):
            prime(bench, load, k, kind.action, contender.name)
        order = list(range(len(started)))
        # In parts, so that no single command is long.
        for _ in range(bench.args.parts):
            for s in load.measure("series", kind.action, bench.args.sample_ms, bench.args.warm_ms,
                                  bench.args.samples // bench.args.parts, *order):
                r = result[started[s["k"]][0].name]
                frames = s["sent"] if kind.action == "send" else s["received"]
                r["fps"].append(frames / s["seconds"])
                r["idle"].append(s["idle"])
                r["burst"].append(s["burst"])
                r["refused"].append(s["refused"])
        bench.say("  cycles")
        measure_busy(bench, load, case.kind, started, result)
        if kind.action == "loop":
            for k, (contender, _) in enumerate(started):
                load.ask("select", k)
                drained = load.ask("drain", k)
                result[contender.name]["lost"] = max(0, drained["sent"] - drained["arrived"])
        if case.rates and not bench.args.no_rates:
            bench.say("  rates")
            measure_rates(bench, load, started, result)
        load.ask("release")
    finally:
        for _, backend in started:
            try:
                os.kill(backend.pid, signal.SIGCONT)
            except OSError:
                pass
        load.stop()
    return {"name": case.name, "kind": case.kind, "title": kind.title, "size": case.size,
            "ring": case.ring, "queues": case.queues, "contenders": result}


def choose(args):
    if not args.only:
        return cases.default_cases(args.quick)
    chosen = []
    for pattern in args.only.split(","):
        found = [c for c in cases.all_cases() if fnmatch.fnmatch(c.name, pattern)]
        if not found and pattern not in ("restart", "instructions"):
            raise Failed("there is no case %s; --list shows them" % pattern)
        chosen += [c for c in found if c.name not in [x.name for x in chosen]]
    return chosen


def options():
    quick = bool(os.environ.get("VIOLA_BENCH_QUICK"))
    p = argparse.ArgumentParser(prog="tests/bench/dpdk.sh", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", help="cases (patterns), restart, instructions; separated by commas")
    p.add_argument("--list", action="store_true", help="names of all cases")
    p.add_argument("--quick", action="store_true", default=quick,
                   help="as with VIOLA_BENCH_QUICK=1: about 3 minutes")
    p.add_argument("--no-rates", action="store_true", help="no NDR and latency")
    p.add_argument("--no-restart", action="store_true")
    p.add_argument("--no-instructions", action="store_true")
    p.add_argument("--no-ovs", action="store_true")
    p.add_argument("--no-huge", action="store_true", help="ordinary pages")
    p.add_argument("--contender", action="append", help="only these (pattern; may be repeated)")
    p.add_argument("--before", metavar="FILE",
                   help="another viola-dpdk, to be measured beside that of the tree")
    p.add_argument("--touch", action="store_true",
                   help="the generator swaps addresses, as a forwarding guest does")
    p.add_argument("--in-flight", type=int, default=512, help="frames per port (512)")
    p.add_argument("--ring-size", type=int, default=1024)
    p.add_argument("--samples", type=int, default=40 if not quick else 30)
    p.add_argument("--sample-ms", type=int, default=15)
    p.add_argument("--warm-ms", type=int, default=5)
    p.add_argument("--windows", type=int, default=3,
                   help="measurements of cycles per frame")
    p.add_argument("--window-ms", type=int, default=100)
    p.add_argument("--searches", type=int, default=3 if not quick else 1)
    p.add_argument("--trial-ms", type=int, default=30)
    p.add_argument("--latency-rounds", type=int, default=9 if not quick else 3)
    p.add_argument("--latency-windows", type=int, default=200, help="each round")
    p.add_argument("--latency-us", type=int, default=100, help="length of a window")
    p.add_argument("--restarts", type=int, default=10 if not quick else 5)
    p.add_argument("--out", default=os.path.join(TOP, "build/bench"))
    p.add_argument("--fifo", type=int, default=0, metavar="PRIORITY",
                   help="keep other programs off both CPUs: SCHED_FIFO for what polls")
    p.add_argument("--verbose", action="store_true", help="progress with times")
    args = p.parse_args()
    args.parts = max(1, min(6, args.samples // 5))
    return args


def run(args, directory):
    bench = Bench(args, directory)
    bench.begin = time.monotonic()
    wanted = args.only.split(",") if args.only else []
    chosen = choose(args)
    if args.list:
        print("\n".join(c.name for c in cases.all_cases()))
        return 0
    for program in (os.path.join(BIN, "viola-dpdk"), os.path.join(BIN, "viola-test-load"),
                    shutil.which("dpdk-testpmd")):
        if not program or not os.access(program, os.X_OK):
            raise Failed("viola-dpdk or dpdk-testpmd is missing; run tools/setup, then make")
    if Ovs.find() is None and not args.no_ovs:
        bench.say("no OVS-DPDK here (tools/setup brings it): it is left out")
    results = {"schema": "viola-bench-dpdk/3", "machine": report.machine(bench), "cases": []}
    results["machine"]["away"] = measure_away(bench)
    failed = []
    groups = collections.OrderedDict()
    for case in chosen:
        key = (case.kind, case.queues, case.size if cases.KINDS[case.kind].per_size else 0)
        groups.setdefault(key, []).append(case)
    try:
        for (kind, queues, size), members in groups.items():
            started = start_backends(bench, kind, queues, size)
            for case in members:
                bench.say(case.name)
                try:
                    results["cases"].append(run_case(bench, case, started))
                except Failed as e:
                    # The next case gets back ends that know nothing of this.
                    failed.append("%s: %s" % (case.name, e))
                    bench.say(failed[-1])
                    bench.stop()
                    started = start_backends(bench, kind, queues, size)
            bench.stop()
        if "restart" in wanted or not (wanted or args.no_restart):
            bench.say("restart")
            results["restart"] = restart.run(bench, Generator)
        if "instructions" in wanted or not (wanted or args.no_instructions):
            bench.say("instructions")
            results["instructions"] = instructions.run(bench, Generator)
    except Failed as e:
        failed.append(str(e))
    except (KeyboardInterrupt, SystemExit):
        failed.append("interrupted: what was measured until then")
    finally:
        bench.stop()
    results["failed"] = failed
    results["seconds"] = round(time.monotonic() - bench.begin)
    results["machine"]["load_after"] = os.getloadavg()
    report.summarize(results)
    os.makedirs(args.out, exist_ok=True)
    with open(os.path.join(args.out, "dpdk.json"), "w") as f:
        json.dump(results, f, indent=1)
        f.write("\n")
    plot.write(results, os.path.join(args.out, "dpdk.svg"))
    report.write(results, sys.stdout)
    return 1 if failed else 0


def main():
    args = options()
    # An end from outside is an end all the same: back ends are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = tempfile.mkdtemp(prefix="viola-bench-")
    try:
        return run(args, directory)
    except Failed as e:
        print("dpdk: %s" % e, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
