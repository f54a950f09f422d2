# SPDX-License-Identifier: GPL-2.0
"""What is measured: each figure's name, unit, and which way is worse; and a path's figures.

A path's document has one list per group (rtt, throughput, cost), one element per workload
and size. In a round, a figure is a number or null. Over the rounds it becomes

    {"median", "low", "high", "coverage", "rounds", "values": [one per round],
     "ratio": {the same, of the ratios to the reference path within each round} or null}

low and high are null when the rounds are too few for an interval of 95 %.
"""
import dataclasses
import math

from viola import stats

COUNT, TIME, RATE, WORK = "count", "time", "rate", "work"
MORE, LESS = "more", "less"

# A percentile needs this many samples beyond it in each round.
SAMPLES_BEYOND = 10


@dataclasses.dataclass(frozen=True)
class Figure:
    group: str          # list of a path's document
    key: str
    title: str
    unit: str           # as shown; "" for a count
    divisor: float      # from the unit of the document to the one shown
    kind: str
    worse: str = None   # MORE or LESS; None: not judged
    floor: float = 0.0  # below this, differences are not worth judging
    beyond: float = None  # of a percentile: share of the samples beyond it

    def carried(self, samples):
        """Whether so many samples of a round carry this percentile."""
        return not self.beyond or samples * self.beyond >= SAMPLES_BEYOND * (1 - 1e-9)


# An event in ten packets: what is rarer costs nothing worth a judgement.
RARE = 0.1

FIGURES = (
    Figure("rtt", "p50_ns", "median", "us", 1e3, TIME, MORE, beyond=0.5),
    Figure("rtt", "p90_ns", "90th percentile", "us", 1e3, TIME, MORE, beyond=0.1),
    Figure("rtt", "p99_ns", "99th percentile", "us", 1e3, TIME, MORE, beyond=0.01),
    Figure("rtt", "p999_ns", "99.9th percentile", "us", 1e3, TIME, MORE, beyond=0.001),
    Figure("rtt", "min_ns", "minimum", "us", 1e3, TIME),
    Figure("rtt", "max_ns", "maximum", "us", 1e3, TIME),
    Figure("rtt", "mean_ns", "mean", "us", 1e3, TIME),
    Figure("throughput", "pps", "packets a second", "", 1, RATE, LESS),
    Figure("throughput", "bps", "Mbit/s", "", 1e6, RATE),
    Figure("throughput", "loss_ratio", "lost", "%", 0.01, RATE),
    Figure("cost", "instructions_per_packet", "instructions", "", 1, WORK, MORE),
    Figure("cost", "exits_per_packet", "exits", "", 1, COUNT, MORE, RARE),
    Figure("cost", "user_exits_per_packet", "exits to user space", "", 1, COUNT, MORE, RARE),
    Figure("cost", "interrupts_per_packet", "interrupts", "", 1, COUNT, MORE, RARE),
    Figure("cost", "syscalls_per_packet", "system calls", "", 1, COUNT, MORE, RARE),
    Figure("cost", "host_cpu_ns_per_packet", "host CPU", "us", 1e3, TIME, MORE),
)

BY_KEY = {f.key: f for f in FIGURES}

# What is added up over the rounds, per group.
TOTALS = {
    "rtt": ("count", "lost", "duplicated", "corrupted", "invented", "samples"),
    "throughput": ("sent", "received", "duplicated", "corrupted", "invented", "socket_drops",
                   "stalls"),
    "cost": ("packets",),
}

WORKLOADS = ("rtt", "tx", "rx")


def of_group(group):
    return [f for f in FIGURES if f.group == group]


def number(value):
    """A finite number, or None."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return value
    return None


def entries(holder, group):
    """The well-formed elements of a group's list: {(workload, size): element}."""
    listed = holder.get(group)
    result = {}
    for one in listed if isinstance(listed, list) else ():
        workload = "rtt" if group == "rtt" else one.get("workload")
        result[workload, one.get("size")] = one
    return result


def row_order(key):
    """Round trips, then sending, then receiving, each from the smallest frame."""
    workload, size = key
    place = WORKLOADS.index(workload) if workload in WORKLOADS else len(WORKLOADS)
    return place, workload or "", size if number(size) is not None else -1


def estimate_json(values):
    """An estimate of the @values that are there, as the document has it; None of none."""
    e = stats.estimate([v for v in values if v is not None])
    if not e:
        return None
    return {"median": e.median, "low": e.low, "high": e.high, "coverage": e.coverage,
            "rounds": e.count, "values": list(values)}


def round_value(figure, entry):
    """A figure in one round: None where it is missing or its samples do not carry it."""
    value = number(entry.get(figure.key))
    if figure.beyond and not figure.carried(number(entry.get("samples")) or 0):
        return None
    return value


def curve(rounds):
    """The percentile curve: median and interval over the rounds of each point they share."""
    points = {}
    for one in rounds:
        beyond = number(one.get("samples")) or 0
        for point in one.get("curve") or ():
            q, ns = number(point[0]), number(point[1])
            if q is None or ns is None or beyond * (1 - q) < SAMPLES_BEYOND * (1 - 1e-9):
                continue
            points.setdefault(q, []).append(ns)
    result = []
    for q in sorted(points):
        if len(points[q]) == len(rounds):
            e = stats.estimate(points[q])
            result.append([q, e.median, e.low, e.high])
    return result


def summarize_group(path, group, shown):
    """The list of one group over all rounds of a path."""
    per_round = [entries(r, group) for r in path["rounds"]]
    result = []
    for key in sorted({k for r in per_round for k in r}, key=row_order):
        rounds = [r.get(key, {}) for r in per_round]
        row = {"workload": key[0], "size": key[1]}
        for total in TOTALS[group]:
            known = [number(r.get(total)) for r in rounds if number(r.get(total)) is not None]
            row[total] = sum(known) if known else None
        for figure in of_group(group):
            row[figure.key] = (estimate_json([round_value(figure, r) for r in rounds])
                               if shown(figure) else None)
        if group == "rtt":
            timed = shown(BY_KEY["p50_ns"])
            row["curve"] = curve([r for r in rounds if r.get("curve")]) if timed else []
        result.append(row)
    return result


def row_of(path, group, workload, size):
    for row in path.get(group, ()):
        if (row["workload"], row["size"]) == (workload, size):
            return row
    return None


def round_numbers(path):
    return [r.get("round") for r in path["rounds"]]


def add_ratio(figure, own, other, own_rounds, other_rounds):
    """The ratio of a figure to the reference path's, round by round; None where it says nothing."""
    if other["median"] <= 0 or other["median"] < figure.floor:
        return None
    reference = dict(zip(other_rounds, other["values"]))
    values = []
    for number_of_round, value in zip(own_rounds, own["values"]):
        by = reference.get(number_of_round)
        values.append(value / by if value is not None and by else None)
    return estimate_json(values)


def comparable(figure, host, mode):
    """Whether this figure repeats where it was measured, so that a difference says something."""
    if figure.key == "host_cpu_ns_per_packet" and host.get("guest_time") == "sampled":
        return False
    return bool(figure.worse) and (mode.times or figure.kind in (COUNT, WORK))


def add_ratios(path, reference, host, mode):
    """Ratios of every comparable figure of @path to @reference, which may be the path itself."""
    for figure in FIGURES:
        for row in path[figure.group]:
            own = row[figure.key]
            if not own:
                continue
            own["ratio"] = None
            other = reference and row_of(reference, figure.group, row["workload"], row["size"])
            if other and other[figure.key] and comparable(figure, host, mode):
                own["ratio"] = add_ratio(figure, own, other[figure.key], round_numbers(path),
                                         round_numbers(reference))
