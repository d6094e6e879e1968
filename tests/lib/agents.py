# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays the nodes that VMs run on, by the key writes of the migration protocol (data model, 5.3), for tests of what drains them.

agents.py HOST:PORT FILE NODE[=MANNER]...

What a node does with a VM that is sent to it, DELAY seconds after it was written:
  ok     it arrives: `start`
  cold   it is shut down by its source, is off, and starts
  back   it cannot be moved: the source restores state and node, and gives a reason
  fail   it was shut down and does not start: `fail`, and a reason
  hang   nothing, for ever
A NODE/DELAY (hv2/1.5=cold) sets the delay (default 0.05). A VM whose name begins with `deaf` ignores a shutdown. Each node keeps
runningdomains, domainscount, vcpualloc and memalloc (512 MiB a VM) as a heartbeat does. FILE gets a line for each event:
`acting`, `sent UUID NODE HOW-MANY-ON-THE-WAY`, `asked UUID`.
"""
import heapq
import itertools
import logging
import queue
import sys
import time

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError

logging.disable(logging.CRITICAL)
client = KazooClient(hosts=sys.argv[1], timeout=10)
client.start(timeout=60)
log = open(sys.argv[2], "a", buffering=1)
manners, delays = {}, {}
for argument in sys.argv[3:]:
    node, _, manner = argument.partition("=")
    node, _, delay = node.partition("/")
    manners[node], delays[node] = manner or "ok", float(delay or 0.05)
events, timers, count = queue.Queue(), [], itertools.count()
where, coming, names, dirty = {}, {}, {}, set(manners)


def get(vm, key):
    return client.get("/domains/%s/%s" % (vm, key))[0].decode("utf-8", "replace")


def look(vm):
    """Its state and node, of one moment: who writes the one in a transaction with the other does not come between."""
    while True:
        state, before = client.get("/domains/%s/state" % vm)
        node = get(vm, "node")
        if client.get("/domains/%s/state" % vm)[1].mzxid == before.mzxid:
            return state.decode("utf-8", "replace"), node


def put(vm, **keys):
    t = client.transaction()
    for key, value in keys.items():
        t.set_data("/domains/%s/%s" % (vm, key), value.encode())
    t.commit()


def runs(vm, node):
    dirty.update({where.get(vm), node} - {None})
    where[vm] = node


def later(seconds, action, *arguments):
    heapq.heappush(timers, (time.monotonic() + seconds, next(count), action, arguments))


def still(vm, state, node):
    return look(vm) == (state, node)


# (what is tried again after a loss of the server is on its way until it went through)
def arrive(vm, node):
    if still(vm, "migrate", node):
        runs(vm, node)
        put(vm, state="start")
    coming.pop(vm, None)


def go_cold(vm, node):
    if still(vm, "migrate", node):
        put(vm, state="shutdown")
        later(0.1, go_off, vm, node)


def go_off(vm, node):
    runs(vm, None)
    put(vm, state="stop")
    later(0.5, start_cold, vm, node)


def start_cold(vm, node):
    if still(vm, "stop", node):
        runs(vm, node)
        put(vm, state="start")
    coming.pop(vm, None)


def go_back(vm, node, source):
    if still(vm, "migrate", node):
        put(vm, state="start", node=source, failedreason="no route to " + node)
    coming.pop(vm, None)


def fail(vm, node):
    if still(vm, "migrate", node):
        runs(vm, None)
        put(vm, state="fail", failedreason="no such disk")
    coming.pop(vm, None)


def shut_down(vm):
    if get(vm, "state") == "shutdown" and not coming.get(vm):
        runs(vm, None)
        put(vm, state="stop")


def handle(vm):
    state, node = look(vm)
    if state == "start" and node in manners and not coming.get(vm):
        runs(vm, node)
    elif state == "migrate" and node in manners and coming.get(vm) != node:
        coming[vm] = node
        print("sent", vm, node, len(coming), file=log)
        manner, delay = manners[node], delays[node]
        if manner == "ok":
            later(delay, arrive, vm, node)
        elif manner == "cold":
            later(delay, go_cold, vm, node)
        elif manner == "back":
            later(delay, go_back, vm, node, where.get(vm) or get(vm, "lastnode"))
        elif manner == "fail":
            later(delay, fail, vm, node)
    elif state == "shutdown" and node in manners and not coming.get(vm):
        print("asked", vm, file=log)
        if not names[vm].startswith("deaf"):
            later(0.1, shut_down, vm)
    elif state in ("stop", "disable", "delete") and not coming.get(vm):
        runs(vm, None)


def beat():
    for node in sorted(dirty):
        if node not in manners:
            continue
        here = sorted(vm for vm, n in where.items() if n == node)
        t = client.transaction()
        for key, value in (("runningdomains", " ".join(here)), ("domainscount", len(here)), ("vcpualloc", len(here)), ("memalloc", 512 * len(here))):
            t.set_data("/nodes/%s/%s" % (node, key), str(value).encode())
        t.commit()
    dirty.clear()


def watcher(vm):
    return lambda data, stat: False if data is None else events.put(vm)


def children(found):
    for vm in found:
        if vm not in names:
            names[vm] = client.get("/domains/" + vm)[0].decode("utf-8", "replace")
            if client.exists("/domains/%s/state" % vm):
                client.DataWatch("/domains/%s/state" % vm, watcher(vm))


client.ChildrenWatch("/domains", children)
print("acting", file=log)


def attempt(action, *arguments):
    """Without the server it waits for it, and looks again."""
    try:
        action(*arguments)
    except NoNodeError:
        pass
    except KazooException:
        later(0.3, action, *arguments)


while True:
    try:
        attempt(handle, events.get(timeout=max(0.0, min(0.2, timers[0][0] - time.monotonic() if timers else 0.2))))
    except queue.Empty:
        pass
    while timers and timers[0][0] <= time.monotonic():
        _, _, action, arguments = heapq.heappop(timers)
        attempt(action, *arguments)
    if events.empty() and dirty:
        attempt(beat)
