# SPDX-License-Identifier: GPL-2.0
"""--against: equal runs are not flagged, a path that got dearer is, and what is refused."""
import copy
import json
import os
import tempfile
import unittest

import made
from viola_compare import against, document, text


def run(seed, dearer=None, mode="lab-icount", **more):
    return document.summarize(made.document(made.run(seed, dearer, **more), mode))


def judge(old, new, threshold=0.05):
    return against.judge(old, copy.deepcopy(new), threshold, "old.json")


def flagged(judged):
    return {f["path"] for f in judged["figures"] if f["verdict"] == "worse"}


class Judged(unittest.TestCase):
    def test_ten_equal_runs_flag_nothing(self):
        # Boots differ by 0.3 % (standard deviation), 0.8 % at most, rounds by 0.2 %.
        runs = [run(seed) for seed in range(10)]
        for i, old in enumerate(runs):
            for new in runs[i + 1:i + 4]:
                self.assertEqual(judge(old, new)["worse"], 0)

    def test_five_per_cent_dearer_is_flagged(self):
        for seed in range(10):
            found = judge(run(seed), run(seed + 50, {"viola": 1.05}))
            self.assertEqual(flagged(found), {"viola"})
            slow = {(f["workload"], f["size"]) for f in found["figures"]
                    if f["verdict"] == "worse" and f["figure"] == "instructions_per_packet"}
            self.assertEqual(len(slow), 6)
            rates = [f for f in found["figures"] if f["path"] == "viola" and f["figure"] == "pps"]
            self.assertEqual([f["verdict"] for f in rates], ["worse"] * 4)
            self.assertTrue(all(f["new"] < f["old"] for f in rates))

    def test_the_other_way_is_better(self):
        found = judge(run(1, {"viola": 1.05}), run(2))
        self.assertEqual(found["worse"], 0)
        self.assertEqual({f["verdict"] for f in found["figures"] if f["path"] == "viola" and
                          f["figure"] == "instructions_per_packet"}, {"better"})

    def test_border_of_the_threshold(self):
        # No noise: the change is known but for what equal runs may differ by, 1 %.
        for factor, verdict in ((1.005, "same"), (1.009, "same"), (1.02, "slightly worse"),
                                (1.039, "slightly worse"), (1.041, "worse"), (1.2, "worse")):
            found = judge(run(1, boot=0, within=0.0001),
                          run(2, {"viola": factor}, boot=0, within=0.0001))
            self.assertEqual({f["verdict"] for f in found["figures"] if f["path"] == "viola" and
                              f["figure"] == "instructions_per_packet"}, {verdict}, factor)

    def test_threshold_is_the_users(self):
        old, new = run(1), run(2, {"viola": 1.05})
        self.assertEqual(flagged(judge(old, new, 0.10)), set())
        self.assertEqual(flagged(judge(old, new, 0.02)), {"viola"})

    def test_noise_leaves_it_open(self):
        found = judge(run(1, within=0.05), run(2, within=0.05))
        self.assertEqual(found["worse"], 0)
        self.assertIn("open", {f["verdict"] for f in found["figures"]})

    def test_rare_events_are_not_judged(self):
        old, new = made.run(1), made.run(2)
        for one in new[2]["rounds"]:
            for cost in one["cost"]:
                cost["syscalls_per_packet"] *= 5        # 0.002 to 0.01
        found = judge(document.summarize(made.document(old)),
                      document.summarize(made.document(new)))
        self.assertEqual(found["worse"], 0)
        for one in new[2]["rounds"]:
            for cost in one["cost"]:
                cost["syscalls_per_packet"] = 0.5
        found = judge(document.summarize(made.document(old)),
                      document.summarize(made.document(new)))
        self.assertEqual({(f["path"], f["figure"]) for f in found["figures"]
                          if f["verdict"] == "worse"}, {("vhost", "syscalls_per_packet")})

    def test_wall_clock_judges_counts_only(self):
        found = judge(run(1, mode="lab-tcg", icount=False),
                      run(2, {"viola": 3.0}, mode="lab-tcg", icount=False))
        self.assertEqual(found["worse"], 0)
        self.assertEqual({f["figure"] for f in found["figures"]},
                         {"exits_per_packet", "user_exits_per_packet", "interrupts_per_packet",
                          "syscalls_per_packet"})

    def test_paths_of_one_run_only(self):
        found = judge(run(1, names=("vhost",)), run(2, names=("vhost", "viola")))
        self.assertEqual(found["not_there"], ["viola"])
        self.assertEqual({f["path"] for f in found["figures"]}, {"vhost"})
        with self.assertRaisesRegex(against.Refused, "no path in common"):
            judge(run(1, names=("virtio",)), run(2, names=("vhost",)))

    def test_rounds_may_differ_in_number(self):
        found = judge(run(1, rounds=8), run(2, {"viola": 1.05}, rounds=6))
        self.assertEqual(flagged(found), {"viola"})

    def test_sentences(self):
        new = run(2, {"viola": 1.05})
        new["against"] = judge(run(1), new)
        shown = " ".join(text.render(new).split())
        self.assertRegex(shown, r"Against old.json .*: \d+ figures got worse, by 5 % or more")
        self.assertRegex(shown, r"viola, round trips of 64 bytes: worse, and 5 % is not ruled out: "
                                r"median \+[34]\.\d to \+\d\.\d %")
        # A rate that got worse went down.
        self.assertRegex(shown, r"viola, sending frames of 64 bytes: worse, and 5 % is not ruled "
                                r"out: packets a second -\d")
        self.assertRegex(shown, r"\d+ other figures: no difference can be told, and 5 % worse is "
                                r"ruled out")
        new["against"] = judge(run(1), run(3))
        self.assertIn("nothing got worse by 5 %", " ".join(text.render(new).split()))


class Refused(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.file = os.path.join(self.folder.name, "result.json")
        self.addCleanup(self.folder.cleanup)

    def keep(self, content):
        with open(self.file, "w", encoding="utf-8") as f:
            f.write(content if isinstance(content, str) else json.dumps(content))

    def refused(self, pattern, mode="lab-icount", **settings):
        with self.assertRaisesRegex(against.Refused, pattern):
            old = against.earlier(self.file)
            against.check(old, mode, dict(made.SETTINGS, **settings), self.file)

    def test_a_result_can_be_read_again(self):
        doc = run(1)
        self.keep(doc)
        old = against.earlier(self.file)
        against.check(old, "lab-icount", made.SETTINGS, self.file)
        self.assertEqual(judge(old, doc)["worse"], 0)
        self.assertEqual(old["verdict"], doc["verdict"])

    def test_no_file(self):
        self.refused("is not a readable JSON document")

    def test_no_json(self):
        self.keep("{")
        self.refused("is not a readable JSON document")
        self.keep("[]")
        self.refused("is not a readable JSON document")

    def test_older_schema(self):
        self.keep({"schema": "viola-compare/1", "paths": []})
        self.refused("has schema viola-compare/1; only viola-compare/2")

    def test_damage(self):
        doc = run(1)
        for damage in ({"paths": 7}, {"host": None}, {"settings": []}, {"paths": [{}]},
                       {"paths": [{"path": "vhost", "status": "ok", "rounds": [7]}]},
                       {"paths": [{"path": "vhost", "status": "ok", "guest": {},
                                   "rounds": [{"rtt": [7]}]}]}):
            self.keep(dict(doc, **damage))
            self.refused("is damaged")

    def test_another_mode(self):
        self.keep(run(1))
        self.refused("was measured in mode lab-icount, this is lab-kvm", mode="lab-kvm")

    def test_other_settings(self):
        self.keep(run(1))
        self.refused("with --rtt-count 500, this is with 200", rtt_count=200)
        self.refused("with --rate-ms 100, this is with 0", rate_ms=0)
        self.refused("with --guest-kernel 6.12, this is with 6.1", guest_kernel="6.1")

    def test_too_few_rounds(self):
        self.keep(run(1, rounds=3))
        self.refused("too few to tell a change from chance", rounds=3)


if __name__ == "__main__":
    unittest.main()
