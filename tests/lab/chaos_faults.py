# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of chaos_fence.py: what each breaks, in the class of what has to come of it. Those that also heal themselves do so before they return."""
import os
import random
import subprocess
import time

import chaos_migrate as base
from chaos_migrate import NODES, lab, node, signal, tell

dice = random.Random()  # its own: others, as kazoo, throw those of the module as it comes
ZOOKEEPER = "zookeeper.service"
STORAGE = "CHAOS_CEPH" in os.environ
LAB_CGROUP = lab("cgroup")
PROGRAMS = ["pvc-watch-nodes", "pvc-watch-domains", "pvc-watch-networks", "pvc-fence"] + (["pvc-watch-ceph"] if STORAGE else [])


def others(name):
    return [n for n in NODES if n != name]


def has_power(name):
    with open("%s/%s/power" % (base.RUN, name)) as f:
        return f.read().startswith("on")


def is_frozen(name):
    try:
        with open("%s/%s/cgroup.freeze" % (LAB_CGROUP, name)) as f:
            return f.read().strip() == "1"
    except FileNotFoundError:
        return False  # it was off, and its cgroup went


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


def kill_unit(unit):
    return lambda name: signal(name, unit, "KILL")


def stop_for(name, unit, seconds):
    """It stands still; systemd may have killed it when it goes on."""
    pid = signal(name, unit, "STOP")
    time.sleep(seconds)
    node(name, "kill", "-CONT", pid, check=False)


def stands_still(unit, shortest, longest):
    return lambda name: stop_for(name, unit, dice.uniform(shortest, longest))


def any_program(what):
    def do(name):
        unit = dice.choice(PROGRAMS)
        tell("  it is %s" % unit)
        what(unit)(name)
    return do


def leader():
    for name in NODES:
        text = node(name, "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/2181 && echo srvr >&3 && cat <&3", check=False)
        if "Mode: leader" in text:
            return name
    return NODES[0]


def freeze_shortly(name):
    lab("freeze", name)
    time.sleep(dice.uniform(1, 5))
    lab("thaw", name)


def cut_shortly(name):
    lab("cut", name)
    time.sleep(dice.uniform(1, 6))
    lab("mend", name)


def hang_units(units, seconds):
    """units: [(node, unit)], all at the same time"""
    for name, unit in units:
        node(name, "systemctl", "kill", "-s", "STOP", unit, check=False)
    time.sleep(seconds)
    for name, unit in units:
        node(name, "systemctl", "kill", "-s", "CONT", unit, check=False)


def no_quorum(_):
    """The leader is none of them: see zk_followers in primary.bash."""
    hang_units([(n, ZOOKEEPER) for n in others(leader())[:len(NODES) // 2 + 1]], 60)


def install_again(name):
    node(name, "dpkg", "--force-unsafe-io", "-i", "/root/again.deb")


def cut_storage(name):
    lab("cut", name, "storage")
    time.sleep(dice.uniform(5, 40))
    lab("mend", name, "storage")


def hang_monitor(name):
    hang_units([(name, "ceph-mon@" + name)], dice.uniform(20, 60))


def hang_monitors(name):
    hang_units([(n, "ceph-mon@" + n) for n in NODES], dice.uniform(20, 60))


def hang_osd(name):
    with open(os.environ["CHAOS_CEPH"] + dice.choice(("/osd.0.pid", "/osd.1.pid"))) as f:
        pid = f.read().strip()
    subprocess.run(["kill", "-STOP", pid], check=True)
    time.sleep(dice.uniform(5, 20))
    subprocess.run(["kill", "-CONT", pid], check=True)


# (name, weight, what it does to the victim, then to the fencer): its VMs have to run elsewhere
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
    ("kill -9 of pvc-keepalive", 2, kill_unit("pvc-keepalive")),
    ("kill -9 of another of our programs", 2, any_program(kill_unit)),
    ("pvc-keepalive stands still for less than 6 s", 2, stands_still("pvc-keepalive", 1, 6)),
    ("another of our programs stands still for less than 4 s", 2, any_program(lambda unit: stands_still(unit, 0.5, 4))),
    ("another of our programs stands still for longer than its session", 2, any_program(lambda unit: stands_still(unit, 12, 25))),
    ("kill -9 of libvirtd", 1, kill_unit("libvirtd")),
    ("libvirtd stands still", 2, stands_still("libvirtd", 5, 30)),
    ("kill -9 of ZooKeeper's leader", 2, lambda name: signal(leader(), ZOOKEEPER, "KILL")),
    ("its ZooKeeper stands still", 1, stands_still(ZOOKEEPER, 5, 20)),
    ("ZooKeeper without a quorum for a minute", 1, no_quorum),
    ("frozen for less than 5 s", 2, freeze_shortly),
    ("cut off for less than 6 s", 2, cut_shortly),
    ("pvc.target restarted", 1, lambda name: node(name, "systemctl", "restart", "pvc.target", check=False)),
    ("the package installed again", 2, install_again),
] + ([
    ("cut off from the storage", 3, cut_storage),
    ("its Ceph monitor hangs", 2, hang_monitor),
    ("all Ceph monitors hang", 2, hang_monitors),
    ("an OSD hangs", 2, hang_osd),
] if STORAGE else [])


def two_at_once(world, victim):
    for name in [victim, dice.choice(others(victim))]:
        lab("kill", name)


def cold_start(world, victim):
    for name in dice.sample(NODES, len(NODES)):
        lab("kill", name)


def reboot(world, victim):
    node(victim, "systemctl", "--no-block", "reboot")


def keepalive_hangs(world, victim):
    stop_for(victim, "pvc-keepalive", dice.uniform(10, 30))


def in_a_move(what):
    def do(world, victim):
        vm = dice.choice(world.on(victim) or list(world.vms))
        source = world.place(vm) or victim
        target = dice.choice(others(source))
        hit = dice.choice((source, target))
        tell("  %s is moved from %s to %s, and it is %s" % (vm, source, target, hit))
        node(next(n for n in NODES if n != hit), "pvcctl", "vm", "move", "--target", target, vm, check=False)
        time.sleep(dice.choice((dice.uniform(0, 0.3), dice.uniform(0, 2.5))))
        what(hit)
    return do


# nodes may be fenced or not; all has to be as it should afterwards
EITHER = [
    ("two nodes lose their power at once", 3, two_at_once),
    ("all nodes lose their power at once", 3, cold_start),
    ("reboots", 2, reboot),
    ("pvc-keepalive stands still for longer than its session", 2, keepalive_hangs),
    ("power cut in the middle of a move", 3, in_a_move(power)),
    ("frozen in the middle of a move", 2, in_a_move(freeze)),
    ("cut off in the middle of a move", 2, in_a_move(cut_cluster)),
]


def draw(table):
    return dice.choices(table, [row[1] for row in table])[0]
