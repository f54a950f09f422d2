# SPDX-License-Identifier: GPL-2.0
"""Documents of the measuring half, as it would leave them, made of chosen costs and noise."""
import random

# Instructions of a round trip's packet, exits, exits to user space, interrupts, system calls.
PATHS = {
    "e1000": ("emulation", "e1000", None, None, 92000, 6.2, 3.66, 0.52, 9.05),
    "virtio": ("paravirtual", "virtio_net", None, "split", 46000, 2.45, 0, 1.0, 4.0),
    "vhost": ("paravirtual", "virtio_net", None, "split", 35100, 2.40, 0, 1.0, 0.002),
    "viola": ("paravirtual", "virtio_net", "worker", "split", 33900, 2.37, 0, 1.0, 0.001),
}
CURVE = (0, .05, .1, .2, .3, .4, .5, .6, .7, .75, .8, .85, .9, .925, .95, .96, .97, .98, .985,
         .99, .9925, .995, .9975, .999, .9995, .9999, 1)

SETTINGS = {"rtt_count": 500, "warmup": 50, "rate_ms": 100, "rounds": 6, "quick": False,
            "sched": "fifo",
            "kernel": "6.12", "guest_kernel": "6.12", "times": False, "slow": {}}


class Noise:
    """Factors near 1: one for each path's boot, one for each figure in each round."""

    def __init__(self, seed, boot=0.0, within=0.0):
        self.random = random.Random(seed)
        self.boot, self.within = boot, within

    def of_boot(self):
        # Two runs of the same thing agree within 1 %.
        return min(max(self.random.gauss(1, self.boot), 0.996), 1.004)

    def of_round(self):
        return self.random.gauss(1, self.within)


def rtt(size, instructions, noise, samples):
    p50 = 2 * instructions * noise.of_round()
    at = {q: round(p50 * (0.96 + 0.04 * q / .5 if q < .5 else 1 + (q - .5) ** 3)) for q in CURVE}
    return {"size": size, "count": samples, "lost": 0, "duplicated": 0, "corrupted": 0,
            "invented": 0, "samples": samples, "min_ns": at[0], "p50_ns": at[.5],
            "p90_ns": at[.9], "p99_ns": at[.99], "p999_ns": at[.999], "max_ns": at[1],
            "mean_ns": round(p50 * 1.01), "curve": [[q, at[q]] for q in CURVE]}


def stream(workload, size, instructions, noise, ms):
    pps = 1e9 / (instructions / 3) * noise.of_round()
    received = round(pps * ms / 1e3)
    return {"workload": workload, "size": size, "sent": received + 3, "received": received,
            "pps": pps, "bps": pps * size * 8, "loss_ratio": 3 / (received + 3),
            "duplicated": 0, "corrupted": 0, "invented": 0, "span_ns": ms * 10 ** 6,
            "socket_drops": 0, "stalls": 0}


def cost(workload, size, packets, values, noise, icount):
    instructions, exits, user, interrupts, calls = values
    share = 1 if workload == "rtt" else 1 / 3
    return {"workload": workload, "size": size, "packets": packets,
            "exits_per_packet": exits * share * noise.of_round(),
            "user_exits_per_packet": user * share, "interrupts_per_packet": interrupts * share,
            "syscalls_per_packet": calls * share * noise.of_round(),
            "host_cpu_ns_per_packet": instructions * share * 0.4 * noise.of_round(),
            "instructions_per_packet": instructions * share * noise.of_round() if icount else None}


def one_round(number, values, noise, samples, ms, icount):
    result = {"round": number, "rtt": [], "throughput": [], "cost": []}
    for size in (64, 1024):
        dearer = [values[0] * (1 + size / 64e3)] + list(values[1:])
        result["rtt"].append(rtt(size, dearer[0], noise, samples))
        result["cost"].append(cost("rtt", size, 2 * samples, dearer, noise, icount))
    for workload in ("tx", "rx") if ms else ():
        for size in (64, 1500):
            dearer = [values[0] * (1 + size / 64e3)] + list(values[1:])
            one = stream(workload, size, dearer[0], noise, ms)
            result["throughput"].append(one)
            result["cost"].append(cost(workload, size, one["received"], dearer, noise, icount))
    return result


def path(name, noise, rounds=6, dearer=1.0, samples=SETTINGS["rtt_count"],
         ms=SETTINGS["rate_ms"], icount=True):
    """A path-NAME.json; its work is multiplied by @dearer."""
    rung, driver, mode, ring, *values = PATHS[name]
    boot = noise.of_boot() * dearer
    values = [values[0] * boot, values[1] * noise.of_boot()] + values[2:]
    return {"path": name, "rung": rung, "device": "net", "status": "ok", "reason": None,
            "guest": {"kernel": "6.12.0-amd64", "driver": driver, "clocksource": "kvm-clock",
                      "irq_shared": False}, "mode": mode, "ring": ring,
            "clock": "CLOCK_MONOTONIC_RAW", "window": 256,
            "null_reasons": {} if icount else {"instructions_per_packet":
                                               "only an icount lab counts instructions"},
            "rounds": [one_round(i + 1, values, noise, samples, ms, icount)
                       for i in range(rounds)]}


def document(paths, mode="lab-icount", reference="vhost", **settings):
    """A document of the measured @paths, not yet summarized."""
    return {"schema": "viola-compare/2", "viola": {"version": "0.1.0", "commit": "0123456789ab"},
            "host": {"cpu": "a CPU", "kernel": "6.12.0-amd64", "mode": mode, "cpus": 1,
                     "load": 0.1, "busy": False},
            "started": "2026-01-02T03:04:05Z", "duration_s": 100, "fault": None, "lab_hangs": 0,
            "settings": dict(SETTINGS, **settings), "reference": reference, "paths": paths}


def run(seed, dearer=None, boot=0.003, within=0.002, names=tuple(PATHS), rounds=6, **more):
    """The paths of a whole run. @dearer: {path: factor}."""
    noise = Noise(seed, boot, within)
    return [path(n, noise, rounds, (dearer or {}).get(n, 1.0), **more) for n in names]
