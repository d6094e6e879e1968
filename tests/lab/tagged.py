# SPDX-License-Identifier: GPL-3.0-or-later
"""tagged.py LINK VLAN ADDRESS[=VLAN]...: plays hosts that are in a VLAN of the wire LINK. It answers ARP and pings for each ADDRESS in frames
with that tag (another one, where =VLAN says so), and only to frames that came with VLAN's tag; prints what it saw: "tag VLAN arp|icmp ADDRESS"."""
import socket
import struct
import sys

PACKET_AUXDATA, SOL_PACKET, TAGGED = 8, 263, 0x10
PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 1, 1
MAC = bytes.fromhex("02774e000001")


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frames(link):
    """(tag or None, Ethernet type, addresses, payload): the kernel may have taken the tag out of the frame, and says so beside it."""
    while True:
        frame, extra, _, _ = link.recvmsg(65536, 256)
        tag = None
        for level, kind, data in extra:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", data[:20])
                if status & TAGGED:
                    tag = tci & 0xFFF
        kind, start = struct.unpack("!H", frame[12:14])[0], 14
        if kind == 0x8100 and tag is None:
            tag, kind, start = struct.unpack("!H", frame[14:16])[0] & 0xFFF, struct.unpack("!H", frame[16:18])[0], 18
        yield tag, kind, frame[:12], frame[start:]


def main():
    name, vlan = sys.argv[1], int(sys.argv[2])
    answers = {socket.inet_aton(a.split("=")[0]): int(a.split("=")[1]) if "=" in a else vlan for a in sys.argv[3:]}
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    link.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    link.bind((name, 0))
    # what is for our MAC has to come here, though it is not the link's
    link.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, struct.pack("iHH8x", socket.if_nametoindex(name), PACKET_MR_PROMISC, 0))
    print("listening", flush=True)

    def send(tag, target, kind, payload):
        link.send(target + MAC + struct.pack("!HHH", 0x8100, tag, kind) + payload)

    for tag, kind, addresses, data in frames(link):
        source = addresses[6:12]
        if source == MAC:
            continue
        if kind == 0x0806 and data[6:8] == b"\0\1" and data[24:28] in answers:
            print("tag", tag, "arp", socket.inet_ntoa(data[24:28]), flush=True)
            if tag == vlan:
                send(answers[data[24:28]], source, 0x0806, data[:6] + b"\0\2" + MAC + data[24:28] + data[8:18])
        elif kind == 0x0800 and data[9] == 1 and data[16:20] in answers and data[20] == 8:
            print("tag", tag, "icmp", socket.inet_ntoa(data[16:20]), flush=True)
            if tag == vlan:
                icmp = b"\0\0\0\0" + data[24 : struct.unpack("!H", data[2:4])[0]]
                icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
                head = data[:10] + b"\0\0" + data[16:20] + data[12:16]
                head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
                send(answers[data[16:20]], source, 0x0800, head + icmp)


main()
