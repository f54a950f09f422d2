# SPDX-License-Identifier: GPL-2.0
"""From a path's rounds to figures: medians, intervals, ratios, what is hidden, what is null."""
import json
import unittest

import made
from viola_compare import against, blocks, document, figures, notes, report, text, words
from viola_compare.modes import mode_of


def summarized(paths, mode="lab-icount", **more):
    return document.summarize(made.document(paths, mode, **more))


def path_of(doc, name):
    return next(p for p in doc["paths"] if p["path"] == name)


def row(doc, name, group, workload, size):
    return figures.row_of(path_of(doc, name), group, workload, size)


def given(name, values, key="instructions_per_packet"):
    """A path whose cost of round trips takes these values, one per round."""
    return {"path": name, "rung": "paravirtual", "device": "net", "status": "ok", "reason": None,
            "guest": {"driver": "virtio_net"}, "mode": None, "ring": "split", "null_reasons": {},
            "rounds": [{"round": i + 1, "rtt": [], "throughput": [],
                        "cost": [{"workload": "rtt", "size": 64, "packets": 10, key: v}]}
                       for i, v in enumerate(values)]}


class Figures(unittest.TestCase):
    def test_median_and_interval_over_rounds(self):
        doc = summarized([given("vhost", [105, 100, 101, 104, 103, 102])])
        found = row(doc, "vhost", "cost", "rtt", 64)["instructions_per_packet"]
        self.assertEqual((found["median"], found["low"], found["high"]), (102.5, 100, 105))
        self.assertEqual(found["rounds"], 6)
        self.assertEqual(found["values"], [105, 100, 101, 104, 103, 102])
        self.assertEqual(found["coverage"], 0.96875)
        self.assertEqual(row(doc, "vhost", "cost", "rtt", 64)["packets"], 60)

    def test_ratio_is_formed_within_a_round(self):
        # The machine got slower by the round; each ratio is the same.
        doc = summarized([given("vhost", [10, 20, 30, 40, 50, 60]),
                          given("viola", [9, 18, 27, 36, 45, 54])])
        ratio = row(doc, "viola", "cost", "rtt", 64)["instructions_per_packet"]["ratio"]
        for end in ("median", "low", "high"):
            self.assertAlmostEqual(ratio[end], 0.9)
        own = row(doc, "vhost", "cost", "rtt", 64)["instructions_per_packet"]["ratio"]
        self.assertEqual(own["median"], 1)

    def test_rounds_are_matched_by_number(self):
        vhost, viola = given("vhost", [10, 20, 30, 40, 50, 60, 70]), given("viola", [])
        viola["rounds"] = [dict(r, cost=[dict(r["cost"][0])]) for r in reversed(vhost["rounds"])]
        doc = summarized([vhost, viola])
        ratio = row(doc, "viola", "cost", "rtt", 64)["instructions_per_packet"]["ratio"]
        self.assertEqual((ratio["low"], ratio["high"]), (1, 1))

    def test_missing_values_leave_fewer_rounds(self):
        doc = summarized([given("vhost", [10, None, 30, 20, 25, 15, 35]),
                          given("viola", [10, 20, None, 20, 25, 15, 35])])
        own = row(doc, "viola", "cost", "rtt", 64)["instructions_per_packet"]
        self.assertEqual(own["rounds"], 6)
        self.assertEqual(own["ratio"]["rounds"], 5)
        self.assertIsNone(own["ratio"]["low"])

    def test_no_ratio_to_what_is_rare(self):
        doc = summarized([given("vhost", [.001] * 6, "syscalls_per_packet"),
                          given("virtio", [4.0] * 6, "syscalls_per_packet")])
        self.assertIsNone(row(doc, "virtio", "cost", "rtt", 64)["syscalls_per_packet"]["ratio"])

    def test_five_rounds_carry_no_interval(self):
        doc = summarized(made.run(1, rounds=5), rounds=5)
        found = row(doc, "viola", "rtt", "rtt", 64)["p50_ns"]
        self.assertIsNone(found["low"])
        self.assertGreater(found["median"], 0)
        self.assertIn("Fewer than 6 rounds carry no interval of 95 %, so none is given.",
                      notes.notes(doc))

    def test_percentile_needs_ten_samples_beyond_it(self):
        for samples, carried in ((99, "p50_ns"), (100, "p90_ns"), (999, "p90_ns"),
                                 (1000, "p99_ns"), (9999, "p99_ns"), (10000, "p999_ns")):
            doc = summarized(made.run(1, names=("vhost",), samples=samples))
            found = row(doc, "vhost", "rtt", "rtt", 64)
            given_ones = [k for k in ("p50_ns", "p90_ns", "p99_ns", "p999_ns") if found[k]]
            self.assertEqual(given_ones[-1], carried, samples)
            self.assertTrue(all(q <= 1 - 10 / samples + 1e-9 for q, *_ in found["curve"]))
        doc = summarized(made.run(1, names=("vhost",), samples=300))
        self.assertIn("1000 samples a round", path_of(doc, "vhost")["null_reasons"]["p99_ns"])

    def test_strange_numbers_are_no_figures(self):
        doc = summarized([given("vhost", [float("nan"), float("inf"), True, "7", [], None])])
        self.assertIsNone(row(doc, "vhost", "cost", "rtt", 64)["instructions_per_packet"])
        json.dumps(doc["paths"][0]["cost"], allow_nan=False)


class Modes(unittest.TestCase):
    def wall(self, times):
        return summarized(made.run(1, icount=False, samples=1500), "lab-tcg", times=times)

    def test_wall_clock_of_an_emulated_lab_hides_times(self):
        doc = self.wall(False)
        viola = path_of(doc, "viola")
        self.assertIsNone(viola["rtt"][0]["p50_ns"])
        self.assertIsNone(viola["throughput"][0]["pps"])
        self.assertIsNone(viola["cost"][0]["host_cpu_ns_per_packet"])
        self.assertIsNotNone(viola["cost"][0]["exits_per_packet"]["ratio"])
        self.assertEqual(viola["rtt"][0]["curve"], [])
        for rendered in (text.render(doc), report.render(doc)):
            self.assertNotIn("packets a second</td>", rendered)
            self.assertNotIn("median, us", rendered)
            self.assertIn("--times shows them", rendered)
            self.assertIn("exits a packet", rendered)

    def test_times_on_request_are_marked_and_not_compared(self):
        doc = self.wall(True)
        viola = path_of(doc, "viola")
        self.assertIsNotNone(viola["rtt"][0]["p50_ns"])
        self.assertIsNone(viola["rtt"][0]["p50_ns"]["ratio"])
        self.assertIsNone(viola["throughput"][0]["pps"]["ratio"])
        rendered = text.render(doc)
        self.assertIn("median, us *", rendered)
        self.assertIn("packets a second *", rendered)
        self.assertIn("compared with nothing", rendered.replace("\n  ", " "))
        self.assertTrue(all("exits" in s or "told" in s for s in doc["verdict"]), doc["verdict"])
        self.assertFalse(any(w in s for s in doc["verdict"] for w in ("second", "time ", "takes")))

    def test_times_of_virtual_time_and_of_metal_are_judged(self):
        for mode in ("lab-icount", "metal", "lab-kvm"):
            doc = summarized(made.run(1), mode)
            self.assertIsNotNone(path_of(doc, "viola")["rtt"][0]["p50_ns"]["ratio"], mode)

    def test_sampled_guest_time_is_shown_and_not_compared(self):
        doc = made.document(made.run(1))
        doc["host"].update(guest_time="sampled", guest_time_reason="no tracepoint")
        document.summarize(doc)
        host_cpu = path_of(doc, "viola")["cost"][0]["host_cpu_ns_per_packet"]
        self.assertGreater(host_cpu["median"], 0)
        self.assertIsNone(host_cpu["ratio"])
        self.assertIn("is sampled by the kernel's tick: no tracepoint", report.render(doc).
                      replace("&#39;", "'"))
        other = document.summarize(made.document(made.run(2)))
        found = against.judge(other, doc, 0.05, "old.json")
        self.assertNotIn("host_cpu_ns_per_packet", {f["figure"] for f in found["figures"]})

    def test_unknown_mode_is_not_trusted(self):
        self.assertFalse(mode_of("lab-new").times)
        doc = summarized(made.run(1), "lab-new")
        self.assertIsNone(path_of(doc, "viola")["rtt"][0]["p50_ns"])


class Rendering(unittest.TestCase):
    def bare(self, status, reason):
        """What is left of a path that was not measured."""
        return {"path": "viola", "rung": "paravirtual", "device": "net", "status": status,
                "reason": reason, "guest": {"kernel": None, "driver": None}, "mode": None,
                "ring": None, "null_reasons": {}, "rounds": []}

    def test_nothing_but_nulls(self):
        path = self.bare("ok", None)
        path["rounds"] = [{"round": n, "rtt": [{"size": 64, "count": None, "p50_ns": None,
                                                "curve": None}],
                           "throughput": [{"workload": "tx", "size": 64, "pps": None}],
                           "cost": [{"workload": "rtt", "size": 64, "packets": None,
                                     "exits_per_packet": None}]} for n in range(6)]
        doc = summarized([path])
        doc["host"] = {"mode": "lab-icount"}
        self.assertIn("viola", text.render(doc))
        self.assertIn("</html>", report.render(doc))

    def test_failed_and_skipped_say_why(self):
        for status in ("failed", "skipped"):
            doc = summarized(made.run(1, names=("vhost", "virtio")) +
                             [self.bare(status, "the module is not built")])
            for rendered in (text.render(doc), report.render(doc)):
                self.assertIn("viola %s: the module is not built" % status, rendered)
            self.assertNotIn("viola", " ".join(doc["verdict"]))

    def test_markup_is_escaped(self):
        bad = "<script>alert(\"1\")</script>&"
        path = self.bare("failed", bad)
        path["guest"]["driver"] = path["rung"] = bad
        path["null_reasons"] = {bad: bad}
        doc = summarized([path] + made.run(1, names=("vhost",)))
        doc["host"]["cpu"] = doc["host"]["kernel"] = doc["viola"]["commit"] = bad
        doc["fault"] = doc["started"] = bad
        rendered = report.render(doc)
        self.assertNotIn("<script", rendered)
        self.assertIn("&lt;script&gt;", rendered)
        self.assertIn("* viola failed: <script>", text.render(doc))

    def test_control_characters_of_a_guest_are_not_printed(self):
        doc = summarized([self.bare("failed", "\x1b[2J\x07bad\rline")])
        self.assertIn("?[2J?bad?line", text.render(doc))
        self.assertIn("?[2J?bad?line", report.render(doc))

    def test_report_loads_nothing(self):
        rendered = report.render(summarized(made.run(1)))
        for word in ("http", "src=", "url(", "@import", "<link", "<script"):
            self.assertNotIn(word, rendered)

    def test_report_has_plots_with_whiskers(self):
        rendered = report.render(summarized(made.run(1)))
        self.assertEqual(rendered.count("Round trip by percentile"), 2)
        self.assertGreater(rendered.count('class="w"'), 50)
        self.assertEqual(rendered.count("Ratio of "), 6 * 2)    # caption and label
        self.assertNotIn("nan", rendered.lower().replace("nanosecond", ""))

    def test_each_note_is_said_once(self):
        found = notes.notes(summarized(made.run(1)))
        self.assertEqual(len(found), len(set(found)))

    def test_cells_show_median_and_interval(self):
        e = {"median": 2.45, "low": 2.4, "high": 2.512}
        self.assertEqual(words.interval(e), "2.45 (2.40-2.51)")
        self.assertEqual(words.interval({"median": 1.0, "low": 1.0, "high": 1.0004}), "1.00")
        self.assertEqual(words.interval({"median": 3, "low": None, "high": None}), "3.00")
        self.assertEqual(words.interval(None), "-")

    def test_numbers_have_three_digits(self):
        for value, shown in ((0, "0"), (1234.5, "1234"), (99.94, "99.9"), (99.96, "100"),
                             (9.999, "10.0"), (1, "1.00"), (0.5, "0.500"), (0.00023, "0.0002"),
                             (0.00002, "<0.0001"), (None, "-"), (-3.14159, "-3.14")):
            self.assertEqual(words.plain(value), shown)

    def test_the_tables_have_a_block_for_each_workload_and_size(self):
        doc = summarized(made.run(1))
        self.assertEqual([b.title for b in blocks.blocks(doc)], [
            "Round trips of 64 bytes", "Round trips of 1024 bytes",
            "Guest sends frames of 64 bytes", "Guest sends frames of 1500 bytes",
            "Guest receives frames of 64 bytes", "Guest receives frames of 1500 bytes"])
        self.assertIn("3000 round trips a path, none lost", blocks.blocks(doc)[0].base)

    def test_lost_frames_are_counted(self):
        paths = made.run(1, names=("vhost",))
        paths[0]["rounds"][2]["rtt"][0]["lost"] = 3
        self.assertIn("3 lost", blocks.blocks(summarized(paths))[0].base)


if __name__ == "__main__":
    unittest.main()
