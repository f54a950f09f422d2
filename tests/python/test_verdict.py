# SPDX-License-Identifier: GPL-2.0
"""The sentences: what they say, and that they claim no more than the intervals carry."""
import random
import re
import unittest

import made
from viola_compare import document, verdict, words


def ratios(spec):
    """A sentence of chosen widened intervals: {path: (low, high)}."""
    return verdict.sentence(verdict.HEADLINES["rtt"][0][2], [64], spec, "vhost")


class Wording(unittest.TestCase):
    def test_fewer(self):
        self.assertEqual(ratios({"viola": (0.925, 0.935)}),
                         "A round trip of 64 bytes costs 6 to 8 % fewer instructions by viola "
                         "than by vhost.")

    def test_more_and_times(self):
        self.assertEqual(ratios({"virtio": (1.301, 1.319), "e1000": (2.58, 2.63)}),
                         "A round trip of 64 bytes costs 30 to 32 % more instructions by virtio "
                         "than by vhost; 2.5 to 2.7 times as many instructions by e1000.")

    def test_times_alone(self):
        self.assertEqual(ratios({"e1000": (2.58, 2.63)}),
                         "A round trip of 64 bytes costs 2.5 to 2.7 times as many instructions by "
                         "e1000 as by vhost.")

    def test_no_difference(self):
        self.assertEqual(ratios({"viola": (0.996, 1.0062)}),
                         "A round trip of 64 bytes: no difference can be told between vhost and "
                         "viola (-0.4 to +0.7 %).")

    def test_both(self):
        self.assertEqual(ratios({"viola": (0.9, 0.95), "virtio": (0.99, 1.01)}),
                         "A round trip of 64 bytes costs 5 to 10 % fewer instructions by viola "
                         "than by vhost; no difference can be told between vhost and virtio "
                         "(-1.0 to +1.0 %).")

    def test_an_interval_that_touches_1_is_no_difference(self):
        self.assertIn("no difference", ratios({"viola": (0.9, 1.0)}))
        self.assertIn("no difference", ratios({"viola": (1.0, 1.1)}))
        self.assertIn("no difference", ratios({"viola": (1.0009, 1.1)}))
        self.assertIn("0.1 to 10.0 % more", ratios({"viola": (1.0011, 1.1)}))

    def test_small_differences_keep_a_decimal(self):
        self.assertIn("0.3 to 2.5 % more", ratios({"viola": (1.0031, 1.0249)}))
        self.assertIn("3.1 to 3.3 % more", ratios({"viola": (1.0311, 1.0329)}))

    def test_words_enclose_the_interval(self):
        draw = random.Random(7)
        for _ in range(2000):
            low = draw.uniform(0.3, 4)
            high = low * draw.uniform(1.0001, 1.2)
            if not words.direction((low, high)):
                continue
            amount, way = words.difference(low, high)
            a, b = (float(x) for x in re.findall(r"[\d.]+", amount)[:2])
            ends = {"times": (a, b), "less": (1 - b / 100, 1 - a / 100),
                    "more": (1 + a / 100, 1 + b / 100)}[way]
            self.assertLessEqual(ends[0], low + 1e-9)
            self.assertGreaterEqual(ends[1], high - 1e-9)


class OfRuns(unittest.TestCase):
    def lines(self, paths, mode="lab-icount", **more):
        return document.summarize(made.document(paths, mode, **more))["verdict"]

    def test_a_line_per_workload(self):
        lines = self.lines(made.run(1))
        self.assertEqual(len(lines), 3)
        self.assertIn("A round trip of 64 and 1024 bytes costs", lines[0])
        self.assertIn("fewer instructions by viola", lines[0])
        self.assertIn("Sending frames of 64 and 1500 bytes reaches", lines[1])
        self.assertIn("more packets a second by viola", lines[1])
        self.assertIn("Receiving frames", lines[2])

    def test_equal_paths_cannot_be_told_apart(self):
        for seed in range(10):
            paths = made.run(seed, names=("vhost",)) + made.run(seed + 100, names=("vhost",))
            paths[1]["path"] = "viola"
            for line in self.lines(paths):
                self.assertIn("no difference can be told between vhost and viola", line)
                self.assertNotIn("fewer", line)
                self.assertNotIn("more", line)

    def test_sizes_that_differ_get_lines_of_their_own(self):
        paths = made.run(1, names=("vhost", "viola"))
        for one in paths[1]["rounds"]:
            for cost in one["cost"]:
                if cost["size"] == 1024:
                    cost["instructions_per_packet"] *= 1.3
        lines = [line for line in self.lines(paths) if "round trip" in line]
        self.assertEqual(len(lines), 2)
        self.assertIn("64 bytes", lines[0])
        self.assertIn("fewer", lines[0])
        self.assertIn("1024 bytes", lines[1])
        self.assertIn("more", lines[1])

    def test_metal_speaks_of_time(self):
        lines = self.lines(made.run(1, icount=False, samples=1500), "metal")
        self.assertIn("takes", lines[0])
        self.assertIn("less time by viola", lines[0])

    def test_another_reference(self):
        line = self.lines(made.run(1), reference="virtio")[0]
        self.assertIn("fewer instructions by vhost", line)
        self.assertIn("by virtio", line)

    def test_too_few_rounds(self):
        self.assertEqual(self.lines(made.run(1, rounds=2)), [
            "No verdict: 2 rounds carry no interval of 95 %; at least 6 are needed (--rounds)."])
        self.assertEqual(self.lines(made.run(1, rounds=1))[0][:22], "No verdict: 1 round ca")

    def test_nothing_to_compare_with(self):
        self.assertEqual(self.lines(made.run(1, names=("vhost",))),
                         ["Only vhost was measured: there is nothing to compare it with."])
        paths = made.run(1)
        paths[2].update(status="failed", reason="it died")
        self.assertEqual(self.lines(paths), ["No verdict: vhost, which the others are compared "
                                             "with, was not measured."])
        for path in paths:
            path.update(status="skipped", rounds=[])
        self.assertEqual(self.lines(paths), ["No path was measured."])

    def test_a_failed_path_is_not_spoken_of(self):
        paths = made.run(1)
        paths[3].update(status="failed", reason="a frame got lost")
        self.assertNotIn("viola", " ".join(self.lines(paths)))


if __name__ == "__main__":
    unittest.main()
