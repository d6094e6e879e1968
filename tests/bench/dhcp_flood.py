# SPDX-License-Identifier: GPL-3.0-or-later
"""COUNT guests ask for a lease at once, WINDOW of them at a time: dhcp_flood.py INTERFACE COUNT WINDOW. Prints seconds until the last ACK."""
import select
import socket
import struct
import sys
import time

interface, count, window = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
s.bind((interface, 0))


def mac_of(n):
    return bytes([0x52, 0x54, 0x01, n >> 16 & 255, n >> 8 & 255, n & 255])


def send(n, options):
    mac = mac_of(n)
    body = struct.pack("!BBBBIHH4s4s4s4s16s64s128s", 1, 1, 6, 0, n, 0, 0x8000, b"", b"", b"", b"", mac, b"", b"")
    body += b"\x63\x82\x53\x63" + options + b"\xff"
    udp = struct.pack("!HHHH", 68, 67, 8 + len(body), 0) + body
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), n & 0xFFFF, 0, 64, 17, 0, b"\0" * 4, b"\xff" * 4)
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + ip[12:]
    s.send(b"\xff" * 6 + mac + b"\x08\x00" + ip + udp)


def discover(n):
    name = b"vm%d" % n
    send(n, b"\x35\x01\x01" + bytes([12, len(name)]) + name)


def take(frame):
    """the guest's number and what it was told, or None"""
    if len(frame) < 286 or frame[23] != 17 or frame[36:38] != b"\x00\x44":
        return None
    dhcp = frame[42:]
    return struct.unpack("!I", dhcp[4:8])[0], dhcp[242], dhcp[16:20]


waiting, done, started = {}, 0, time.monotonic()
todo = iter(range(1, count + 1))


def more():
    for n in todo:
        waiting[n] = time.monotonic()
        discover(n)
        if len(waiting) >= window:
            return


more()
while done < count:
    if not select.select([s], [], [], 1)[0]:
        for n in waiting:  # lost: as a client does
            discover(n)
        continue
    told = take(s.recv(2000))
    if not told or told[0] not in waiting:
        continue
    number, kind, address = told
    if kind == 2:
        name = b"vm%d" % number
        send(number, b"\x35\x01\x03\x32\x04" + address + b"\x36\x04" + socket.inet_aton("10.100.0.1") + bytes([12, len(name)]) + name)
    elif kind == 5:
        del waiting[number]
        done += 1
        more()
print("%.3f" % (time.monotonic() - started))
