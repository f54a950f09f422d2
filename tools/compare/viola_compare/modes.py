# SPDX-License-Identifier: GPL-2.0
"""Where a run was measured, and what can be said of figures from there."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Mode:
    name: str
    title: str
    clock: str          # what its times are, behind a unit; "" where that goes without saying
    times: bool         # times and rates repeat, so they can be compared
    # Two runs of the same thing may differ by this share, whatever their rounds say: rounds
    # share their boots. Measured in virtual time, an assumption elsewhere.
    repeats: float
    note: str


MODES = {m.name: m for m in (
    Mode("lab-icount", "lab, virtual time", "virtual time", True, 0.01,
         "Mode lab-icount is virtual time: the lab's one CPU takes a nanosecond for an "
         "instruction, whoever executes it: guest, monitor, worker, far end. Times are amounts "
         "of work, and rates their inverse, not durations; caches, parallelism and posted "
         "interrupts cannot be seen."),
    Mode("lab-tcg", "lab, emulated, wall clock", "wall clock of an emulated machine", False, 0.10,
         "Mode lab-tcg emulates every instruction of host and guest by the wall clock: times and "
         "rates do not repeat, not even in their order, and are not judged. Counts per packet "
         "are, with 10 % for what one run may differ from the next. Posted interrupts, caches "
         "and NUMA cannot be seen."),
    Mode("lab-kvm", "lab, nested virtualization", "", True, 0.02,
         "Mode lab-kvm nests virtualization: exits cost more than on metal, so paths that exit "
         "often look worse than they are there."),
    Mode("metal", "this machine, no lab", "", True, 0.02,
         "Frequency scaling, hyperthreads and other load on this host are not controlled by "
         "this program."),
)}

UNKNOWN = Mode("unknown", "unknown", "", False, 0.10,
               "The mode of this run is not known, so only counts are judged.")


def mode_of(name):
    return MODES.get(name, UNKNOWN)
