#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest misses: pinger.py FILE ADDRESS... pings each address every 10 ms until SIGTERM and appends to FILE, in the form of
prober.py (whose judge tells the gaps), when echoes went unanswered. An echo counts at the moment it was sent; it has two seconds to be
answered, so FILE is two seconds late."""
import json
import os
import select
import signal
import socket
import struct
import sys
import time

PERIOD = 0.01
PATIENCE = 2.0


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def echo(ident, sequence, number):
    body = struct.pack("!II", sequence, number)
    head = struct.pack("!BBHHH", 8, 0, 0, ident, sequence & 0xFFFF)
    return struct.pack("!BBHHH", 8, 0, checksum(head + body), ident, sequence & 0xFFFF) + body


def main():
    out = open(sys.argv[1], "a", buffering=1)
    targets = sys.argv[2:]

    def say(t, **what):
        out.write(json.dumps({"t": round(t, 4), **what}) + "\n")

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    try:
        os.nice(-10)
    except PermissionError:
        pass
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    s.setblocking(False)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    ident = os.getpid() & 0xFFFF
    poll = select.poll()
    poll.register(s, select.POLLIN)
    sent, answered, known = [], set(), [None] * len(targets)
    sequence, due = 0, time.monotonic()
    say(due, start=targets, period=PERIOD)
    while not stop:
        now = time.monotonic()
        if sent and now - sent[-1][0] > 5 * PERIOD:
            say(now, blind=round(now - sent[-1][0], 4))
        for number, target in enumerate(targets):
            try:
                s.sendto(echo(ident, sequence, number), (target, 0))
            except OSError:  # no route, no neighbour: not answered
                pass
        sent.append((now, sequence))
        sequence += 1
        due = max(due + PERIOD, now)
        while (left := due - time.monotonic()) > 0 and not stop:
            if not poll.poll(left * 1000):
                break
            try:
                packet = s.recv(2048)
            except OSError:
                continue
            reply = packet[(packet[0] & 15) * 4:]
            if len(reply) >= 16 and reply[0] == 0 and struct.unpack("!H", reply[4:6])[0] == ident:
                answered.add(struct.unpack("!II", reply[8:16]))
        while sent and sent[0][0] < due - PATIENCE:
            when, old = sent.pop(0)
            for number in range(len(targets)):
                up = (old, number) in answered
                answered.discard((old, number))
                if up != known[number]:
                    known[number] = up
                    say(when, a=number, m=["answered"] if up else [])
            if old % 25 == 0:
                say(when, alive=True)


main()
