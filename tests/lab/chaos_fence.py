# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that die, or seem to, at random, and whether every VM ran exactly once.

chaos_fence.py [--storage] [--break two|seal] COUNT [SEED]: run by tests/lab/chaos-fence in the lab's own network, on a lab that is up,
with BMCs, whose nodes are ready. The faults are in chaos_faults.py. SIGTERM: the present fault is the last one.

The oracle is that of chaos_migrate.py: QEMU's processes as this machine sees them, and what the guests counted. A process
that comes while another of the same VM is there, also a frozen one, is a VM that runs twice. After every fault all is healed:
then every VM must run exactly once, every node be in state run, and no fencing be left over. A fault that the cluster has to
ride out must have changed nothing: no node off, the same processes. With storage the volumes are looked at too: chaos_volume.py.
"""
import argparse
import glob
import os
import random
import signal
import sys
import threading
import time

import chaos_faults as faults
import chaos_migrate as base
import chaos_volume
from chaos_faults import dice, draw
from chaos_migrate import NODES, Cluster, NoNodeError, Processes, counts, lab, last_count, last_counts, node, tell, until

VMS = ["chaos-" + n for n in NODES]
CONVERGED = 300  # seconds after the last fault healed
FENCED = 120  # seconds from a fault until the VMs of the node run elsewhere, where its BMC works


class World:
    def __init__(self):
        self.cluster = Cluster(VMS[0])
        self.vms = {vm: Processes(vm) for vm in VMS}
        self.bases = {}
        for uuid in self.cluster.ask(lambda zk: zk.get_children_async("/domains")):
            self.bases[self.get("/domains/" + uuid)] = "/domains/" + uuid
        for processes in self.vms.values():
            processes.start()
        self.volumes = None
        self.revived = 0
        if faults.STORAGE:
            self.volumes = chaos_volume.Volumes(os.environ["CHAOS_CEPH"] + "/ceph.conf", VMS)
            self.volumes.start()

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
        """Where its only process is, or None; one on a ghost does not count."""
        known = [k for k in list(self.vms[vm].known.values()) if k[0] not in self.vms[vm].ghosts]
        return known[0][0] if len(known) == 1 else None

    def on(self, name):
        return [vm for vm in VMS if self.place(vm) == name]

    def processes(self):
        return {vm: sorted(p.known) for vm, p in self.vms.items()}

    def wrong(self):
        return [w for p in self.vms.values() for w in p.wrong] + (self.volumes.wrong if self.volumes else [])

    def writes(self, vm):
        """Does what is on its volume grow, by the guest that counted last?"""
        before = self.volumes.look(vm)
        return before and until(5, lambda: self.volumes.look(vm)[-1][:2] > before[-1][:2])

    def ghost(self, name, is_one=True):
        for processes in self.vms.values():
            (processes.ghosts.add if is_one else processes.ghosts.discard)(name)

    def runs_once(self, vm):
        where = self.bases[vm]
        name = self.place(vm)
        if not name or self.get(where + "/state") != "start" or self.get(where + "/node") != name \
                or self.get(where + "/holder") != name:
            return False
        before = last_count(vm)
        return until(5, lambda: last_count(vm) > before) and (not self.volumes or self.writes(vm))

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
    if world.volumes:
        for vm, records in world.volumes.records.items():
            print("%s: its volume's last generations: %s" % (vm, records[-4:]))
    sys.exit("FAILED (seed %d): %s" % (seed, text))


def half_way(world, victim, act):
    """Does something to the fencer as soon as there is one."""
    if not until(60, lambda: world.fencer_of(victim)):
        return
    time.sleep(dice.choice((0, 0.1, 0.3, 1, 2)))
    fencer = world.fencer_of(victim)
    if fencer:
        tell("  the fencer is %s" % fencer)
        act(fencer)


def heal(world):
    for name in NODES:
        lab("bmc_mode", name, "works")
        lab("bmc", name)
    for name in NODES:
        lab("mend", name)
    off = [name for name in NODES if not faults.has_power(name)]
    frozen = [name for name in NODES if faults.is_frozen(name)]
    alone = len(off + frozen) > len(NODES) // 2  # nobody is left who could fence them, or be asked
    for name in frozen if alone else []:
        lab("thaw", name)
    dice.shuffle(off)
    for name in off:
        if alone or not world.record(name):
            lab("start", name, check=False)
            time.sleep(dice.choice((0, dice.uniform(0, 4))))


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


def revive(world, silent):
    """A guest that has not counted since its start, for a minute and a half, is switched off and on again, as an operator would: that
    its emulated kernel hangs at boot is nothing of ours. silent: {vm: (process, since, boots)}"""
    for vm in VMS:
        known = sorted(world.vms[vm].known)
        boots = set(last_counts(vm))
        if len(known) != 1 or silent.get(vm, (None, 0, None))[0::2] != (known[0], boots):
            silent[vm] = (known[0] if len(known) == 1 else None, time.monotonic(), boots)
        elif time.monotonic() - silent[vm][1] > 90 and world.vms[vm].boots.get(known[0]) == boots:
            tell("  %s hangs in its boot: it is started again by hand" % vm)
            name = world.place(vm)
            node(name, "pvcctl", "vm", "stop", vm, "--wait", "--timeout", "60", check=False)
            node(name, "pvcctl", "vm", "start", vm, "--wait", "--timeout", "60", check=False)
            world.revived += 1
            silent.pop(vm)


def converge(world, seed, what):
    end = time.monotonic() + CONVERGED
    by_hand = time.monotonic() + 60
    ready, silent = set(), {}
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
        revive(world, silent)
        if len(ready) == len(NODES) and all(world.node_is_up(n) for n in NODES) and all(world.runs_once(v) for v in VMS):
            return
        time.sleep(0.5)
    fail(world, "%s: not as it should be %d s after everything was healed (ready: %s; run once: %s)" % (
        what, CONVERGED, sorted(ready), [v for v in VMS if world.runs_once(v)]), seed)


def judge(world, seed):
    for vm in VMS:
        for boot, seen in counts(vm).items():
            twice = {n: where for n, where in seen.items() if len(where) > 1}
            if twice:
                fail(world, "%s: boot %s counted twice: %s" % (vm, boot.decode(), dict(list(twice.items())[:5])), seed)
        if world.volumes:
            failed = {boot for _, console in base.read_consoles(vm) for boot in console.failed}
            # the count before the one that a guest said last is written, or its write failed
            known = {boot.decode(): n - 1 for boot, n in last_counts(vm).items() if n > 1 and boot not in failed}
            records = world.volumes.look(vm)
            for text in chaos_volume.lost(vm, records, known):
                fail(world, text, seed)
            if records[-1][2].encode() in failed:
                fail(world, "%s: a write of the guest that runs failed" % vm, seed)
    if world.wrong():
        fail(world, "; ".join(world.wrong()), seed)


def ride_out(world, number, victim, seed):
    what, _, act = draw(faults.RIDE_OUT)
    before = world.processes()
    boots = {n: world.get("/pvc/heart/" + n) for n in NODES}
    tell("%d: %s: %s; nothing may happen" % (number, victim, what))
    act(victim)
    time.sleep(dice.uniform(0, 3))
    converge(world, seed, what)
    if world.processes() != before:
        fail(world, "%s: processes were %s, are %s" % (what, before, world.processes()), seed)
    if {n: world.get("/pvc/heart/" + n) for n in NODES} != boots:
        fail(world, "%s: a node was switched off" % what, seed)


def fencing(world, number, victim, seed):
    what, _, act, then = draw(faults.FENCING)
    lost = world.on(victim)
    tell("%d: %s, with %s: %s" % (number, victim, ", ".join(lost) or "no VM", what))
    begin = time.monotonic()
    act(victim)
    if then:
        half_way(world, victim, then)
    elsewhere = None
    if then not in (faults.power, faults.freeze):
        if not until(FENCED, lambda: world.wrong() or all(
                world.place(vm) not in (None, victim) for vm in lost)):
            fail(world, "%s: the VMs of %s do not run elsewhere after %d s" % (what, victim, FENCED), seed)
        elsewhere = time.monotonic() - begin
        tell("  its VMs run elsewhere after %.1f s" % elsewhere)
    heal(world)
    converge(world, seed, what)
    return elsewhere if lost and not then else None


def blind(world, number, victim, seed):
    what, _, act = draw(faults.BLIND)
    lost = world.on(victim)
    tell("%d: %s, with %s: %s" % (number, victim, ", ".join(lost) or "no VM", what))
    act(victim)
    end = time.monotonic() + dice.uniform(25, 40)
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


def either(world, number, victim, seed):
    what, _, act = draw(faults.EITHER)
    tell("%d: %s, with %s: %s" % (number, victim, ", ".join(world.on(victim)) or "no VM", what))
    act(world, victim)
    time.sleep(dice.uniform(0, 20))
    heal(world)
    converge(world, seed, what)


def late_writer(world, number, victim, seed):
    """Its BMC says that it is off, and it is only frozen. Nothing can tell that, so its VMs run elsewhere; when it wakes up and reaches the
    storage before it hears that it was declared dead, nothing that they still write may be taken."""
    lost = world.on(victim)
    tell("%d: %s, with %s: frozen, BMC says that it is off" % (number, victim, ", ".join(lost) or "no VM"))
    boot = node(victim, "cat", "/run/boot-id")
    world.ghost(victim)
    lab("bmc_mode", victim, "pretend")
    lab("freeze", victim)
    if not until(FENCED, lambda: world.wrong() or all(world.place(vm) and world.writes(vm) for vm in lost)):
        fail(world, "the VMs of %s do not run elsewhere after %d s" % (victim, FENCED), seed)
    tell("  its VMs run elsewhere; it wakes up")
    before = {vm: last_count(vm) for vm in lost}
    lab("thaw", victim, "storage")
    # by what they say, wherever it is said: they tried again to write
    until(40, lambda: all(last_count(vm) > before[vm] for vm in lost))
    time.sleep(dice.uniform(3, 12))
    judge(world, seed)
    lab("mend", victim)
    lab("bmc_mode", victim, "works")
    if not until(FENCED, lambda: node(victim, "cat", "/run/boot-id", check=False) not in ("", boot)):
        fail(world, "%s was declared dead, runs and does not reset itself" % victim, seed)
    until(30, lambda: not any(name == victim for p in world.vms.values() for name, _, _ in list(p.known.values())))
    world.ghost(victim, False)
    heal(world)
    converge(world, seed, "frozen, BMC says that it is off")


def break_two(world, seed):
    vm, where = VMS[0], world.place(VMS[0])
    other = faults.others(where)[0]
    with open("%s/%s/upper/root/second.xml" % (base.RUN, other), "w") as f:
        f.write(node(where, "virsh", "dumpxml", "--security-info", vm))
    tell("%s is started on %s by hand" % (vm, other))
    node(other, "virsh", "create", "/root/second.xml", check=False)
    until(30, world.wrong)
    judge(world, seed)


def break_seal(world, seed):
    for name in NODES:
        for program in ("pvc-seal", "pvc-volume-locks"):
            node(name, "cp", "/bin/true", "/usr/sbin/" + program)
    late_writer(world, 0, world.place(VMS[0]), seed)  # the VM whose volume knows no exclusive lock


KINDS = [("fenced", 45, fencing), ("first blind", 13, blind), ("ridden out", 25, ride_out), ("either way", 12, either)] + (
    [("late writers", 5, late_writer)] if faults.STORAGE else [])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--storage", action="store_true")
    parser.add_argument("--break", dest="broken", choices=("two", "seal"))
    parser.add_argument("count", type=int, nargs="?", default=100)
    parser.add_argument("seed", type=int, nargs="?", default=random.SystemRandom().randrange(1 << 31))
    given = parser.parse_args()
    if given.broken == "seal" and not faults.STORAGE:
        parser.error("--break seal needs --storage")
    number, seed = given.count, given.seed
    print("seed %d: tests/lab/chaos fence %s%d %d" % (seed, "--storage " * faults.STORAGE, number, seed), flush=True)
    world = World()
    converge(world, seed, "the beginning")
    took = []
    done = {kind: 0 for kind, _, _ in KINDS}
    begin = time.monotonic()
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    while sum(done.values()) < number and not ending.is_set():
        dice.seed("%d %d" % (seed, sum(done.values())))  # the same fault for the same seed, whatever was thrown before
        victim, vm = dice.choice(NODES), dice.choice(VMS)
        if not world.on(victim):
            victim = world.place(vm) or victim
        kind, _, act = draw(KINDS)
        seconds = act(world, sum(done.values()) + 1, victim, seed)
        took += [seconds] if seconds else []
        judge(world, seed)
        done[kind] += 1
    if given.broken:
        (break_two if given.broken == "two" else break_seal)(world, seed)
        sys.exit("broken on purpose (%s), and nothing was seen of it" % given.broken)
    took.sort()
    print("%d faults in %d s, seed %d%s: never two; %s; VMs ran elsewhere after %s%s" % (
        sum(done.values()), time.monotonic() - begin, seed, ", volumes in Ceph" * faults.STORAGE,
        ", ".join("%d %s" % (n, k) for k, n in done.items()),
        "%.1f s (median), %.1f s at the most" % (took[len(took) // 2], took[-1]) if took else "(none measured)",
        "; %d guests hung at boot" % world.revived if world.revived else ""))


if __name__ == "__main__":
    threading.current_thread().name = "chaos"
    main()
