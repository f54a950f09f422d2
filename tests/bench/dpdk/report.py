# SPDX-License-Identifier: GPL-2.0
"""Medians, spread, ratios; the table; the lines at the end."""
import os
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../tools/pylib"))

from viola import stats  # noqa: E402
from viola.stats import spread  # noqa: E402
from cases import IN_ORDER, LEAN  # noqa: E402

# Below this share of empty looks the generator has no time left: it is the bound.
BUSY_GENERATOR = 0.05


def median(values):
    """0 of nothing: a contender without samples is shown as such."""
    return stats.median(values) if values else 0


def output_of(*command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True).stdout.strip()
    except OSError:
        return ""


def machine(bench):
    with open("/proc/cpuinfo") as f:
        model = [line.split(":")[1].strip() for line in f if line.startswith("model name")]
    return {"cpu": model[0] if model else "unknown", "kernel": os.uname().release,
            "dpdk": output_of("pkg-config", "--modversion", "libdpdk"),
            "commit": output_of("git", "describe", "--always", "--dirty", "--abbrev=12"),
            "pages": "huge" if bench.huge else "ordinary",
            "cpus": [bench.cpu_back, bench.cpu_load], "load_before": os.getloadavg(),
            "in_flight": bench.args.in_flight, "ring_size": bench.args.ring_size,
            "touch": bench.args.touch, "sample_ms": bench.args.sample_ms,
            "trial_ms": bench.args.trial_ms}


def latency_of(answers, share, common):
    """Of the windows that the generator itself did not spoil: the median of each percentile."""
    windows = [w for a in answers if a["share"] == share and a["common"] == common
               for w in a["windows"] if w["count"]]
    kept = [w for w in windows if not w["aside"]]
    rates = [a["rate"] for a in answers if a["share"] == share and a["common"] == common]
    lost = sum(a["offered"] - a["received"] for a in answers
               if a["share"] == share and a["common"] == common)
    if not kept:
        return None
    result = {"share": share, "common": common, "rate": median(rates), "windows": len(windows),
              "aside": len(windows) - len(kept), "lost": lost,
              "frames": sum(w["count"] for w in kept),
              # Of all frames, whatever the machine did meanwhile.
              "all_p99_ns": median([a["all"]["p99"] for a in answers
                                    if a["share"] == share and a["common"] == common])}
    for p in ("p50", "p90", "p99", "p999", "max", "net_p50", "net_p99"):
        result[p + "_ns"] = spread([w[p] for w in kept])
    return result


def summarize_contender(c):
    s = {"fps": spread(c["fps"]), "idle": median(c["idle"]),
         "burst": median(c["burst"]), "refused": median(c["refused"]),
         "cycles_per_frame": spread(c["cycles"]), "lost": c.get("lost"),
         "paths": c.get("paths"),
         "ndr": spread([x["rate"] for x in c["ndr"]]),
         "ndr_generator_bound": any(x["generator_bound"] for x in c["ndr"]),
         "ndr_trials": sum(x["trials"] for x in c["ndr"]),
         "ndr_unverified": sum(x["verified"] * 2 <= x["of"] for x in c["ndr"]),
         "pdr": spread([x["rate"] for x in c["pdr"]]),
         "latency": [x for x in (latency_of(c["latency"], share, common) for share, common in
                                 ((0.1, False), (0.5, False), (0.9, False), (0.5, True))) if x]}
    s["generator_bound"] = bool(c["idle"]) and s["idle"] < BUSY_GENERATOR
    return s


def ratio(raw, a, b):
    """Of frames per second: of medians, and sample by sample, which lie milliseconds apart."""
    if not raw.get(a) or not raw.get(b) or not raw[a]["fps"] or not raw[b]["fps"]:
        return None
    of_frames = stats.ratio(raw[a]["fps"], raw[b]["fps"])
    if not of_frames:
        return None
    r = {"a": a, "b": b, **of_frames, "cycles": None}
    if raw[a]["cycles"] and raw[b]["cycles"]:
        # How many times as dear the other's frame is: the same direction as frames per second.
        r["cycles"] = median(raw[b]["cycles"]) / median(raw[a]["cycles"])
    if raw[a]["ndr"] and raw[b]["ndr"]:
        other = median([x["rate"] for x in raw[b]["ndr"]])
        r["ndr"] = median([x["rate"] for x in raw[a]["ndr"]]) / other if other else None
    return r


def summarize(results):
    """Adds a summary to each contender and the ratios to each case."""
    for case in results["cases"]:
        raw = case["contenders"]
        ours = [n for n in raw if n.startswith("viola")]
        case["ratios"] = [r for r in (ratio(raw, a, b) for a in ours for b in raw
                                      if not b.startswith("viola")) if r]
        case["summary"] = {name: summarize_contender(c) for name, c in raw.items()}
    results["judged"] = judged(results)


# Figures that are judged: (title, case, ours, other, target). Latency and restart: below.
TARGETS = [
    ("64-byte forward, %s" % ring, "reflect-64-" + ring, "viola-reflect", other, target)
    for ring in IN_ORDER + LEAN
    for other, target in (("testpmd-mac", 1.3), ("ovs-in-port", 2.0))
] + [
    ("64-byte port to port, %s" % ring, "p2p-64-" + ring, ours, other, target)
    for ring in IN_ORDER + LEAN for ours in ("viola-patch", "viola-switch")
    for other, target in (("testpmd-io", 1.6), ("ovs-output", 2.0))
] + [
    ("1518-byte port to port, %s" % ring, "p2p-1518-" + ring, ours, "testpmd-io", 1.5)
    for ring in IN_ORDER for ours in ("viola-patch", "viola-switch")
]


def judged(results):
    lines = []
    cases = {c["name"]: c for c in results["cases"]}
    for title, name, ours, other, target in TARGETS:
        case = cases.get(name)
        if not case:
            continue
        for r in case["ratios"]:
            if (r["a"], r["b"]) != (ours, other):
                continue
            bound = [n for n in (ours, other) if case["summary"][n]["generator_bound"]]
            lines.append({"figure": title, "case": name, "a": ours, "b": other,
                          "value": r["of_medians"], "paired": r["paired"], "cycles": r["cycles"],
                          "ndr": r.get("ndr"), "at_least": target,
                          "met": r["of_medians"] >= target, "generator_bound": bound})
    for case in results["cases"]:
        lines += judged_latency(case)
    for r in results.get("restart", []):
        known = [ms for ms in r["ms"] if ms is not None]
        lines.append({"figure": "killed and restarted under load", "case": "restart",
                      "a": r["name"], "ms": spread(known), "never": len(r["ms"]) - len(known),
                      "wrong": r["wrong"], "received": r["received"], "at_most": 200,
                      "met": bool(known) and len(known) == len(r["ms"]) and not r["wrong"] and
                      max(known) <= 200})
    return lines


def judged_latency(case):
    def p99(name, common):
        for entry in case["summary"][name]["latency"]:
            if entry["share"] == 0.5 and entry["common"] == common:
                return entry["p99_ns"]["median"]
        return None
    lines = []
    for ours in [n for n in case["summary"] if n.startswith("viola")]:
        for other in case["summary"]:
            if other.startswith("viola") or p99(ours, False) is None or not p99(other, False):
                continue
            target = 0.5 if other.startswith("ovs") else 1.0
            value = p99(ours, False) / p99(other, False)
            same = (p99(ours, True) / p99(other, True)
                    if p99(ours, True) and p99(other, True) else None)
            lines.append({"figure": "p99 round trip at 50 %% of NDR, %s" % case["name"],
                          "case": case["name"], "a": ours, "b": other, "value": value,
                          "a_ns": p99(ours, False), "b_ns": p99(other, False),
                          "same_rate": same, "at_most": target, "met": value <= target})
    return lines


# --- for people ------------------------------------------------------------------

def mega(x):
    return "%6.2f" % (x / 1e6)


def write_case(case, out):
    out.write("\n%s: %s\n" % (case["name"], case["title"]))
    out.write("  %-15s %6s %6s %6s %6s %6s %4s %6s %18s %5s %5s\n" % (
        "Mframe/s", "min", "p25", "median", "p75", "max", "n", "ratio", "cycles/frame (IQR)",
        "idle", "burst"))
    ours = [n for n in case["summary"] if n.startswith("viola")]
    for name, s in case["summary"].items():
        f, c = s["fps"], s["cycles_per_frame"]
        against = [r["of_medians"] for r in case["ratios"] if ours and r["a"] == ours[0] and
                   r["b"] == name]
        cycles = "%.0f (%.0f-%.0f)" % (c["median"], c["p25"], c["p75"]) if c else "-"
        out.write("  %-15s %s %s %s %s %s %4d %6s %18s %4.0f%% %5.1f%s\n" % (
            name, mega(f["min"]), mega(f["p25"]), mega(f["median"]), mega(f["p75"]),
            mega(f["max"]), f["count"], "%.2f" % against[0] if against else "", cycles,
            100 * s["idle"], s["burst"],
            " (generator is the bound)" if s["generator_bound"] else ""))
        if s["lost"]:
            out.write("  %-15s %d of its frames got lost\n" % ("", s["lost"]))
    paths = sorted({tuple(s["paths"]) for s in case["summary"].values() if s["paths"]})
    for path in paths:
        out.write("  generator: %s\n" % ", ".join(path))
    for name, s in case["summary"].items():
        if s["ndr"]:
            out.write("  %-15s NDR %s (%s-%s, %d searches)  PDR %s%s%s\n" % (
                name, mega(s["ndr"]["median"]), mega(s["ndr"]["min"]).strip(),
                mega(s["ndr"]["max"]).strip(), s["ndr"]["count"], mega(s["pdr"]["median"]),
                "  (generator is the bound)" if s["ndr_generator_bound"] else "",
                "  (not verified: %d)" % s["ndr_unverified"] if s["ndr_unverified"] else ""))
    for name, s in case["summary"].items():
        for entry in s["latency"]:
            out.write("  %-15s %s at %s Mframe/s: p50 %s p90 %s p99 %s p99.9 %s us (since sent: "
                      "p50 %s p99 %s), %d of %d windows (all frames: p99 %.1f)%s\n" % (
                          name, "common rate" if entry["common"] else
                          "%2.0f %% of NDR " % (100 * entry["share"]),
                          mega(entry["rate"]).strip(),
                          *("%.1f" % (entry[p + "_ns"]["median"] / 1e3)
                            for p in ("p50", "p90", "p99", "p999", "net_p50", "net_p99")),
                          entry["windows"] - entry["aside"], entry["windows"],
                          entry["all_p99_ns"] / 1e3,
                          ", %d lost" % entry["lost"] if entry["lost"] else ""))


def verdict(line):
    return "met" if line["met"] else "missed"


def write_judged(lines, out):
    for j in lines:
        if "ms" in j:
            ms = j["ms"]
            text = "%s after %s" % (j["a"], "%.0f ms (%.0f to %.0f, %d times)" % (
                ms["median"], ms["min"], ms["max"], ms["count"]) if ms else "never")
            if j["never"]:
                text += ", %d times not at all" % j["never"]
            text += ", %d of %d frames wrong" % (j["wrong"], j["received"])
            out.write("%s: %s; at most %d ms: %s\n" % (j["figure"], text, j["at_most"],
                                                       verdict(j)))
        elif "at_most" in j:
            out.write("%s: %s %.1f us, %s %.1f us: %.2f x%s; at most %.1f: %s\n" % (
                j["figure"], j["a"], j["a_ns"] / 1e3, j["b"], j["b_ns"] / 1e3, j["value"],
                ", %.2f x at the same rate" % j["same_rate"] if j["same_rate"] else "",
                j["at_most"], verdict(j)))
        else:
            more = ["sample by sample %.2f-%.2f" % (j["paired"]["p25"], j["paired"]["p75"])]
            if j["cycles"]:
                more.append("cycles per frame %.2f" % j["cycles"])
            if j["ndr"]:
                more.append("NDR %.2f" % j["ndr"])
            if j["generator_bound"]:
                more.append("generator is the bound of " + " and ".join(j["generator_bound"]))
            out.write("%s: %s / %s %.2f x (%s); at least %.1f: %s\n" % (
                j["figure"], j["a"], j["b"], j["value"], "; ".join(more), j["at_least"],
                verdict(j)))


def write(results, out):
    m = results["machine"]
    out.write("%s, %s pages, DPDK %s, back end on CPU %d, load on CPU %d, commit %s\n" % (
        m["cpu"], m["pages"], m["dpdk"], *m["cpus"], m["commit"]))
    out.write("rings of %d, %d frames per port under way, samples of %d ms in random order; "
              "load average %.1f before, %.1f after; %d s\n" % (
                  m["ring_size"], m["in_flight"], m["sample_ms"], m["load_before"][0],
                  m["load_after"][0], results["seconds"]))
    for a in m.get("away", ()):
        out.write("CPU %d, left alone: taken away %.0f times a second, half of them for more than "
                  "%.1f us, a tenth for more than %.1f; %.1f %% of the time\n" % (
                      a["cpu"], a["per_second"], a["p50"] / 1e3, a["p90"] / 1e3,
                      100 * a["share"]))
    for case in results["cases"]:
        write_case(case, out)
    if results.get("instructions"):
        out.write("\ninstructions per frame, whole back end (callgrind, no AVX-512)\n")
        for i in results["instructions"]:
            out.write("  %-22s %-15s %7.0f\n" % (i["case"], i["name"], i["per_frame"]))
            for f in i["functions"]:
                out.write("  %38s %7.1f  %s\n" % ("", f["per_frame"], f["name"]))
    out.write("\n")
    write_judged(results["judged"], out)
    for text in results["failed"]:
        out.write("failed: %s\n" % text)
