# SPDX-License-Identifier: GPL-2.0
"""The program as users call it, with a lab and a measuring half that do what a test says.

That what these really leave is understood is for tests/lab/paths-traffic.sh, which boots guests.
"""
import contextlib
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import unittest

from viola_compare import measure

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

# Says what it is asked, leaves its command line, and runs the command, if it is to.
LAB = """#!/bin/bash
case " $* " in
*' --mode '*)
	case " $* " in *' --icount '*) echo lab-icount ;; *) echo "$FAKE_MODE" ;; esac
	exit 0 ;;
esac
echo "$*" >>"$FAKE/lab"
n=$(wc -l <"$FAKE/lab")
while [ "$1" != -- ]; do shift; done
shift
FAKE_ATTEMPT=$n setpriv --pdeathsig TERM "$@" || exit
if [ "$n" -le "${FAKE_HANGS:-0}" ]; then exit 124; fi
exit "${FAKE_LAB_STATUS:-0}"
"""

INITRAMFS = """#!/bin/bash
while [ "$1" != --output ]; do shift; done
echo image >"$2"
exit "${FAKE_INITRAMFS_STATUS:-0}"
"""

MEASURE = """#!/usr/bin/python3
import json, os, sys, time
sys.dont_write_bytecode = True
sys.path.insert(0, %r)
import made
if sys.argv[1:] == ["--list"]:
    print("\\n".join("%%s %%s" %% (name, of[0]) for name, of in made.PATHS.items()))
    sys.exit(0)
argument = dict(zip(sys.argv[1::2], sys.argv[2::2]))
log = os.path.join(argument["--out"], "log")
os.stat(os.path.join(log, "initramfs"))
json.dump(sys.argv, open(os.path.join(log, "arguments.json"), "w"))
print("[1/1] a line of progress", flush=True)
if os.environ.get("FAKE_MEASURE_STATUS"):
    sys.exit(int(os.environ["FAKE_MEASURE_STATUS"]))
json.dump({"kernel": "6.12.0", "mode": os.environ["FAKE_HOST_MODE"], "cpus": 1},
          open(os.path.join(log, "host.json"), "w"))
noise = made.Noise(int(os.environ.get("FAKE_SEED", 1)), 0.003, 0.002)
slow = dict([argument["--slow"].split("=")]) if "--slow" in argument else {}
names = argument["--paths"].split(",")
rounds = int(argument["--rounds"])
if int(os.environ.get("FAKE_ATTEMPT", 1)) <= int(os.environ.get("FAKE_HANGS", 0)):
    rounds = int(os.environ.get("FAKE_ROUNDS_BEFORE_HANG", 1))
for name in names:
    path = made.path(name, noise, rounds, 1 + int(slow.get(name, 0)) / 35000)
    if name == os.environ.get("FAKE_FAILS"):
        path.update(status="failed", reason="a frame came twice")
    if name in os.environ.get("FAKE_SKIPS", "").split(","):
        path.update(status="skipped", reason="no such module", rounds=[])
    if name != os.environ.get("FAKE_LEAVES_OUT"):
        json.dump(path, open(os.path.join(log, "path-%%s.json" %% name), "w"))
if os.environ.get("FAKE_SLEEP"):
    file = os.path.join(os.environ["FAKE"], "pid")
    with open(file + ".new", "w") as f:
        f.write(str(os.getpid()))
    os.rename(file + ".new", file)
    time.sleep(float(os.environ["FAKE_SLEEP"]))
""" % os.path.dirname(os.path.realpath(__file__))


class Program(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = os.path.realpath(folder.name)
        self.tree = os.path.join(self.top, "tree")
        self.bin = os.path.join(self.tree, "build", "bin")
        lib = os.path.join(self.tree, "build", "lib", "viola")
        os.makedirs(self.bin)
        shutil.copytree(os.path.join(TOP, "tools", "pylib", "viola"), os.path.join(lib, "viola"))
        shutil.copytree(os.path.join(TOP, "tools", "compare", "viola_compare"),
                        os.path.join(lib, "viola_compare"))
        self.keep(os.path.join(lib, "version"), "1.2.3\n")
        shutil.copy(os.path.join(TOP, "tools", "compare", "viola-compare"), self.bin)
        for name, content in (("viola-lab", LAB), ("viola-mkinitramfs", INITRAMFS),
                              ("viola-measure", MEASURE)):
            self.keep(os.path.join(self.bin, name), content, True)
        for release in ("6.12.0-amd64", "6.1.0-amd64"):
            boot = os.path.join(self.top, "cache", "kernel", release, "boot")
            os.makedirs(boot)
            self.keep(os.path.join(boot, "vmlinuz-" + release), "kernel")
            os.symlink(release, os.path.join(self.top, "cache", "kernel",
                                             release.rsplit(".", 1)[0]))
        self.environment = dict(os.environ, VIOLA_CACHE=os.path.join(self.top, "cache"),
                                FAKE=self.top, FAKE_MODE="lab-tcg", FAKE_HOST_MODE="lab-icount")

    def keep(self, file, content, executable=False):
        with open(file, "w", encoding="utf-8") as f:
            f.write(content)
        if executable:
            os.chmod(file, os.stat(file).st_mode | stat.S_IXUSR)

    def compare(self, *arguments, **environment):
        return subprocess.run([os.path.join(self.bin, "viola-compare"), *arguments],
                              cwd=self.top, env=dict(self.environment, **environment),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=300, check=False)

    def result(self, base=None):
        base = base or os.path.join(self.tree, "out", "compare")
        with open(os.path.join(base, "latest", "result.json"), encoding="utf-8") as f:
            return json.load(f)

    def lab_lines(self):
        with open(os.path.join(self.top, "lab"), encoding="utf-8") as f:
            return f.read().splitlines()

    def log(self, *more):
        return os.path.join(self.tree, "out", "compare", "latest", "log", *more)


class Runs(Program):
    def test_a_run_leaves_what_it_says(self):
        done = self.compare()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("[1/1] a line of progress\n", done.stdout)
        folder = os.path.join(self.tree, "out", "compare")
        self.assertEqual(len(os.listdir(folder)), 2)
        latest = os.path.join(folder, "latest")
        self.assertEqual(sorted(os.listdir(latest)),
                         ["log", "report.html", "result.json", "result.txt"])
        with open(os.path.join(latest, "result.txt"), encoding="utf-8") as f:
            self.assertIn("\n%s\nresults: " % f.read(), done.stdout)
        doc = self.result()
        self.assertEqual(doc["schema"], "viola-compare/2")
        self.assertEqual(doc["viola"]["version"], "1.2.3")
        self.assertEqual([p["path"] for p in doc["paths"]], ["e1000", "virtio", "vhost", "viola"])
        self.assertEqual(doc["reference"], "vhost")
        self.assertIsNone(doc["fault"])
        self.assertFalse(os.path.exists(self.log("initramfs")))

    def test_what_the_halves_are_told(self):
        done = self.compare("--paths", "vhost,viola", "--rounds", "7", "--rtt-count", "11",
                            "--rate-ms", "12", "--warmup", "13", "--limit", "14", "--slow",
                            "viola=1500", "--kernel", "6.1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--kernel 6.1 --timeout ", self.lab_lines()[0])
        self.assertIn(" --icount -- ", self.lab_lines()[0])
        with open(self.log("arguments.json"), encoding="utf-8") as f:
            told = json.load(f)
        self.assertEqual(told[3:], ["--guest-kernel", "6.1.0-amd64", "--paths", "vhost,viola",
                                    "--rounds", "7", "--rtt-count", "11", "--rate-ms", "12",
                                    "--warmup", "13", "--limit", "14", "--sched", "fifo",
                                    "--slow", "viola=1500"])
        self.assertEqual(self.result()["settings"]["slow"], {"viola": 1500})

    def test_virtual_time_where_the_lab_is_emulated(self):
        self.compare("--quick")
        self.assertIn("--icount", self.lab_lines()[0])

    def test_wall_clock_on_request(self):
        self.compare("--quick", "--wall", FAKE_HOST_MODE="lab-tcg")
        self.assertNotIn("--icount", self.lab_lines()[0])
        self.assertEqual(self.result()["host"]["mode"], "lab-tcg")
        self.assertIsNone(self.result()["paths"][0]["rtt"][0]["p50_ns"])

    def test_wall_clock_where_the_lab_nests(self):
        self.compare("--quick", FAKE_MODE="lab-kvm", FAKE_HOST_MODE="lab-kvm")
        self.assertNotIn("--icount", self.lab_lines()[0])
        self.compare("--quick", "--icount", FAKE_MODE="lab-kvm")
        self.assertIn("--icount", self.lab_lines()[1])

    def test_results_elsewhere_are_staged_in_the_tree(self):
        other = os.path.join(self.top, "other")
        done = self.compare("--quick", "--out", other)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(os.path.exists(os.path.join(other, "latest", "log", "arguments.json")))
        with open(os.path.join(other, "latest", "log", "arguments.json"), encoding="utf-8") as f:
            self.assertTrue(json.load(f)[2].startswith(os.path.join(self.tree, "build")))
        self.assertEqual(os.listdir(os.path.join(self.tree, "build", "compare")), [])

    def test_a_failed_path(self):
        done = self.compare("--quick", FAKE_FAILS="viola")
        self.assertEqual(done.returncode, 1)
        self.assertIn("* viola failed: a frame came twice", done.stdout)

    def test_a_skipped_path_is_no_failure(self):
        done = self.compare("--quick", FAKE_SKIPS="viola")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.compare("--quick", "--paths", "viola", FAKE_SKIPS="viola")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "viola-compare: no path could run here\n")

    def test_a_path_without_result_has_failed(self):
        done = self.compare("--quick", FAKE_LEAVES_OUT="viola")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.result()["paths"][3]["reason"], "it was not measured")
        self.assertEqual(self.result()["paths"][3]["rung"], "paravirtual")

    def test_a_lab_that_broke(self):
        done = self.compare("--quick", FAKE_LAB_STATUS="70")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the lab kernel logged a warning", done.stderr)
        # What was measured is reported.
        self.assertEqual([p["status"] for p in self.result()["paths"]], ["ok"] * 4)

    def test_set_up_that_is_missing(self):
        self.assertEqual(self.compare("--quick", FAKE_MEASURE_STATUS="2").returncode, 2)
        done = self.compare("--quick", FAKE_INITRAMFS_STATUS="1")
        self.assertEqual((done.returncode, done.stderr),
                         (2, "viola-compare: the guests' initramfs could not be made\n"))
        done = self.compare("--kernel", "7.7")
        self.assertEqual(done.returncode, 2)
        self.assertIn("kernel 7.7 is not in the cache", done.stderr)

    def test_a_run_that_cannot_begin_leaves_nothing(self):
        self.compare("--quick", FAKE_INITRAMFS_STATUS="1")
        self.assertEqual(os.listdir(os.path.join(self.tree, "out", "compare")), [])


class Hangs(Program):
    def test_a_lab_that_hung_is_started_again_for_all_paths(self):
        done = self.compare("--quick", FAKE_HANGS="1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("the lab machine hung; starting another (2 of 4)", done.stdout)
        self.assertIn("hung 1 time and was started again", done.stdout)
        doc = self.result()
        self.assertEqual(doc["lab_hangs"], 1)
        self.assertEqual([len(p["rounds"]) for p in doc["paths"]], [2] * 4)
        self.assertIn("--paths e1000,virtio,vhost,viola", self.lab_lines()[1])
        self.assertTrue(os.path.exists(self.log("hung-1-viola.json")))

    def test_a_hang_behind_the_last_round_costs_nothing(self):
        done = self.compare("--quick", FAKE_HANGS="1", FAKE_ROUNDS_BEFORE_HANG="2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.lab_lines()), 1)
        self.assertEqual(self.result()["lab_hangs"], 1)

    def test_a_lab_that_always_hangs_fails(self):
        done = self.compare("--quick", FAKE_HANGS="9")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(self.lab_lines()), 4)
        doc = self.result()
        self.assertEqual({p["status"] for p in doc["paths"]}, {"failed"})
        self.assertIn("1 of 2 rounds were measured", doc["paths"][0]["reason"])

    def test_only_labs_of_virtual_time_are_started_again(self):
        done = self.compare("--quick", "--wall", FAKE_HANGS="1", FAKE_HOST_MODE="lab-tcg")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(self.lab_lines()), 1)


class Watch(unittest.TestCase):
    def watch(self, command, stall_s):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        run = object.__new__(measure.Run)
        run.stalled, run.stage, run.log = False, folder.name, os.path.join(folder.name, "log")
        os.mkdir(run.log)
        command = [word.replace("LOG", run.log) for word in command]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            self.addCleanup(child.kill)
            with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())) as out:
                run.watch(child, stall_s)
        return run.stalled, child.returncode, out.buffer.getvalue()

    def test_silence_ends_a_lab(self):
        # Its clock has stopped with it, so only ours can tell.
        self.assertEqual(self.watch(["sh", "-c", "echo begins; exec sleep 600"], 0.5),
                         (True, -signal.SIGTERM, b"begins\n"))

    def test_words_keep_it_alive(self):
        stalled, status, said = self.watch(
            ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 3; done"], 60)
        self.assertEqual((stalled, status, said), (False, 0, b"1\n2\n3\n"))

    def test_a_log_that_grows_keeps_it_alive(self):
        stalled, status, _ = self.watch(
            ["sh", "-c", "for i in 1 2 3 4 5 6; do echo $i >>LOG/console; sleep 3; done"], 8)
        self.assertEqual((stalled, status), (False, 0))


class Against(Program):
    def base(self):
        self.assertEqual(self.compare("--paths", "vhost,viola").returncode, 0)
        base = os.path.join(self.top, "base.json")
        shutil.copy(os.path.join(self.tree, "out", "compare", "latest", "result.json"), base)
        return base

    def test_an_equal_run(self):
        done = self.compare("--paths", "vhost,viola", "--against", self.base(), FAKE_SEED="2")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("nothing got worse by 5 %", " ".join(done.stdout.split()))
        self.assertEqual(self.result()["against"]["worse"], 0)

    def test_a_path_made_dearer(self):
        base = self.base()
        done = self.compare("--paths", "vhost,viola", "--against", base, "--slow", "viola=1750",
                            FAKE_SEED="2")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"viola-compare: \d+ figures got worse than in ")
        self.assertIn("viola was made slower on purpose", done.stdout)
        # The same, without measuring.
        latest = os.path.join(self.tree, "out", "compare", "latest", "result.json")
        again = self.compare("--read", latest, "--against", base)
        self.assertEqual(again.returncode, 1)
        self.assertIn("viola, round trips of 64 bytes: worse", again.stdout)
        wide = self.compare("--read", latest, "--against", base, "--threshold", "20")
        self.assertEqual(wide.returncode, 0)

    def test_a_base_of_other_settings_is_refused_before_the_run(self):
        base = self.base()
        runs = len(self.lab_lines())
        done = self.compare("--against", base, "--rtt-count", "7")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--rtt-count 500, this is with 7", done.stderr)
        done = self.compare("--against", base, "--wall")
        self.assertIn("was measured in mode lab-icount, this is lab-tcg", done.stderr)
        done = self.compare("--against", "/nowhere.json")
        self.assertEqual((done.returncode, done.stderr), (
            2, "viola-compare: /nowhere.json is not a readable JSON document\n"))
        self.assertEqual(len(self.lab_lines()), runs)


class Usage(Program):
    def refused(self, message, *arguments):
        done = self.compare(*arguments)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn(message, done.stderr)

    def test_wrong_usage_gets_one_sentence(self):
        self.refused("no path is called 'ahci'; known are: e1000, virtio, vhost, viola",
                     "--paths", "vhost,ahci")
        self.refused("names no path", "--paths", ",")
        self.refused("is not among --paths", "--paths", "vhost", "--reference", "viola")
        self.refused("'0' is not a number from 1 to 1000", "--rounds", "0")
        self.refused("'1e3' is not a number", "--rtt-count", "1e3")
        self.refused("'-5' is no percentage", "--threshold=-5")
        self.refused("--icount is a kind of lab", "--host", "--icount")
        self.refused("contradict each other", "--wall", "--icount")
        self.refused("unrecognized arguments: more", "more")
        self.refused("unrecognized arguments: --round", "--round", "3")
        self.refused("is not among --paths", "--paths", "vhost", "--slow", "viola=5")
        self.refused("is not a number", "--slow", "viola=fast")

    def test_help_and_version(self):
        done = self.compare("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for option in ("--paths", "--against", "--threshold", "--wall", "--times", "--slow"):
            self.assertIn(option, done.stdout)
        done = self.compare("--version")
        self.assertEqual((done.returncode, done.stdout), (0, "viola-compare 1.2.3\n"))

    def test_modules_that_are_missing(self):
        shutil.rmtree(os.path.join(self.tree, "build", "lib"))
        self.refused("the module viola_compare is not found: run make")

    def test_programs_that_are_missing(self):
        os.unlink(os.path.join(self.bin, "viola-measure"))
        self.refused("viola-measure: No such file or directory; run make")


class Signals(Program):
    def start(self):
        """The program, and the process id of a measuring half that does not end by itself."""
        child = subprocess.Popen([os.path.join(self.bin, "viola-compare"), "--quick"],
                                 cwd=self.top, env=dict(self.environment, FAKE_SLEEP="600"),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.addCleanup(child.kill)
        file = os.path.join(self.top, "pid")
        deadline = time.monotonic() + 120
        while not os.path.exists(file):
            self.assertLess(time.monotonic(), deadline, "the measuring half did not start")
            time.sleep(0.05)
        with open(file, encoding="ascii") as f:
            return child, int(f.read())

    def assert_ends(self, pid):
        deadline = time.monotonic() + 60
        while True:
            try:
                with open("/proc/%d/stat" % pid, encoding="ascii") as f:
                    if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                        return
            except (FileNotFoundError, ProcessLookupError):
                return
            self.assertLess(time.monotonic(), deadline, "process %d is still there" % pid)
            time.sleep(0.05)

    def test_interrupt_reports_what_there_is(self):
        child, pid = self.start()
        os.killpg(child.pid, signal.SIGINT)     # as a terminal does
        out, err = child.communicate(timeout=120)
        self.assertEqual(child.returncode, 1)
        self.assert_ends(pid)
        self.assertIn("it was interrupted", err)
        self.assertIn("results: ", out)

    def test_termination_ends_the_measuring_half_and_leaves_nothing(self):
        child, pid = self.start()
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=120)
        self.assert_ends(pid)
        self.assertEqual(child.returncode, 128 + signal.SIGTERM)
        self.assertEqual(os.listdir(os.path.join(self.tree, "out", "compare")), [])

    def test_nothing_outlives_it(self):
        child, pid = self.start()
        child.kill()
        child.communicate(timeout=120)
        self.assert_ends(pid)


if __name__ == "__main__":
    unittest.main()
