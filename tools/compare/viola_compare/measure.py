# SPDX-License-Identifier: GPL-2.0
"""One run: its folder, the guests' initramfs, and the measuring half in the lab or here.

viola-measure writes log/host.json and one log/path-NAME.json per path, each anew after every
round. So a lab machine that dies takes with it only what was not yet measured.
"""
import datetime
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time

from viola_compare import document
from viola_compare.place import Missing

LAB_TIMEOUT = 124       # viola-lab's exit status at its time limit
LAB_KERNEL = 70         # the lab's kernel complained
LAB_MACHINE = 125       # the lab could not be started or broke
LAB_BOOT_S = 120
ICOUNT_TRIES = 4
# An icount lab's clock stops when that hangs, and with it every limit inside. One that lives
# prints a line for each step or adds to a log; the longest silence, while guests boot, was
# more than ten minutes on a machine with fifteen times its load.
STALL_S = 1800

FAULTS = {
    1: "the measuring half could not write its results",
    LAB_KERNEL: "the lab kernel logged a warning, a bug or a panic: see log/lab-kernel.log",
    LAB_TIMEOUT: "the lab machine was killed at its time limit",
    LAB_MACHINE: "the lab machine could not be started or broke",
    128 + signal.SIGINT: "it was interrupted",
}


class Ended(SystemExit):
    """A signal asked this program to end."""


def raise_ended(number, _frame):
    raise Ended(128 + number)


def folder_make(base, started):
    """A new folder for this run in @base, named by the time. Returns its name."""
    os.makedirs(base, exist_ok=True)
    stamp = started.strftime("%Y%m%dT%H%M%SZ")
    for i in range(1, 100):
        name = stamp if i == 1 else "%s-%d" % (stamp, i)
        try:
            os.mkdir(os.path.join(base, name))
        except FileExistsError:
            continue
        return name
    raise Missing("%s has 99 runs of this second" % base)


def inside(path, folder):
    return os.path.commonpath([os.path.realpath(path), folder]) == folder


class Run:
    def __init__(self, options, place, mode, release):
        self.options, self.place, self.mode, self.release = options, place, mode, release
        self.started = datetime.datetime.now(datetime.timezone.utc)
        self.load = os.getloadavg()[0]
        self.hangs = 0
        self.status = 0
        self.stalled = False
        self.base = os.path.realpath(options.out or os.path.join(place.tree, "out", "compare"))
        self.name = folder_make(self.base, self.started)
        self.folder = os.path.join(self.base, self.name)
        self.log = os.path.join(self.folder, "log")
        os.mkdir(self.log)
        # A lab machine writes only into the tree: results that go elsewhere are moved.
        self.stage = self.folder
        if not options.host and not inside(self.folder, os.path.realpath(place.tree)):
            self.stage = os.path.join(place.tree, "build", "compare",
                                      "%s-%d" % (self.name, os.getpid()))
            os.makedirs(self.stage_log())

    def stage_log(self):
        return os.path.join(self.stage, "log")

    def initramfs_make(self):
        tool = self.place.program("viola-mkinitramfs")
        done = subprocess.run([tool, "--kernel", self.release, "--output",
                               os.path.join(self.stage_log(), "initramfs")],
                              stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise Missing("the guests' initramfs could not be made")

    # --- the measuring half ------------------------------------------------------

    def lab_limit(self):
        """Real seconds after which the lab is killed, however busy it seems."""
        o = self.options
        if self.mode == "lab-icount":
            # A second of virtual time took 20 to 40 real ones; tenfold for a busy machine.
            per_round = 60 + o.rtt_count // 10 + o.rate_ms * 2
            return STALL_S + len(o.paths) * (300 + o.rounds * per_round)
        phases_s = o.rounds * (30 + o.rtt_count // 50 + 6 * o.rate_ms // 1000)
        return LAB_BOOT_S + len(o.paths) * (o.limit + 60 + phases_s)

    def command(self):
        o = self.options
        command = ["setpriv", "--pdeathsig", "TERM"]    # nothing outlives whoever waits for it
        if not o.host:
            command += [self.place.program("viola-lab"), "--kernel", o.kernel, "--timeout",
                        str(self.lab_limit()), "--log", os.path.join(self.log, "lab-kernel.log")]
            command += (["--icount"] if o.icount else []) + ["--"]
        command += [self.place.program("viola-measure"), "--out", self.stage, "--guest-kernel",
                    self.release, "--paths", ",".join(o.paths), "--rounds", str(o.rounds),
                    "--rtt-count", str(o.rtt_count), "--rate-ms", str(o.rate_ms), "--warmup",
                    str(o.warmup), "--limit", str(o.limit), "--sched", o.sched]
        for path, ns in o.slow.items():
            command += ["--slow", "%s=%d" % (path, ns)]
        return command

    def log_size(self):
        """Grows while anything is written, by lab, monitors or guests."""
        size = 0
        for folder in {self.log, self.stage_log()}:
            with os.scandir(folder) as files:
                for file in files:
                    try:
                        size += file.stat().st_size
                    except FileNotFoundError:       # it got its final name
                        pass
        return size

    def watch(self, child, stall_s):
        """Pass on what @child prints until it ends; end it if nothing happens for too long."""
        size = self.log_size()
        with selectors.DefaultSelector() as ready:
            ready.register(child.stdout, selectors.EVENT_READ)
            heard = time.monotonic()
            while True:
                if ready.select(5):
                    heard = time.monotonic()
                    data = os.read(child.stdout.fileno(), 65536)
                    if not data:
                        return
                    sys.stdout.buffer.write(data)
                    sys.stdout.buffer.flush()
                elif self.log_size() != size:
                    size, heard = self.log_size(), time.monotonic()
                elif stall_s and time.monotonic() - heard > stall_s:
                    # Once politely, so that it cleans up.
                    (child.kill if self.stalled else child.terminate)()
                    self.stalled, heard = True, time.monotonic()

    def measure_once(self):
        sys.stdout.flush()
        self.stalled = False
        try:
            # Ctrl-C ends the measuring half; what it has measured is reported. A handler,
            # unlike SIG_IGN, is not passed on to it.
            old = signal.signal(signal.SIGINT, lambda *_: None)
            with subprocess.Popen(self.command(), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE) as child:
                try:
                    self.watch(child, STALL_S if self.mode == "lab-icount" else 0)
                except BaseException:
                    child.terminate()
                    raise
            self.status = child.returncode if child.returncode >= 0 else 128 - child.returncode
        finally:
            signal.signal(signal.SIGINT, old)
        if self.stalled:
            self.status = LAB_TIMEOUT

    def missing(self):
        return [p for p in self.options.paths
                if not document.complete(self.stage_log(), p, self.options.rounds)]

    def measure(self):
        """Run the measuring half; again, whole, if an icount lab hung before it was done.

        Whole, because a comparison within a round needs all paths in the same lab.
        """
        for attempt in range(1, ICOUNT_TRIES + 1):
            self.measure_once()
            if self.mode != "lab-icount" or self.status != LAB_TIMEOUT:
                return
            self.hangs += 1
            if not self.missing():
                # It hung after everything had been measured.
                self.status = 0
                return
            if attempt < ICOUNT_TRIES:
                print("the lab machine hung; starting another (%d of %d)" %
                      (attempt + 1, ICOUNT_TRIES), flush=True)
                self.put_aside(attempt)

    def put_aside(self, attempt):
        """What a hung lab left of each path is kept, but does not count."""
        for name in self.options.paths:
            file = os.path.join(self.stage_log(), "path-%s.json" % name)
            if os.path.exists(file):
                os.replace(file, os.path.join(self.stage_log(),
                                              "hung-%d-%s.json" % (attempt, name)))

    def collect(self):
        """Bring a staged log to where it belongs, without what is of no use later."""
        image = os.path.join(self.stage_log(), "initramfs")
        if os.path.exists(image):
            os.unlink(image)
        if self.stage != self.folder:
            if os.path.isdir(self.stage_log()):
                shutil.copytree(self.stage_log(), self.log, dirs_exist_ok=True)
            shutil.rmtree(self.stage, ignore_errors=True)

    def discard(self):
        """A run that ended before its result leaves nothing."""
        shutil.rmtree(self.stage, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- its result --------------------------------------------------------------

    def fault(self):
        """What became of the measuring half as a whole, None if nothing."""
        if not self.status:
            return None
        if self.stalled:
            return "the lab machine hung %d times" % self.hangs if self.hangs > 1 else \
                "the lab machine hung"
        return FAULTS.get(self.status, "the measuring half exited with status %d" % self.status)

    def host(self):
        host = document.load(os.path.join(self.log, "host.json")) or {"kernel": None}
        host.setdefault("mode", self.mode)
        host["cpu"] = cpu_name()
        host["load"] = self.load
        host["busy"] = self.load > 0.5 * (os.cpu_count() or 1)
        return host

    def paths(self, known):
        """The paths' elements of the document. @known: their rungs."""
        rounds, fault = self.options.rounds, self.fault()
        paths = [document.path_load(self.log, name, rounds, fault) for name in self.options.paths]
        for path in paths:
            path.setdefault("rung", known.get(path["path"]))
        for name in self.options.paths:
            file = os.path.join(self.log, "path-%s.json" % name)
            if os.path.exists(file):
                os.unlink(file)     # it is in the result
        return paths

    def latest_link(self):
        link = os.path.join(self.base, "latest")
        new = os.path.join(self.base, ".latest.%d" % os.getpid())
        try:
            os.symlink(self.name, new)
            os.replace(new, link)
        except OSError as error:
            sys.stderr.write("viola-compare: %s: %s\n" % (link, error.strerror))


def cpu_name():
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
            for line in f:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown"
