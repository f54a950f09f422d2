#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""pass-socket.py listen|connect PATH COMMAND...: COMMAND with a Unix socket as descriptor 3."""
import os
import socket
import sys
import time

how, path, command = sys.argv[1], sys.argv[2], sys.argv[3:]
s = socket.socket(socket.AF_UNIX)
if how == "listen":
    s.bind(path)
    s.listen(8)
else:
    for _ in range(100):
        try:
            s.connect(path)
            break
        except OSError:
            time.sleep(0.1)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.execvp(command[0], command)
