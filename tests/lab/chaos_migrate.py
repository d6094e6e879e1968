# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations with faults at random moments, and whether every VM ran exactly once.

chaos_migrate.py COUNT [SEED]: run by tests/lab/chaos-migrate in the lab's own network, on a lab that is up and whose nodes are ready.

The oracle looks from outside, at QEMU's processes and at what the guests themselves wrote: a guest counts, and says with
each count which boot it belongs to. Two copies that run both write the same count of the same boot; a VM that was started
while it ran elsewhere shows as a process that did not come by migration beside another that runs. After every fault
everything is healed, and the VM must run exactly once again, or be off with a reason.
"""
import glob
import logging
import os
import random
import re
import subprocess
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

logging.disable(logging.CRITICAL)
HERE = os.path.dirname(os.path.realpath(__file__))
LAB = HERE + "/lab"
NODES = os.environ["NODES"].split()
RUN = os.environ.get("LAB_ROOT", "/var/tmp/pvc-lab") + "/run/" + os.environ["LAB_NAME"]
CGROUP = "pvclab-%s/" % os.environ["LAB_NAME"]
NAME = "chaos"
CONVERGED = 150  # seconds after the last fault healed
COUNT_LINE = re.compile(rb"^COUNT (\d+) [\d.]+ ([0-9a-f]{8})\r?$")
dice = random.Random()  # its own: others, as kazoo, throw those of the module as it comes
trace = []


def tell(text):
    line = "%8.2f %s" % (time.monotonic() - BEGIN, text)
    trace.append(line)
    print(line, flush=True)


def lab(*arguments, check=True, timeout=330):
    return subprocess.run([LAB, *arguments], check=check, timeout=timeout, capture_output=True, text=True).stdout.strip()


def node(name, *command, check=True, timeout=330):
    return lab("exec", name, *command, check=check, timeout=timeout)


class Processes(threading.Thread):
    """QEMU's processes of the VM on all nodes, as they come and go."""

    def __init__(self, vm=NAME):
        super().__init__(daemon=True)
        self.vm = vm
        self.known, self.other, self.wrong, self.ended = {}, {}, [], False
        self.boots = {}  # of each process, those that had counted when it came
        self.ghosts = set()  # nodes whose processes may be there: nothing tells them from such as are off, but what they write

    def look_at(self, pid):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                words = f.read().split(b"\0")
            if not words[0].endswith(b"qemu-system-x86_64") or not any(
                    w.startswith(b"guest=%s," % self.vm.encode()) for w in words):
                return None
            with open("/proc/%s/cgroup" % pid) as f:
                place = f.read().split(CGROUP)
            return (place[1].split("/")[0], b"-incoming" in words) if len(place) > 1 else None
        except OSError:
            return None

    def alive(self, pid):
        try:
            with open("/proc/%s/stat" % pid) as f:
                return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False

    def has_run(self, name, since):
        """Has the guest written a count on that node since the process came?"""
        log = "%s/%s/upper/var/log/libvirt/%s.log" % (RUN, name, self.vm)
        return os.path.exists(log) and os.path.getsize(log) > since

    def size(self, name):
        log = "%s/%s/upper/var/log/libvirt/%s.log" % (RUN, name, self.vm)
        return os.path.getsize(log) if os.path.exists(log) else 0

    def run(self):
        while not self.ended:
            now = time.monotonic()
            pids = {p for p in os.listdir("/proc") if p.isdigit()}
            self.other = {p: t for p, t in self.other.items() if p in pids}
            for pid in list(self.known):
                if not self.alive(pid):
                    tell("  %s: process %s on %s ended" % (self.vm, pid, self.known[pid][0]))
                    del self.known[pid]
            for pid in pids - set(self.known):
                if now - self.other.setdefault(pid, now) > 20:
                    continue  # what it is does not change any more
                found = self.look_at(pid)
                if found and self.alive(pid):
                    self.came(pid, *found)
            time.sleep(0.05)

    def came(self, pid, name, incoming):
        tell("  %s: process %s on %s came%s" % (self.vm, pid, name, " (incoming)" if incoming else ""))
        for other, (where, arrived, size) in self.known.items():
            if incoming or where in self.ghosts or not self.alive(other):
                continue
            if where != name and (not arrived or self.has_run(where, size)):
                self.wrong.append("%s started on %s while process %s on %s was there" % (self.vm, name, other, where))
        if not incoming:
            self.boots[pid] = set(last_counts(self.vm))
        elif self.known:
            self.boots[pid] = self.boots.get(next(iter(self.known)), set())  # where it comes from
        self.known[pid] = (name, incoming, self.size(name))


class Console:
    """One file with what a guest said, read on from where it was read to."""

    def __init__(self):
        self.offset, self.rest, self.boot = 0, b"", None
        self.counts, self.last = [], {}  # (count, boot), and the highest of each boot
        self.failed = set()  # boots of which a write failed

    def read(self, path):
        with open(path, "rb") as f:
            f.seek(self.offset)
            data = self.rest + f.read()
            self.offset = f.tell()
        lines = data.split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            found = COUNT_LINE.match(line)
            if found:
                self.boot = found.group(2)
                self.counts.append((int(found.group(1)), self.boot))
                self.last[self.boot] = max(int(found.group(1)), self.last.get(self.boot, 0))
            elif line.startswith(b"GUEST disk write failed"):
                self.failed.add(self.boot)


consoles = {}
reading = threading.Lock()


def read_consoles(vm):
    """[(node, Console)] of all that the guest ever wrote."""
    found = []
    with reading:
        for name in NODES:
            for log in glob.glob("%s/%s/upper/var/log/libvirt/%s.log*" % (RUN, name, vm)):
                try:
                    console = consoles.setdefault(os.stat(log).st_ino, Console())  # libvirt turns them over
                    console.read(log)
                except FileNotFoundError:
                    continue
                found.append((name, console))
    return found


def counts(vm=NAME):
    """{boot: {count: [nodes]}} of all that the guest ever wrote."""
    found = {}
    for name, console in read_consoles(vm):
        for n, boot in console.counts:
            found.setdefault(boot, {}).setdefault(n, []).append(name)
    return found


def last_counts(vm=NAME):
    """{boot: the last count that it ever wrote}"""
    found = {}
    for _, console in read_consoles(vm):
        for boot, n in console.last.items():
            found[boot] = max(n, found.get(boot, 0))
    return found


def last_count(vm=NAME):
    return sum(last_counts(vm).values())


class Cluster:
    """ZooKeeper as an operator's client sees it: a new connection whenever one does not answer."""

    def __init__(self, vm=NAME):
        self.zk = None
        for u in self.ask(lambda zk: zk.get_children_async("/domains")):
            if self.ask(lambda zk: zk.get_async("/domains/" + u))[0].decode() == vm:
                self.base = "/domains/" + u

    def ask(self, request, attempts=60):
        for _ in range(attempts):
            try:
                if not self.zk:
                    hosts = ",".join("10.77.1.%s:2181" % re.sub(r".*\D", "", n) for n in NODES)
                    self.zk = KazooClient(hosts=hosts, timeout=10)
                    self.zk.start(timeout=15)
                return request(self.zk).get(timeout=5)
            except NoNodeError:
                raise
            except Exception as error:
                tell("  ZooKeeper: %r" % error)
                old, self.zk = self.zk, None
                threading.Thread(target=lambda: old and (old.stop(), old.close()), daemon=True).start()
                time.sleep(0.5)
        sys.exit("ZooKeeper does not answer")

    def key(self, name):
        try:
            return self.ask(lambda zk: zk.get_async(self.base + "/" + name))[0].decode()
        except NoNodeError:
            return ""

    def runs(self, name):
        return self.ask(lambda zk: zk.get_async("/nodes/%s/daemonstate" % name))[0] == b"run"

    def write(self, **values):  # one transaction, as the reference's client does it
        def request(zk):
            transaction = zk.transaction()
            for key, value in values.items():
                transaction.set_data(self.base + "/" + key, value.encode())
            return transaction.commit_async()
        results = self.ask(request)
        if any(isinstance(r, Exception) for r in results):
            sys.exit("write refused: %r" % results)

    def state(self):
        return {k: self.key(k) for k in ("state", "node", "lastnode", "holder", "failedreason")}


def pid_of(name, unit):
    return node(name, "systemctl", "show", "-P", "MainPID", unit, check=False)


def signal(name, unit, word):
    pid = pid_of(name, unit)
    if pid not in ("", "0"):
        node(name, "kill", "-" + word, pid, check=False)
    return pid


def freeze(name, unit, seconds):
    pid = signal(name, unit, "STOP")
    return lambda: (time.sleep(seconds), node(name, "kill", "-CONT", pid, check=False))


def cut(name):
    lab("kill", name)

    def heal():
        time.sleep(dice.uniform(0, 4))
        lab("start", name)
        lab("wait", name)
        node(name, "systemctl", "start", "--no-block", "pvc.target")
    return heal


def unplug(name, seconds):
    cable = "%s-cluster" % name
    subprocess.run(["ip", "link", "set", cable, "down"], check=True)
    return lambda: (time.sleep(seconds), subprocess.run(["ip", "link", "set", cable, "up"], check=True))


AGENT, LIBVIRTD, ZOOKEEPER = "pvc-watch-domains.service", "libvirtd.service", "zookeeper.service"
FAULTS = [
    ("kill -9 of the source's agent", 3, lambda s, t: signal(s, AGENT, "KILL") and None),
    ("kill -9 of the target's agent", 3, lambda s, t: signal(t, AGENT, "KILL") and None),
    ("kill -9 of both agents", 2, lambda s, t: (signal(s, AGENT, "KILL"), signal(t, AGENT, "KILL")) and None),
    ("kill -9 of the source's libvirtd", 3, lambda s, t: signal(s, LIBVIRTD, "KILL") and None),
    ("kill -9 of the target's libvirtd", 3, lambda s, t: signal(t, LIBVIRTD, "KILL") and None),
    ("power cut of the source", 2, lambda s, t: cut(s)),
    ("power cut of the target", 2, lambda s, t: cut(t)),
    ("the source's agent stands still for 4 s", 1, lambda s, t: freeze(s, AGENT, 4)),
    ("the target's agent stands still for 4 s", 1, lambda s, t: freeze(t, AGENT, 4)),
    ("the source's agent loses its session", 1, lambda s, t: freeze(s, AGENT, 14)),
    ("the source's ZooKeeper dies", 1, lambda s, t: signal(s, ZOOKEEPER, "KILL") and None),
    ("the target's ZooKeeper dies", 1, lambda s, t: signal(t, ZOOKEEPER, "KILL") and None),
    ("the source's cluster cable is out for 12 s", 1, lambda s, t: unplug(s, 12)),
    ("the target's cluster cable is out for 12 s", 1, lambda s, t: unplug(t, 12)),
    ("the client calls it back", 2, None),
    ("the client stops it", 1, None),
    ("nothing", 2, lambda s, t: None),
]


def until(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def runs_once(cluster, processes):
    state = cluster.state()
    if state["state"] != "start" or state["holder"] != state["node"] or len(processes.known) != 1:
        return False
    (where, _, _), = processes.known.values()
    if where != state["node"]:
        return False
    before = last_count()
    return until(5, lambda: last_count() > before)


def fail(text, cluster, seed):
    print("\n".join(trace[-60:]))
    for name in NODES:
        print("== %s\n%s" % (name, node(name, "journalctl", "-q", "-b", "-n", "60", "-o", "short-precise", "-u",
                                        "pvc-watch-domains", "-u", "libvirtd", check=False)))
    print("keys: %s" % cluster.state())
    sys.exit("FAILED (seed %d): %s" % (seed, text))


def judge(cluster, processes, seed):
    if processes.wrong:
        fail("; ".join(processes.wrong), cluster, seed)
    for boot, seen in counts().items():
        twice = {n: where for n, where in seen.items() if len(where) > 1}
        if twice:
            fail("boot %s counted twice: %s" % (boot.decode(), dict(list(twice.items())[:5])), cluster, seed)


def one(cluster, processes, number, seed):
    source = cluster.key("node")
    target = dice.choice([n for n in NODES if n != source])
    what, _, act = dice.choices(FAULTS, [w for _, w, _ in FAULTS])[0]
    delay = dice.choice((dice.uniform(0, 0.1), dice.uniform(0, 1), dice.uniform(0.3, 2.5)))
    boots = len(counts())
    tell("%d: %s -> %s, after %.2f s: %s" % (number, source, target, delay, what))
    cluster.write(state="migrate", node=target, lastnode=source)
    time.sleep(delay)
    heal = None
    if what == "the client calls it back":
        cluster.write(state="migrate", node=source, lastnode="")
    elif what == "the client stops it":
        cluster.write(state="stop")
    else:
        heal = act(source, target)
    if heal:
        heal()
    if what == "the client stops it":
        if not until(CONVERGED, lambda: not processes.known and not cluster.key("holder")):
            fail("still not off", cluster, seed)
        cluster.write(state="start")
    if not until(CONVERGED, lambda: processes.wrong or runs_once(cluster, processes)):
        fail("it does not run exactly once %d s after everything was healed" % CONVERGED, cluster, seed)
    judge(cluster, processes, seed)
    state = cluster.state()
    live = len(counts()) == boots
    tell("  runs on %s, %s%s" % (state["node"], "without a restart" if live else "started again",
                                 ": " + state["failedreason"] if state["failedreason"] else ""))
    # the next one begins only when the node that was cut off is one again
    for name in NODES:
        until(120, lambda: cluster.runs(name) and node(name, "systemctl", "is-active", AGENT, check=False) == "active")
    return live, state["node"] == target


def main():
    number = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 31)
    dice.seed(seed)
    print("seed %d: tests/lab/chaos migrate %d %d" % (seed, number, seed), flush=True)
    cluster, processes = Cluster(), Processes()
    processes.start()
    if not until(180, lambda: runs_once(cluster, processes)):
        fail("it does not run to begin with", cluster, seed)
    live = moved = 0
    for i in range(number):
        alive, arrived = one(cluster, processes, i + 1, seed)
        live += alive
        moved += arrived
    processes.ended = True
    print("%d migrations with faults, seed %d: never two; %d guests noticed nothing, %d were started again; "
          "%d ended at their target" % (number, seed, live, number - live, moved))


BEGIN = time.monotonic()
if __name__ == "__main__":
    main()
