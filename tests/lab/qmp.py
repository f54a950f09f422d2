#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""One command to a monitor's control socket: qmp.py SOCKET COMMAND.

Prints what the command returned, as one line of JSON with sorted keys. Exit
status 1 if it was an error.
"""

import json
import socket
import sys

LIMIT_S = 120


def main():
    path, command = sys.argv[1:]
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(LIMIT_S)
        s.connect(path)
        lines = s.makefile("rw", encoding="utf-8")
        assert "QMP" in json.loads(lines.readline())
        for name in "qmp_capabilities", command:
            lines.write(json.dumps({"execute": name}) + "\n")
            lines.flush()
            while True:
                answer = json.loads(lines.readline())
                if "event" not in answer:
                    break
            if "error" in answer:
                sys.exit(answer["error"]["desc"])
    print(json.dumps(answer["return"], sort_keys=True))


main()
