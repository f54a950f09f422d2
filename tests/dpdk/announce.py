#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A vhost-user front end that says a little about its network, and nothing else.

  announce.py SOCKET [MTU]

Asks for the address 02:ab:cd:ef:01:23 to be announced (VHOST_USER_SEND_RARP) and,
with MTU, says that first and prints how the back end answers: "accepted" or
"refused".
"""
import socket
import struct
import sys
import time

SET_OWNER, GET_PROTOCOL, SET_PROTOCOL, GET_FEATURES = 3, 15, 16, 1
SEND_RARP, NET_SET_MTU = 19, 20
VERSION, NEED_REPLY = 1, 8
RARP, REPLY_ACK, NET_MTU = 1 << 2, 1 << 3, 1 << 4


def send(sock, request, payload=b"", flags=VERSION):
    sock.sendall(struct.pack("<III", request, flags, len(payload)) + payload)


def answer(sock):
    """The number that the back end answers with."""
    data = b""
    while len(data) < 20:
        part = sock.recv(20 - len(data))
        if not part:
            raise ConnectionResetError("the back end hung up")
        data += part
    return struct.unpack("<Q", data[12:])[0]


def connected(path):
    """A session; while the one before still ends, the back end refuses another."""
    end = time.monotonic() + 20
    while True:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(10)
        try:
            sock.connect(path)
            send(sock, GET_FEATURES)
            answer(sock)
            return sock
        except ConnectionError as error:
            if time.monotonic() > end:
                sys.exit(str(error))
            sock.close()
            time.sleep(0.05)


def main():
    sock = connected(sys.argv[1])
    send(sock, GET_PROTOCOL)
    wanted = RARP | REPLY_ACK | NET_MTU
    if answer(sock) & wanted != wanted:
        sys.exit("the back end does not offer what is tested")
    send(sock, SET_PROTOCOL, struct.pack("<Q", wanted))
    send(sock, SET_OWNER)
    if len(sys.argv) > 2:
        send(sock, NET_SET_MTU, struct.pack("<Q", int(sys.argv[2])), VERSION | NEED_REPLY)
        print("refused" if answer(sock) else "accepted")
    send(sock, SEND_RARP, bytes.fromhex("02abcdef0123") + b"\0\0", VERSION | NEED_REPLY)
    if answer(sock):
        sys.exit("the announcement was refused")


main()
