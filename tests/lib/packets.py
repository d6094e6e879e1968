# SPDX-License-Identifier: GPL-3.0-or-later
"""packets.py FROM TO ADDRESS MARKER PORT...: UDP from one network namespace to another. Says which of the ports were reached.

Each port gets packets, each followed by one to the port MARKER, which must be let through: once all of those have arrived, what has not
arrived of the others was dropped. Nothing is measured in time.
"""
import ctypes
import os
import select
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
ROUNDS = 3


def enter(namespace):
    fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(fd, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), f"setns {namespace}")
    os.close(fd)


def main():
    source, target, address, marker = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    ports = [int(p) for p in sys.argv[5:]]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    enter(target)
    listeners = {}
    for port in ports + [marker]:
        listeners[port] = socket.socket(family, socket.SOCK_DGRAM)
        listeners[port].bind((address, port))
    enter(source)
    sender = socket.socket(family, socket.SOCK_DGRAM)
    for _ in range(ROUNDS):
        for port in ports:
            sender.sendto(b"x", (address, port))
        sender.sendto(b"m", (address, marker))
    for _ in range(ROUNDS):
        if not select.select([listeners[marker]], [], [], 60)[0]:
            sys.exit("the marker did not arrive")
        listeners[marker].recv(1)
    print(*[p for p in ports if select.select([listeners[p]], [], [], 0)[0]])


main()
