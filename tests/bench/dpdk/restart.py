# SPDX-License-Identifier: GPL-2.0
"""A back end that is killed and started again while frames keep coming."""
import time

from backends import Testpmd, Viola

RATE = 500000  # frames per second: each is checked byte by byte
DOWN_S = 0.1


def one(bench, generator, name, backend):
    bench.backends.append(backend)
    load = generator(bench, "mrg_rxbuf=0,in_order=0", 64, 1, [(name, backend.ports)],
                     server=True)
    try:
        backend.start(wait=False)
        load.greet()
        time.sleep(1.5)
        load.tell("watch", 0, RATE, int(1000 * (2 + bench.args.restarts * (1.5 + DOWN_S))))
        time.sleep(1)
        starts = []
        for _ in range(bench.args.restarts):
            backend.end(backend.process, kill=True)
            time.sleep(DOWN_S)
            starts.append(time.time_ns())
            backend.start(wait=False)
            time.sleep(1.5)
        answer = load.answer()
    finally:
        load.stop()
        backend.stop()
    # The first frame after each start ends a gap that began before it.
    after = []
    for begin in starts:
        ends = [to for since, to in answer["gaps"] if since < begin < to]
        after.append((ends[0] - begin) / 1e6 if ends else None)
    return {"name": name, "restarts": len(starts), "ms": after, "sent": answer["sent"],
            "received": answer["received"], "wrong": answer["wrong"]}


def run(bench, generator):
    return [one(bench, generator, "viola-reflect",
                Viola(bench, "viola-restart", "reflect", 1, 1, 64, client=True)),
            one(bench, generator, "testpmd-mac",
                Testpmd(bench, "testpmd-restart", "mac", 1, 1, 64, client=True))]
