#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Clients of viola-dpdk's control socket that mean no good.

hostile-client.py PATH: exits 0 if each was answered as it should be, or cut
off, and an honest one is served at the end.
"""
import json
import select
import socket
import sys
import time

path = sys.argv[1]


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.settimeout(20)
    return s


def read_line(s):
    data = b""
    while not data.endswith(b"\n"):
        part = s.recv(65536)
        if not part:
            break
        data += part
    return data


def ask(text):
    with connect() as s:
        s.sendall(text + b"\n")
        return json.loads(read_line(s))


def refused(text, words):
    answer = ask(text)
    if answer["ok"] or words not in answer["error"]:
        sys.exit(f"{text[:60]!r}: answered {answer}")


def closed(s):
    """Whether the other side has ended it, after whatever it says."""
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


# The slow ones first: each must be cut off, however it dribbles.
slow = connect()
slow.sendall(b'{"command":')
begun = time.monotonic()

# Nonsense.
refused(b"", "not JSON")
refused(b"\0\xff\xfe{}", "not JSON")
refused(b"status", "not JSON")
refused(b"[" * 60000, "not JSON")
refused(b'{"a":' * 12000, "not JSON")
refused(b"[]", '"command" is one of')
refused(b"{}", '"command" is one of')
refused(b'{"command":1}', '"command" is one of')
refused(b'{"command":"status","command":"status"}', "not JSON")
refused(b'{"command":"status","more":1}', 'unknown "more"')
refused(b'{"command":"port-remove"}', '"port" is missing')
for value in (b"-1", b"256", b"1e99", b"99999999999999999999", b"null", b"{}", b'"%s%n"',
              b'"' + b"A" * 50000 + b'"', b'"\\u0000"', b"18446744073709551615"):
    answer = ask(b'{"command":"port-remove","port":' + value + b"}")
    if answer["ok"]:
        sys.exit(f"port {value[:40]!r} was removed")
    answer = ask(b'{"command":"queue-move","port":0,"cpu":0,"queue":' + value + b"}")
    if answer["ok"]:
        sys.exit(f"queue {value[:40]!r} was moved")
    answer = ask(b'{"command":"port-add","port":{"path":"/nowhere/x","number":' + value + b"}}")
    if answer["ok"]:
        sys.exit(f"port {value[:40]!r} was added")
refused(b'{"command":"port-add","port":{"path":""}}', "without a name")
refused(b'{"command":"port-add","port":{"path":"/' + b"x" * 60000 + b'"}}', "at most")
refused(b'{"command":"port-add","port":{"path":"/a\\u0000b"}}', "not JSON")
refused(b'{"command":"patch","ports":[0]}', "two ports")

# A name of letters that a sentence cuts in two.
for n in range(4):
    refused(b'{"command":"port-remove","port":"' + b"a" * n + "\u20ac".encode() * 200 + b'"}',
            "there is no port")

# Longer than a request may be, with and without an end.
with connect() as s:
    try:
        s.sendall(b"A" * 70000)
    except (BrokenPipeError, ConnectionResetError):
        pass
    if not closed(s):
        sys.exit("a request without end is read on")

# Many requests at once, read late: answered in order, one each.
with connect() as s:
    s.sendall(b'{"command":"status"}\n{"command":"x"}\n' * 200)
    data = b""
    while data.count(b"\n") < 400:
        part = s.recv(65536)
        if not part:
            sys.exit("closed before all was answered")
        data += part
    oks = [json.loads(line)["ok"] for line in data.splitlines()]
    if oks != [True, False] * 200:
        sys.exit("answers are not in order")

# Gone before the answer.
for _ in range(50):
    with connect() as s:
        s.sendall(b'{"command":"status"}\n')

# As many connections as there are, and more: the surplus is told.
crowd = [connect() for _ in range(40)]
waiting = list(crowd)
told = 0
while told < 20:
    ready = select.select(waiting, [], [], 20)[0]
    if not ready:
        sys.exit(f"only {told} of 40 connections were refused")
    for s in ready:
        waiting.remove(s)
        told += b"too many connections" in read_line(s)
for s in crowd:
    s.close()
time.sleep(0.2)

# The slow one: a byte now and then does not keep it.
slow.settimeout(2)
while time.monotonic() - begun < 15:
    try:
        slow.sendall(b" ")
        if not slow.recv(1):
            break
    except TimeoutError:
        continue
    except (BrokenPipeError, ConnectionResetError):
        break
else:
    sys.exit("a request that never ends is waited for")

if not ask(b'{"command":"status"}')["ok"]:
    sys.exit("no status")
