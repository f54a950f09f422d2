# SPDX-License-Identifier: GPL-2.0
"""What is compared with what, over which rings and sizes."""
from backends import Ovs, Testpmd, Viola

# What virtio_user is told. Without mergeable buffers it has cheaper paths, and
# the less the generator does the more is seen of the back end.
RINGS = {
    "split": "mrg_rxbuf=0,in_order=0,vectorized=1",
    "split-in-order": "mrg_rxbuf=0,in_order=1",
    "split-mergeable": "mrg_rxbuf=1,in_order=0",
    "packed": "packed_vq=1,mrg_rxbuf=0,in_order=0",
    "packed-in-order": "packed_vq=1,mrg_rxbuf=0,in_order=1,vectorized=1",
    # With a driver of ours that does less than virtio_user, whose bound is elsewhere.
    "lean-split": "in_order=1",
    "lean-packed": "packed_vq=1,in_order=1",
}
LEAN = ("lean-split", "lean-packed")
# What virtio_user takes by default of back ends that offer it, as all of these do;
# and where it takes least. What is judged is measured over these.
IN_ORDER = ("split-in-order", "packed-in-order")
SIZES = (64, 256, 1518)


class Contender:
    def __init__(self, name, make):
        self.name = name
        self.make = make  # (bench, queues, size) -> backend, not started


def viola(mode, ports):
    """The viola-dpdk of the tree, and the one that --before names."""
    name, before = "viola-" + mode, "before-" + mode
    return [
        Contender(name, lambda bench, queues, size: Viola(
            bench, name, mode, ports, queues, size)),
        Contender(before, lambda bench, queues, size: Viola(
            bench, before, mode, ports, queues, size, program=bench.args.before))]


def testpmd(mode, ports):
    return lambda bench, queues, size: Testpmd(bench, "testpmd-" + mode, mode, ports, queues, size)


def ovs(name, flows, ports):
    return lambda bench, queues, size: Ovs(bench, name, flows, ports)


class Kind:
    def __init__(self, title, action, ports, contenders, per_size=False):
        self.title = title
        self.action = action  # the generator's word
        self.ports = ports
        self.contenders = contenders
        self.per_size = per_size  # back ends must know the size


KINDS = {
    "reflect": Kind("forward, one port", "loop", 1, [
        *viola("reflect", 1),
        Contender("testpmd-mac", testpmd("mac", 1)),
        Contender("ovs-in-port", ovs("ovs-in-port", ["in_port=1,actions=in_port"], 1))]),
    "p2p": Kind("port to port, both ways", "loop", 2, [
        *viola("patch", 2),
        *viola("switch", 2),
        Contender("testpmd-io", testpmd("io", 2)),
        Contender("ovs-output", ovs("ovs-output", ["in_port=1,actions=output:2",
                                                   "in_port=2,actions=output:1"], 2))]),
    "sink": Kind("one way, front end to back end", "send", 1, [
        *viola("sink", 1),
        Contender("testpmd-rxonly", testpmd("rxonly", 1)),
        Contender("ovs-drop", ovs("ovs-drop", ["in_port=1,actions=drop"], 1))]),
    "source": Kind("one way, back end to front end", "receive", 1, [
        *viola("source", 1),
        Contender("testpmd-txonly", testpmd("txonly", 1))], per_size=True),
}


class Case:
    def __init__(self, kind, size, ring, queues=1, rates=False):
        self.kind, self.size, self.ring, self.queues = kind, size, ring, queues
        self.lean = ring in LEAN
        self.rates = rates  # NDR and latency, too
        self.name = "%s-%d-%s%s" % (kind, size, ring, "-q%d" % queues if queues > 1 else "")


def all_cases():
    """Every one there is, judged ones first among their kind."""
    cases = []
    for queues in (1, 2):
        for kind in KINDS:
            for size in SIZES:
                for ring in RINGS:
                    if ring in LEAN and (queues > 1 or KINDS[kind].action != "loop"):
                        continue
                    cases.append(Case(kind, size, ring, queues, rates=kind in ("reflect", "p2p")))
    return cases


def default_cases(quick):
    """What `make bench-dpdk` has the time for."""
    def want(c):
        if quick:
            return c.queues == 1 and c.kind in ("reflect", "p2p") and (
                (c.size == 64 and c.ring != "split-mergeable") or
                (c.size == 1518 and c.ring == "split-in-order" and c.kind == "p2p"))
        if c.queues > 1:
            return c.kind in ("reflect", "p2p") and c.size == 64 and c.ring in IN_ORDER
        if c.lean or c.ring == "split-mergeable":
            return c.kind in ("reflect", "p2p") and c.size == 64
        return c.kind in ("reflect", "p2p") or c.size in (64, 1518)

    chosen = [c for c in all_cases() if want(c)]
    for c in chosen:
        c.rates = (c.rates and c.queues == 1 and c.size == 64 and
                   c.ring in (IN_ORDER[:1] + LEAN[:1] if quick else IN_ORDER + LEAN))
    return chosen
