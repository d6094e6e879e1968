# SPDX-License-Identifier: GPL-3.0-or-later
"""Helps the measurements: cluster.py HOST:PORT fill COUNT XMLFILE | clear | start UUID | stop UUID

fill makes COUNT stopped VMs of one definition; start and stop write the state and print the monotonic clock before it, in us."""
import logging
import sys
import time
import uuid

from kazoo.client import KazooClient

logging.disable(logging.CRITICAL)
client = KazooClient(hosts=sys.argv[1], timeout=30)
client.start(timeout=60)


def fill(count, xml):
    node = client.get_children("/nodes")[0]
    for n in range(count):
        vm, name = str(uuid.UUID(int=n + 1, version=4)), "bench%d" % n
        text = xml.replace("@NAME@", name).replace("@UUID@", vm)
        path = "/domains/" + vm
        write = client.transaction()
        write.create(path, name.encode())
        for key, value in (("state", "stop"), ("node", node), ("lastnode", ""), ("node_limit", ""), ("node_selector", "mem"),
                           ("node_autostart", "False"), ("failedreason", ""), ("consolelog", ""), ("rbdlist", ""),
                           ("profile", ""), ("xml", text)):
            write.create(path + "/" + key, value.encode())
        assert not [r for r in write.commit() if isinstance(r, Exception)]


verb = sys.argv[2]
if verb == "fill":
    fill(int(sys.argv[3]), open(sys.argv[4]).read())
elif verb == "clear":
    for child in client.get_children("/domains"):
        client.delete("/domains/" + child, recursive=True)
else:
    key = "/domains/%s/state" % sys.argv[3]
    print(time.monotonic_ns() // 1000)  # one clock for all processes of the machine
    client.set(key, verb.encode())
client.stop()
