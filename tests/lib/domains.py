# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs in ZooKeeper as the reference's client writes them, for tests (an independent client: kazoo).

domains.py HOST:PORT define UUID NAME STATE NODE [XMLFILE]
domains.py HOST:PORT define-many COUNT STATE NODE
domains.py HOST:PORT set UUID KEY=VALUE...        (one transaction)
domains.py HOST:PORT set-each KEY=VALUE UUID...   (one after the other)
domains.py HOST:PORT lose                         (/domains with all that is in it, in one moment)
domains.py HOST:PORT put UUID KEY FILE            (any bytes)
domains.py HOST:PORT delete UUID...               (recursive, as the client does)
"""
import logging
import sys
import time

from kazoo.client import KazooClient

logging.disable(logging.CRITICAL)
server, verb, *rest = sys.argv[1:]
client = KazooClient(hosts=server, timeout=10)
client.start(timeout=30)


def commit(transaction):
    for result in transaction.commit():
        if isinstance(result, Exception):
            sys.exit("transaction failed: %r" % result)


def define(uuid, name, state, node, xml):
    t = client.transaction()
    base = "/domains/" + uuid
    t.create(base, name.encode())
    for key, value in (("state", state), ("node", node), ("lastnode", ""), ("node_limit", ""), ("node_selector", "None"),
                       ("node_autostart", "False"), ("failedreason", ""), ("consolelog", ""), ("rbdlist", ""),
                       ("profile", "None")):
        t.create(base + "/" + key, value.encode())
    t.create(base + "/xml", xml)
    commit(t)


if verb == "define":
    xml = open(rest[4], "rb").read() if len(rest) > 4 else b""
    define(*rest[:4], xml)
elif verb == "define-many":
    for i in range(int(rest[0])):
        define("00000000-0000-4000-9000-%012x" % i, "many%d" % i, rest[1], rest[2], b"<domain/>")
elif verb == "set":
    t = client.transaction()
    for pair in rest[1:]:
        key, value = pair.split("=", 1)
        t.set_data("/domains/%s/%s" % (rest[0], key), value.encode())
    commit(t)
elif verb == "set-each":
    key, value = rest[0].split("=", 1)
    for uuid in rest[1:]:
        client.set("/domains/%s/%s" % (uuid, key), value.encode())
elif verb == "lose":
    t = client.transaction()
    for uuid in client.get_children("/domains"):
        for key in client.get_children("/domains/" + uuid):
            t.delete("/domains/%s/%s" % (uuid, key))
        t.delete("/domains/" + uuid)
    t.delete("/domains")
    commit(t)
elif verb == "put":
    client.set("/domains/%s/%s" % (rest[0], rest[1]), open(rest[2], "rb").read())
elif verb == "delete":
    for uuid in rest:
        client.delete("/domains/" + uuid, recursive=True)
else:
    sys.exit(__doc__)
client.stop()
