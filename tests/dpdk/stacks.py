#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Two Linux stacks that talk to each other through a back end.

  stacks.py answer                    on port 7, until it is killed; prints "ready"
  stacks.py tcp|udp ADDRESS BYTES…    whether so many bytes get there and are answered

UDP is asked again until an answer comes; each is given up after 60 seconds.
"""
import hashlib
import random
import socket
import sys
import threading
import time

PORT = 7
LIMIT = 60.0  # seconds


def read_all(sock):
    parts = []
    while True:
        part = sock.recv(1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


def answer_stream(sock):
    with sock:
        sock.sendall(hashlib.sha256(read_all(sock)).digest())


def answer_streams(listener):
    while True:
        threading.Thread(target=answer_stream, args=(listener.accept()[0],),
                         daemon=True).start()


def answer():
    """Serves IPv4 and IPv6: the digest of a stream, and datagrams as they came."""
    listener = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
    threading.Thread(target=answer_streams, args=(listener,), daemon=True).start()
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    datagrams.bind(("::", PORT))
    print("ready", flush=True)
    while True:
        data, sender = datagrams.recvfrom(1 << 16)
        datagrams.sendto(data, sender)


def ask_tcp(address, data):
    with socket.create_connection((address, PORT), LIMIT) as sock:
        sock.settimeout(LIMIT)
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return read_all(sock) == hashlib.sha256(data).digest()


def ask_udp(address, data):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    end = time.monotonic() + LIMIT
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.5)
        sock.connect((address, PORT))
        while time.monotonic() < end:
            sock.send(data)
            try:
                return sock.recv(1 << 16) == data
            except TimeoutError:
                pass
    raise TimeoutError("no answer")


def main():
    if sys.argv[1:] == ["answer"]:
        answer()
    protocol, address, *sizes = sys.argv[1:]
    for size in sizes:
        try:
            good = {"tcp": ask_tcp, "udp": ask_udp}[protocol](
                address, random.Random(1).randbytes(int(size)))
        except OSError as error:
            sys.exit("%s to %s, %s bytes: %s" % (protocol, address, size, error))
        if not good:
            sys.exit("%s to %s, %s bytes: another answer" % (protocol, address, size))


main()
