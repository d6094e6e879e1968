# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that die, or seem to, at random, and whether every VM ran exactly once.

chaos_fence.py COUNT [SEED]: run by tests/lab/chaos-fence in the lab's own network, on a lab that is up, with BMCs, whose nodes are ready.

The oracle is that of chaos_migrate.py: QEMU's processes as this machine sees them, and what the guests counted. A process
that comes while another of the same VM is there, also a frozen one, is a VM that runs twice. After every fault all is healed:
then every VM must run exactly once, every node be in state run, and no fencing be left over. A fault that the cluster has to
ride out must have changed nothing: no node off, the same processes.
"""
import glob
import os
import random
import sys
import threading
import time

import chaos_migrate as base
from chaos_migrate import NODES, Cluster, NoNodeError, Processes, counts, lab, last_count, node, signal, tell, until

VMS = ["chaos-" + n for n in NODES]
CONVERGED = 300  # seconds after the last fault healed
FENCED = 120  # seconds from a fault until the VMs of the node run elsewhere, where its BMC works
ZOOKEEPER = "zookeeper.service"


class World:
    def __init__(self):
        self.cluster = Cluster(VMS[0])
        self.vms = {vm: Processes(vm) for vm in VMS}
        self.bases = {}
        for uuid in self.cluster.ask(lambda zk: zk.get_children_async("/domains")):
            self.bases[self.get("/domains/" + uuid)] = "/domains/" + uuid
        for processes in self.vms.values():
            processes.start()

    def get(self, path):
        try:
            return self.cluster.ask(lambda zk: zk.get_async(path))[0].decode()
        except NoNodeError:
            return ""

    def children(self, path):
        try:
            return self.cluster.ask(lambda zk: zk.get_children_async(path))
        except NoNodeError:
            return []

    def place(self, vm):
        """Where its only process is, or None."""
        known = list(self.vms[vm].known.values())
        return known[0][0] if len(known) == 1 else None

    def on(self, name):
        return [vm for vm in VMS if self.place(vm) == name]

    def processes(self):
        return {vm: sorted(p.known) for vm, p in self.vms.items()}

    def wrong(self):
        return [w for p in self.vms.values() for w in p.wrong]

    def runs_once(self, vm):
        where = self.bases[vm]
        name = self.place(vm)
        if not name or self.get(where + "/state") != "start" or self.get(where + "/node") != name \
                or self.get(where + "/holder") != name:
            return False
        before = last_count(vm)
        return until(5, lambda: last_count(vm) > before)

    def node_is_up(self, name):
        return self.get("/nodes/%s/daemonstate" % name) == "run" and not self.get("/pvc/fence/" + name) and \
            node(name, "systemctl", "is-active", "pvc-fence", check=False) == "active"

    def record(self, name):
        return self.get("/pvc/fence/" + name)

    def fencer_of(self, name):
        return self.get("/pvc/fence/%s/fencer" % name)


def fail(world, text, seed):
    print("\n".join(base.trace[-80:]))
    for name in NODES:
        print("== %s\n%s" % (name, lab("journal", name, "-q", "-n", "80", "-o", "short-precise", "-u", "pvc-fence", "-u",
                                       "pvc-watch-domains", "-u", "pvc-register", "-u", "pvc-keepalive", check=False)))
    for path in ["/pvc/fence/" + n for n in NODES] + ["/nodes/%s/daemonstate" % n for n in NODES]:
        print("%s = %s" % (path, world.get(path)))
    for vm, where in world.bases.items():
        print("%s: %s, processes %s" % (vm, {k: world.get(where + "/" + k) for k in
                                            ("state", "node", "lastnode", "holder", "failedreason")}, world.vms[vm].known))
        for name in NODES:
            for log in glob.glob("%s/%s/upper/var/log/libvirt/%s.log" % (base.RUN, name, vm)):
                with open(log, "rb") as f:
                    print("== console of %s on %s: ...%r" % (vm, name, f.read()[-500:]))
    sys.exit("FAILED (seed %d): %s" % (seed, text))


# ---- faults: what each breaks, whether nodes are to be fenced, and what heals it ----

def power(name):
    lab("kill", name)


def power_and_bmc(name):
    lab("bmc_stop", name)
    lab("kill", name)


def bmc_is(mode, what):
    def do(name):
        lab("bmc_mode", name, mode)
        what(name)
    return do


def cut_cluster(name):
    lab("cut", name, "cluster")


def cut_all(name):
    lab("cut", name)


def freeze(name):
    lab("freeze", name)


def half_way(world, victim, act):
    """Does something to the fencer as soon as there is one."""
    if not until(60, lambda: world.fencer_of(victim)):
        return
    time.sleep(random.choice((0, 0.1, 0.3, 1, 2)))
    fencer = world.fencer_of(victim)
    if fencer:
        tell("  the fencer is %s" % fencer)
        act(fencer)


def stop_for(name, unit, seconds):
    pid = signal(name, unit, "STOP")
    time.sleep(seconds)
    node(name, "kill", "-CONT", pid, check=False)


def leader():
    for name in NODES:
        text = node(name, "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/2181 && echo srvr >&3 && cat <&3", check=False)
        if "Mode: leader" in text:
            return name
    return NODES[0]


def freeze_shortly(name):
    lab("freeze", name)
    time.sleep(random.uniform(1, 5))
    lab("thaw", name)


def cut_shortly(name):
    lab("cut", name)
    time.sleep(random.uniform(1, 6))
    lab("mend", name)


# (name, weight, what it does to the victim, then to the fencer)
FENCING = [
    ("power cut", 6, power, None),
    ("cut off from ZooKeeper", 3, cut_cluster, None),
    ("cut off from everything", 3, cut_all, None),
    ("frozen", 4, freeze, None),
    ("power cut, pvc-fence of the fencer killed", 3, power, lambda f: signal(f, "pvc-fence", "KILL")),
    ("power cut, the fencer loses its session", 2, power, lambda f: stop_for(f, "pvc-fence", 14)),
    ("frozen, pvc-fence of the fencer killed", 2, freeze, lambda f: signal(f, "pvc-fence", "KILL")),
    ("cut off, the fencer's ZooKeeper killed", 2, cut_all, lambda f: signal(f, ZOOKEEPER, "KILL")),
    ("power cut, the fencer's power cut too", 2, power, power),
    ("cut off, the fencer frozen", 1, cut_cluster, freeze),
]
# its agent does not work at first: nothing may be started elsewhere until it does
BLIND = [
    ("power cut, and its BMC's", 3, power_and_bmc),
    ("frozen, BMC refuses", 2, bmc_is("fail", freeze)),
    ("cut off, BMC lies", 3, bmc_is("lie", cut_cluster)),
    ("frozen, BMC lies", 2, bmc_is("lie", freeze)),
    ("cut off, BMC hangs", 2, bmc_is("hang", cut_all)),
    ("power cut, BMC hangs", 1, bmc_is("hang", power)),
]
# nothing may happen
RIDE_OUT = [
    ("kill -9 of pvc-keepalive", 2, lambda n: signal(n, "pvc-keepalive", "KILL")),
    ("kill -9 of pvc-fence", 2, lambda n: signal(n, "pvc-fence", "KILL")),
    ("kill -9 of libvirtd", 1, lambda n: signal(n, "libvirtd", "KILL")),
    ("kill -9 of ZooKeeper's leader", 2, lambda n: signal(leader(), ZOOKEEPER, "KILL")),
    ("frozen for less than 5 s", 2, freeze_shortly),
    ("cut off for less than 6 s", 2, cut_shortly),
    ("pvc.target restarted", 1, lambda n: node(n, "systemctl", "restart", "pvc.target", check=False)),
]


def draw(table):
    return random.choices(table, [row[1] for row in table])[0]


def heal(world):
    for name in NODES:
        lab("bmc_mode", name, "works")
        lab("bmc", name)
    for name in NODES:
        lab("mend", name)
        if os.path.exists("%s/%s/power" % (base.RUN, name)):
            with open("%s/%s/power" % (base.RUN, name)) as f:
                if f.read().startswith("off") and not world.record(name):
                    lab("start", name, check=False)


def switch_on(world):
    """What is still off: the daemons switch on what they fenced, an operator the rest."""
    for line in lab("status").splitlines():
        name, state = line.split()
        if state == "off":
            tell("  %s is switched on by hand" % name)
            lab("start", name, check=False)


def wait_for_guests(world):
    """Making a node ready brings its VMs home: a kernel that is emulated may hang for ever when it is moved while it boots."""
    for vm in VMS:
        before = last_count(vm)
        if world.place(vm) and not until(60, lambda: last_count(vm) > before):
            tell("  %s does not count" % vm)


def converge(world, seed, what):
    end = time.monotonic() + CONVERGED
    by_hand = time.monotonic() + 60
    ready = set()
    while time.monotonic() < end:
        if world.wrong():
            fail(world, "; ".join(world.wrong()), seed)
        if by_hand and time.monotonic() > by_hand:
            switch_on(world)
            by_hand = 0
        for name in NODES:
            if name not in ready and world.node_is_up(name):
                if world.get("/nodes/%s/domainstate" % name) != "ready":
                    wait_for_guests(world)
                    tell("  %s is made ready" % name)
                    node(name, "pvcctl", "node", "ready", name, "--wait", "--timeout", "120", check=False, timeout=150)
                if world.get("/nodes/%s/domainstate" % name) == "ready":
                    ready.add(name)
        if len(ready) == len(NODES) and all(world.node_is_up(n) for n in NODES) and all(world.runs_once(v) for v in VMS):
            return
        time.sleep(0.5)
    fail(world, "%s: not as it should be %d s after everything was healed (ready: %s; run once: %s)" % (
        what, CONVERGED, sorted(ready), [v for v in VMS if world.runs_once(v)]), seed)


def judge(world, seed):
    if world.wrong():
        fail(world, "; ".join(world.wrong()), seed)
    for vm in VMS:
        for boot, seen in counts(vm).items():
            twice = {n: where for n, where in seen.items() if len(where) > 1}
            if twice:
                fail(world, "%s: boot %s counted twice: %s" % (vm, boot.decode(), dict(list(twice.items())[:5])), seed)


def ride_out(world, number, victim, seed):
    what, _, act = draw(RIDE_OUT)
    before = world.processes()
    boots = {n: world.get("/pvc/heart/" + n) for n in NODES}
    tell("%d: %s: %s; nothing may happen" % (number, victim, what))
    act(victim)
    time.sleep(random.uniform(0, 3))
    converge(world, seed, what)
    if world.processes() != before:
        fail(world, "%s: processes were %s, are %s" % (what, before, world.processes()), seed)
    if {n: world.get("/pvc/heart/" + n) for n in NODES} != boots:
        fail(world, "%s: a node was switched off" % what, seed)


def fencing(world, number, victim, seed):
    what, _, act, then = draw(FENCING)
    lost = world.on(victim)
    tell("%d: %s, with %s: %s" % (number, victim, ", ".join(lost) or "no VM", what))
    begin = time.monotonic()
    act(victim)
    if then:
        half_way(world, victim, then)
    elsewhere = None
    if not then or then not in (power, freeze):
        if not until(FENCED, lambda: world.wrong() or all(
                world.place(vm) not in (None, victim) for vm in lost)):
            fail(world, "%s: the VMs of %s do not run elsewhere after %d s" % (what, victim, FENCED), seed)
        elsewhere = time.monotonic() - begin
        tell("  its VMs run elsewhere after %.1f s" % elsewhere)
    heal(world)
    converge(world, seed, what)
    return elsewhere if lost and not then else None


def blind(world, number, victim, seed):
    what, _, act = draw(BLIND)
    lost = world.on(victim)
    tell("%d: %s, with %s: %s" % (number, victim, ", ".join(lost) or "no VM", what))
    act(victim)
    end = time.monotonic() + random.uniform(25, 40)
    while time.monotonic() < end:
        for vm in lost:
            if world.place(vm) not in (None, victim):
                fail(world, "%s: %s runs on %s though nobody can know that %s is off" % (what, vm, world.place(vm), victim), seed)
        time.sleep(0.2)
    tell("  nothing was started elsewhere; its BMC works now")
    lab("bmc_mode", victim, "works")  # first: one that hangs would be waited for
    lab("bmc", victim)
    if not until(FENCED + 60, lambda: world.wrong() or all(world.place(vm) not in (None, victim) for vm in lost)):
        fail(world, "%s: the VMs of %s do not run elsewhere once its BMC works" % (what, victim), seed)
    heal(world)
    converge(world, seed, what)


def main():
    number = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 31)
    random.seed(seed)
    print("seed %d: tests/lab/chaos fence %d %d" % (seed, number, seed), flush=True)
    world = World()
    converge(world, seed, "the beginning")
    took = []
    kinds = {"fenced": 0, "first blind": 0, "ridden out": 0}
    begin = time.monotonic()
    for i in range(number):
        victim = random.choice(NODES)
        if not world.on(victim):
            victim = random.choice([world.place(vm) or victim for vm in VMS])
        kind = random.choices(list(kinds), (60, 15, 25))[0]
        if kind == "ridden out":
            ride_out(world, i + 1, victim, seed)
        elif kind == "first blind":
            blind(world, i + 1, victim, seed)
        else:
            seconds = fencing(world, i + 1, victim, seed)
            took += [seconds] if seconds else []
        judge(world, seed)
        kinds[kind] += 1
    took.sort()
    print("%d faults in %d s, seed %d: never two; %s; VMs ran elsewhere after %s" % (
        number, time.monotonic() - begin, seed, ", ".join("%d %s" % (n, k) for k, n in kinds.items()),
        "%.1f s (median), %.1f s at the most" % (took[len(took) // 2], took[-1]) if took else "(none measured)"))


if __name__ == "__main__":
    threading.current_thread().name = "chaos"
    main()
