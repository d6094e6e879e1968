# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference's drain, for comparison: serial_drain.py HOST:PORT NODE.

One VM after the other, as the reference's daemon does it (data model, 11): the node with the most memory not given away takes it, the
keys are written, and its state is read ten times a second until it is no longer on its way. The words mean the same to our nodes.
"""
import sys
import threading
import time

from kazoo.client import KazooClient

client = KazooClient(hosts=sys.argv[1], timeout=10)
client.start(timeout=60)


def get(path):
    return client.get(path)[0].decode()


def room(node):
    figure = {key: int(get("/nodes/%s/%s" % (node, key))) for key in ("memused", "memfree", "memalloc")}
    return figure["memused"] + figure["memfree"] - figure["memalloc"]


def target(here):
    best, most = None, 0
    for node in client.get_children("/nodes"):
        if node != here and get("/nodes/%s/daemonstate" % node) == "run" and get("/nodes/%s/domainstate" % node) == "ready" and room(node) > most:
            best, most = node, room(node)
    return best


begin = time.monotonic()
vms = get("/nodes/%s/runningdomains" % sys.argv[2]).split()
for vm in vms:
    key = "/domains/%s/" % vm
    t = client.transaction()
    for name, value in (("lastnode", get(key + "lastnode") or get(key + "node")), ("node", target(sys.argv[2])), ("state", "migrate")):
        t.set_data(key + name, value.encode())
    t.commit()
    while get(key + "state") in ("migrate", "unmigrate", "shutdown"):
        threading.Event().wait(0.1)
print("%d %.1f" % (len(vms), time.monotonic() - begin))
client.stop()
