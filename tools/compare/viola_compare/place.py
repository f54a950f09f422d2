# SPDX-License-Identifier: GPL-2.0
"""Where things are: this tree's programs, its results, the kernels in the cache."""
import os
import subprocess


class Missing(Exception):
    """Something has to be set up first; the text says what."""


class Place:
    def __init__(self, script):
        self.bin = os.path.dirname(os.path.realpath(script))
        built = os.sep + os.path.join("build", "bin")
        # Installed: results and modules are those of the current folder.
        self.tree = self.bin[:-len(built)] if self.bin.endswith(built) else os.getcwd()
        self.lib = os.path.join(os.path.dirname(self.bin), "lib", "viola")

    def program(self, name):
        return os.path.join(self.bin, name)

    def version(self):
        try:
            with open(os.path.join(self.lib, "version"), encoding="ascii") as f:
                return f.read().strip()
        except OSError:
            return "unknown"

    def commit(self):
        try:
            said = subprocess.run(["git", "-C", self.tree, "describe", "--always", "--dirty",
                                   "--abbrev=12"], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, check=False)
        except OSError:
            return "unknown"
        return said.stdout.strip() or "unknown"


def paths_known(place):
    """All paths that can be measured: {name: rung}, in the order of the ladder."""
    said = output_of([place.program("viola-measure"), "--list"])
    return dict(line.split(" ", 1) for line in said.splitlines() if " " in line)


def lab_mode(place, icount):
    """What the lab would be: lab-kvm, lab-tcg or lab-icount."""
    return output_of([place.program("viola-lab"), "--mode"] + (["--icount"] if icount else []))


def output_of(command):
    """What a program of ours says of itself."""
    try:
        said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
    except OSError as error:
        raise Missing("%s: %s; run make" % (command[0], error.strerror)) from None
    if said.returncode:
        raise Missing((said.stderr.strip() or "%s failed" % " ".join(command)).split("\n")[-1])
    return said.stdout.strip()


def cache():
    for variable, below in (("VIOLA_CACHE", ""), ("XDG_CACHE_HOME", "viola"),
                            ("HOME", ".cache/viola")):
        if os.environ.get(variable):
            return os.path.join(os.environ[variable], below)
    raise Missing("HOME is not set, so there is no cache; set VIOLA_CACHE")


def kernel_release(name):
    """The release of a kernel in the cache, by its short name or its release."""
    folder = os.path.join(cache(), "kernel")
    real = os.path.realpath(os.path.join(folder, name))
    if not name or "/" in name or not os.path.isdir(real):
        raise Missing("kernel %s is not in the cache (%s); tools/kernels lists what is, "
                      "tools/setup installs 6.1 and 6.12" % (name, folder))
    release = os.path.basename(real)
    image = os.path.join(real, "boot", "vmlinuz-" + release)
    if not os.access(image, os.R_OK):
        raise Missing("%s cannot be read; tools/setup makes it" % image)
    return release
