# SPDX-License-Identifier: GPL-2.0
"""The back ends that are compared: started, asked what a frame cost them, stopped.

Each has in common: ports (socket paths), pid (of the process that polls),
busy() -> (frames, cycles) so far, of polls that moved frames, and stop().
"""
import glob
import json
import os
import re
import shutil
import socket
import subprocess
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
BIN = os.path.join(TOP, "build/bin")
CACHE = os.environ.get("VIOLA_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "viola")


class Failed(Exception):
    """One sentence for the user."""


def wait_for(what, test, seconds=15.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = test()
        if result:
            return result
        time.sleep(0.02)
    raise Failed("%s: nothing after %d seconds" % (what, seconds))


def runtime_dir():
    if os.geteuid() == 0:
        return "/var/run/dpdk"
    return os.path.join(os.environ.get("XDG_RUNTIME_DIR") or "/tmp", "dpdk")


class Backend:
    count = 0
    polling = None  # the name of the thread that polls, if it is not the first

    def __init__(self, bench, name, ports):
        Backend.count += 1
        self.bench = bench
        self.name = name
        self.dir = os.path.join(bench.dir, "%s-%d" % (name, Backend.count))
        os.mkdir(self.dir)
        self.prefix = "viola-bench-%d-%d" % (os.getpid(), Backend.count)
        self.ports = [os.path.join(self.dir, "s%d" % i) for i in range(ports)]
        self.log = os.path.join(self.dir, "log")
        self.process = None
        self.pid = 0

    def spawn(self, command, **more):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT,
                                            **more)
        self.pid = self.process.pid

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise Failed("%s ended: %s" % (self.name, self.last_line()))
            return all(os.path.exists(p) for p in self.ports)
        wait_for(self.name, ready)

    def polling_thread(self):
        """By its name; the first thread, if none has such a name."""
        for tid in os.listdir("/proc/%d/task" % self.pid):
            with open("/proc/%d/task/%s/comm" % (self.pid, tid)) as f:
                if self.polling and re.match(self.polling, f.read()):
                    return int(tid)
        return self.pid

    def last_line(self):
        with open(self.log, errors="replace") as log:
            lines = [line.strip() for line in log if line.strip()]
        return lines[-1] if lines else "it said nothing"

    def end(self, process, kill=False):
        """By its id, and never more than the one that was started."""
        if not process or process.poll() is not None:
            return
        process.send_signal(18)  # SIGCONT: it may be stopped
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self, kill=False):
        self.end(self.process, kill)
        shutil.rmtree(os.path.join(runtime_dir(), self.prefix), ignore_errors=True)


class Viola(Backend):
    def __init__(self, bench, name, forward, ports, queues, size, client=False, wrap=(),
                 program=os.path.join(BIN, "viola-dpdk")):
        super().__init__(bench, name, ports)
        command = [program, "--cores", str(bench.cpu_back), "--quiet", "--packed",
                   "--forward", forward]
        if forward == "source":
            command += ["--frame-size", str(size)]
        if not bench.huge or wrap:
            command += ["--no-huge"]
        for path in self.ports:
            command += ["--port", path + (",client" if client else "")]
        # Of one that is restarted nothing is asked, and no name may be in the way.
        self.command = list(wrap) + command + ["--", "--file-prefix", self.prefix]

    def start(self, wait=True):
        self.spawn(self.command)
        if wait:
            self.wait_ready()
        return self

    def telemetry(self, *commands):
        paths = glob.glob(os.path.join(runtime_dir(), self.prefix, "dpdk_telemetry.v2*"))
        if not paths:
            return [None] * len(commands)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(5)
            s.connect(paths[0])
            s.recv(4096)
            answers = []
            for command in commands:
                s.send(command.encode())
                answers.append(json.loads(s.recv(65536)).get(command.split(",")[0]))
            return answers

    def busy(self):
        lcore, *ports = self.telemetry("/viola/lcore,0", *(
            "/viola/port,%d" % i for i in range(len(self.ports))))
        if not lcore:
            return None
        frames = sum(max(p["rx_frames"], 0) for p in ports)
        # Mode source takes none.
        return frames or sum(p["tx_frames"] for p in ports), lcore["busy_cycles"]


class Testpmd(Backend):
    polling = r"(lcore|rte|dpdk)-worker"

    def __init__(self, bench, name, forward, ports, queues, size, client=False, wrap=()):
        super().__init__(bench, name, ports)
        command = ["dpdk-testpmd", "--lcores", "0@%d,1@%d" % (bench.cpu_load, bench.cpu_back),
                   "--no-pci",
                   "--no-telemetry", "--file-prefix", self.prefix]
        command += ["--in-memory"] if bench.huge and not wrap else ["--no-huge", "-m", "256"]
        for i, path in enumerate(self.ports):
            command += ["--vdev", "net_vhost%d,iface=%s,queues=%d%s" % (
                i, path, queues, ",client=1" if client else "")]
        command += ["--", "-i", "--forward-mode=" + forward, "--nb-cores=1",
                    "--rxq=%d" % queues, "--txq=%d" % queues, "--total-num-mbufs=16384",
                    "--record-core-cycles", "--auto-start"]
        if forward == "txonly":
            command += ["--txpkts=%d" % (size - 4)]
        # To a file it would write a page at a time.
        self.command = ["stdbuf", "-oL"] + list(wrap) + command

    def start(self, wait=True):
        self.spawn(self.command, stdin=subprocess.PIPE)
        if wait:
            self.wait_ready()
        return self

    def busy(self):
        # The first word is "total" until DPDK 23, "busy" since.
        pattern = re.compile(rb"(?:total|busy) cycles=(\d+) / total \w+ packets=(\d+)")
        before = os.path.getsize(self.log)
        self.process.stdin.write(b"show fwd stats all\n")
        self.process.stdin.flush()

        def answer():
            with open(self.log, "rb") as log:
                log.seek(before)
                text = log.read()
            # Without a frame it tells no cycles.
            if b"++++\n" in text[-400:] or pattern.search(text):
                return pattern.search(text) or True
            return None
        found = wait_for("testpmd's statistics", answer, 5)
        return (0, 0) if found is True else (int(found[2]), int(found[1]))


class Ovs(Backend):
    """Open vSwitch's userspace datapath, all of it in a folder and a network namespace."""
    polling = r"pmd-c"

    @staticmethod
    def find():
        """Where its files are below: "" if installed, the cache's copy, or None."""
        for root in ("", os.path.join(CACHE, "ovs")):
            if os.access(root + "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk", os.X_OK):
                return root
        return None

    def __init__(self, bench, name, flows, ports):
        super().__init__(bench, name, 0)
        self.root = self.find()
        self.flows = flows
        self.ports = [os.path.join(self.dir, "p%d" % i) for i in range(ports)]
        self.database = None
        self.environment = dict(os.environ, OVS_RUNDIR=self.dir, OVS_LOGDIR=self.dir,
                                OVS_DBDIR=self.dir, OVS_SYSCONFDIR=self.dir)

    def tool(self, name, *arguments):
        path = [p for p in (self.root + "/usr/bin/" + name, self.root + "/usr/sbin/" + name)
                if os.path.exists(p)][0]
        result = subprocess.run([path] + list(arguments), env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
        if result.returncode:
            raise Failed("%s: %s" % (name, result.stdout.strip().splitlines()[-1]))
        return result.stdout

    def vsctl(self, *arguments):
        return self.tool("ovs-vsctl", "--db=unix:%s/db.sock" % self.dir, "--timeout=15",
                         *arguments)

    def start(self):
        mask = "0x%x" % (1 << self.bench.cpu_back)
        # Without --legacy-mem it adds --in-memory by itself, which --no-huge excludes.
        extra = "--no-pci --no-telemetry --file-prefix %s %s" % (
            self.prefix,
            "--in-memory" if self.bench.huge else "--no-huge --legacy-mem -m 256")
        self.tool("ovsdb-tool", "create", self.dir + "/conf.db",
                  self.root + "/usr/share/openvswitch/vswitch.ovsschema")
        with open(self.dir + "/db.log", "wb") as log:
            self.database = subprocess.Popen(
                [self.root + "/usr/sbin/ovsdb-server", self.dir + "/conf.db",
                 "--remote=punix:%s/db.sock" % self.dir, "--unixctl=%s/db.ctl" % self.dir,
                 "--pidfile=%s/db.pid" % self.dir], env=self.environment, stdout=log,
                stderr=subprocess.STDOUT)
        wait_for("ovsdb-server", lambda: os.path.exists(self.dir + "/db.sock"))
        self.vsctl("--no-wait", "init")
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
                   "other_config:pmd-cpu-mask=" + mask, "other_config:dpdk-lcore-mask=" + mask,
                   "other_config:dpdk-extra=\"%s\"" % extra,
                   # EAL refuses that beside -m.
                   *(["other_config:dpdk-socket-mem=256"] if self.bench.huge else []))
        # Its bridge is also a tap of the kernel: of no network but its own.
        self.spawn(["unshare", "--net", self.root +
                    "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk",
                    "unix:%s/db.sock" % self.dir, "--unixctl=%s/ctl" % self.dir,
                    "--pidfile=%s/pid" % self.dir], env=self.environment)
        add = ["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev",
               "fail-mode=secure"]
        for i in range(len(self.ports)):
            add += ["--", "add-port", "br0", "p%d" % i, "--", "set", "Interface", "p%d" % i,
                    "type=dpdkvhostuser", "ofport_request=%d" % (i + 1)]
        self.vsctl(*add)
        self.wait_ready()
        bridge = "unix:%s/br0.mgmt" % self.dir
        wait_for("ovs-vswitchd's bridge", lambda: os.path.exists(self.dir + "/br0.mgmt"))
        self.tool("ovs-ofctl", "del-flows", bridge)
        for flow in self.flows:
            self.tool("ovs-ofctl", "add-flow", bridge, flow)
        return self

    def busy(self):
        text = self.tool("ovs-appctl", "-t", self.dir + "/ctl", "dpif-netdev/pmd-stats-show")
        frames = sum(int(n) for n in re.findall(r"packets received: (\d+)", text))
        cycles = sum(int(n) for n in re.findall(r"processing cycles: (\d+)", text))
        return frames, cycles

    def stop(self, kill=False):
        super().stop(kill)
        self.end(self.database)
