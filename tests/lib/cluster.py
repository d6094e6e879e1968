# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes objects of a cluster straight in ZooKeeper, as other programs would have: for tests of what reads them.

cluster.py HOST:PORT init                        the base keys
cluster.py HOST:PORT node NAME [KEY=VALUE]...    a node that runs and is ready, with some keys other than usual
cluster.py HOST:PORT vms COUNT NODE              so many VMs, made like the reference's client makes them
cluster.py HOST:PORT beat NAME [UUID]...         one heartbeat: the VMs that run there
cluster.py HOST:PORT act NAME                    plays the node: does what the VMs' states say, until killed
"""
import logging
import sys
import threading
import uuid

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

BASE = {
    "/primary_node": "none", "/upstream_ip": "none", "/maintenance": "False", "/nodes": "", "/domains": "",
    "/networks": "", "/ceph": "", "/ceph/osds": "", "/ceph/pools": "", "/ceph/volumes": "", "/ceph/snapshots": "",
    "/cmd": "", "/cmd/domains": "", "/cmd/ceph": "", "/locks": "", "/locks/flush_lock": "", "/locks/primary_node": "",
}
NODE = {
    "": "coordinator", "daemonmode": "coordinator", "daemonstate": "run", "routerstate": "secondary",
    "domainstate": "ready", "staticdata": "8 6.1.0-1-amd64 GNU/Linux x86_64", "memtotal": "16000", "memused": "2000",
    "memfree": "14000", "memalloc": "1024", "vcpualloc": "2", "cpuload": "0.25", "networkscount": "0",
    "domainscount": "1", "runningdomains": "", "keepalive": "1700000000", "ipmihostname": "lom",
    "ipmiusername": "admin", "ipmipassword": "secret",
}
XML = """<domain type='kvm'>
  <name>%s</name>
  <uuid>%s</uuid>
  <memory unit='MiB'>512</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <console type='pty'/>
    <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='vmbr100'/><model type='virtio'/></interface>
  </devices>
</domain>
"""


def put(client, path, value):
    if client.exists(path):
        client.set(path, value.encode())
    else:
        client.create(path, value.encode())


def beat(client, node, running):
    put(client, "/nodes/%s/runningdomains" % node, " ".join(running))


def act(client, node):
    """A node of one VM action at a time; the words are the data model's."""
    running, lock = set(), threading.RLock()

    def changed(vm, data, stat):
        if stat is None:
            return False
        with lock:
            state = data.decode("utf-8", "replace")
            if client.get("/domains/%s/node" % vm)[0].decode() != node:
                running.discard(vm)
            elif state in ("start", "restart"):
                running.add(vm)
                if state == "restart":
                    client.set("/domains/%s/state" % vm, b"start")
            elif state == "shutdown":
                running.discard(vm)
                client.set("/domains/%s/state" % vm, b"stop")
            else:
                running.discard(vm)

    def watcher(vm):
        return lambda data, stat: changed(vm, data, stat)

    seen = set()

    def children(names):
        for vm in names:
            if vm not in seen:
                seen.add(vm)
                client.DataWatch("/domains/%s/state" % vm, watcher(vm))

    client.ChildrenWatch("/domains", children)
    print("acting", flush=True)
    while True:
        with lock:
            beat(client, node, sorted(running))
        threading.Event().wait(0.1)


def main():
    logging.disable(logging.CRITICAL)
    server, verb, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    client = KazooClient(hosts=server, timeout=10)
    client.start(timeout=30)
    try:
        if verb == "init":
            for path in sorted(BASE):
                put(client, path, BASE[path])
        elif verb == "node":
            keys = dict(NODE)
            keys.update(pair.split("=", 1) for pair in rest[1:])
            for key in sorted(keys):
                put(client, "/nodes/" + rest[0] + ("/" + key if key else ""), keys[key])
        elif verb == "vms":
            for i in range(int(rest[0])):
                vm, name = str(uuid.UUID(int=(4 << 76) | (8 << 60) | i)), "many%04d" % i
                keys = {"": name, "state": "stop", "node": rest[1], "lastnode": "", "node_limit": "",
                        "node_selector": "mem", "node_autostart": "False", "failedreason": "", "consolelog": "",
                        "rbdlist": "", "profile": "None", "xml": XML % (name, vm)}
                transaction = client.transaction()
                for key in sorted(keys):
                    transaction.create("/domains/" + vm + ("/" + key if key else ""), keys[key].encode())
                transaction.commit()
        elif verb == "beat":
            beat(client, rest[0], rest[1:])
        elif verb == "act":
            act(client, rest[0])
        else:
            sys.exit("unknown verb " + verb)
    except NoNodeError as e:
        sys.exit("no such key: %r" % e)
    finally:
        client.stop()


if __name__ == "__main__":
    main()
