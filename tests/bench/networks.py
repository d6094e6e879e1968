# SPDX-License-Identifier: GPL-3.0-or-later
"""Helps the measurements of networks: networks.py HOST:PORT VERB...; to be run in the host's network namespace.

base                        /nodes with one peer, and /networks
fill FIRST LAST             managed networks with DHCP and two rules
latency COUNT RULES [new]   makes COUNT networks, one after the other, and says how long the kernel took to have each; removes them
rule COUNT                  changes a rule's text COUNT times, and says how long the kernel took to have it

The kernel's own notifications are what is waited for, so nothing is polled: the bridge up, the VXLAN up and in it, each rule of both chains."""
import logging
import select
import socket
import struct
import sys
import time

from kazoo.client import KazooClient

logging.disable(logging.CRITICAL)
RTM_NEWLINK, IFLA_IFNAME, IFLA_MASTER, IFF_UP = 16, 3, 10, 1
NEWRULE, RULE_CHAIN = (10 << 8) | 6, 2


def network(vni, rules, mark=""):
    base, net = "/networks/%d" % vni, "10.%d.%d." % (vni // 250 % 250, vni % 250)
    keys = dict(nettype="managed", domain="n%d.local" % vni, name_servers="", ip6_network="None", ip6_gateway="None", dhcp6_flag="False",
                ip4_network=net + "0/24", ip4_gateway=net + "1", dhcp4_flag="True", dhcp4_start=net + "10", dhcp4_end=net + "99",
                dhcp4_leases="", dhcp4_reservations="", firewall_rules="")
    write = client.transaction()
    write.create(base, b"bench")
    for key, value in keys.items():
        write.create(base + "/" + key, value.encode())
    for direction in ("in", "out"):
        write.create(base + "/firewall_rules/" + direction, b"")
    for n in range(rules):
        rule = base + "/firewall_rules/in/r%d" % n
        write.create(rule, b"")
        write.create(rule + "/order", b"%d" % n)
        write.create(rule + "/rule", ("tcp dport %d accept%s" % (1000 + n, mark and ' comment "%s"' % mark)).encode())
    return write


def commit(write):
    for result in write.commit():
        assert not isinstance(result, Exception), result


class Kernel:
    def __init__(self):
        self.sockets = []
        for protocol, group in ((0, 1), (12, 7)):  # links; nf_tables
            s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
            s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
            s.bind((0, 0))
            s.setsockopt(270, 1, group)  # NETLINK_ADD_MEMBERSHIP
            self.sockets.append(s)

    def events(self, limit):
        end = time.monotonic() + limit
        while True:
            ready = select.select(self.sockets, [], [], max(0, end - time.monotonic()))[0]
            if not ready:
                return
            for s in ready:
                data = s.recv(1 << 20)
                now = time.monotonic()
                while len(data) >= 16:
                    length, kind = struct.unpack("=IH", data[:6])
                    yield now, kind, data[16:length]
                    data = data[(length + 3) & ~3:]

    @staticmethod
    def attributes(data):
        found = {}
        while len(data) >= 4:
            length, kind = struct.unpack("=HH", data[:4])
            found[kind & 0x3FFF] = data[4:length]
            data = data[(length + 3) & ~3:]
        return found

    def await_network(self, vni, rules):
        bridge, vxlan, wanted = b"vmbr%d\0" % vni, b"vxlan%d\0" % vni, {b"vxlan%d-in\0" % vni: rules + 1, b"vxlan%d-out\0" % vni: 1}
        links = set()
        for now, kind, data in self.events(60):
            if kind == RTM_NEWLINK:
                attributes, flags = self.attributes(data[16:]), struct.unpack("=I", data[8:12])[0]
                name = attributes.get(IFLA_IFNAME)
                if flags & IFF_UP and (name == bridge or (name == vxlan and IFLA_MASTER in attributes)):
                    links.add(name)
            elif kind == NEWRULE:
                chain = self.attributes(data[4:]).get(RULE_CHAIN)
                if chain in wanted:
                    wanted[chain] -= 1
            if len(links) == 2 and all(n <= 0 for n in wanted.values()):
                return now
        sys.exit("network %d did not come into force: %r, %r" % (vni, links, wanted))

    def await_rule(self, vni):
        for now, kind, data in self.events(60):
            if kind == NEWRULE and self.attributes(data[4:]).get(RULE_CHAIN) == b"vxlan%d-in\0" % vni:
                return now
        sys.exit("the rule did not come into force")

    def quiet(self):
        for _ in self.events(0.4):
            pass


def say(samples):
    samples.sort()
    print("%.0f ms (worst %.0f)" % (samples[len(samples) // 2] * 1000, samples[-1] * 1000))


def latency(count, rules, new):
    kernel, samples = Kernel(), []
    for i in range(count):
        vni = 5000 + i
        write = network(vni, rules, "%d.%d" % (vni, time.monotonic_ns()) if new else "")
        kernel.quiet()
        begin = time.monotonic()
        commit(write)
        samples.append(kernel.await_network(vni, rules) - begin)
    for i in range(count):
        client.delete("/networks/%d" % (5000 + i), recursive=True)
    kernel.quiet()
    say(samples)


def rule(count):
    kernel, samples = Kernel(), []
    commit(network(4999, 2))
    kernel.await_network(4999, 2)
    for i in range(count):
        kernel.quiet()
        begin = time.monotonic()
        client.set("/networks/4999/firewall_rules/in/r0/rule", b'udp dport %d drop comment "%d"' % (1 + i, time.monotonic_ns()))
        samples.append(kernel.await_rule(4999) - begin)
    client.delete("/networks/4999", recursive=True)
    kernel.quiet()
    say(samples)


client = KazooClient(hosts=sys.argv[1], timeout=30)
client.start(timeout=60)
verb, rest = sys.argv[2], sys.argv[3:]
if verb == "base":
    for n in (1, 2):
        client.create("/nodes/pvchv%d/cluster_address" % n, b"10.78.1.%d" % n, makepath=True)
    client.create("/networks", b"")
elif verb == "fill":
    for vni in range(int(rest[0]), int(rest[1]) + 1):
        commit(network(vni, 2))
elif verb == "latency":
    latency(int(rest[0]), int(rest[1]), len(rest) > 2)
elif verb == "rule":
    rule(int(rest[0]))
client.stop()
