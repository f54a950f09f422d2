#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Commands to a monitor's control socket: qmp.py SOCKET.

Takes a command's name from each line of standard input, and prints what it returned
as a line of JSON with sorted keys, or "error: " and a sentence.
"""

import json
import socket
import sys

LIMIT_S = 120


def answer_of(lines, command):
    lines.write(json.dumps({"execute": command}) + "\n")
    lines.flush()
    while True:
        answer = json.loads(lines.readline())
        if "event" not in answer:
            break
    if "error" in answer:
        return "error: " + answer["error"]["desc"]
    return json.dumps(answer["return"], sort_keys=True)


def main():
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(LIMIT_S)
        s.connect(sys.argv[1])
        lines = s.makefile("rw", encoding="utf-8")
        assert "QMP" in json.loads(lines.readline())
        answer_of(lines, "qmp_capabilities")
        for command in sys.stdin:
            print(answer_of(lines, command.strip()), flush=True)


main()
