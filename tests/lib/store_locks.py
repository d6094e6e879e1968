# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of ours against kazoo's own: store_locks.py HOST:PORT DRIVER SCENARIO (see tests/bats/store.bats)"""
import logging
import re
import subprocess
import sys
import threading
import time
import uuid

from kazoo.client import KazooClient
from kazoo.exceptions import LockTimeout, NotEmptyError

logging.disable(logging.CRITICAL)
server, driver = sys.argv[1:3]
PATIENCE = 60
clients = []


def kazoo():
    client = KazooClient(hosts=server, timeout=10)
    client.start(timeout=PATIENCE)
    clients.append(client)
    return client


def until(what, condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "never became true: " + what
        time.sleep(0.01)


class Driver:
    """The program with our locks; remembers what it said."""

    def __init__(self):
        self.process = subprocess.Popen(
            [driver, server, "10000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def say(self, line):
        self.process.stdin.write(line + "\n")

    def said(self, line):
        return line in self.lines

    def expect(self, line):
        until("%s (said: %s)" % (line, self.lines), lambda: self.said(line))

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0


def contenders(client, path):
    return sorted(client.get_children(path), key=lambda name: name[-10:]) if client.exists(path) else []


def is_granted_within(lock, seconds):
    try:
        return lock.acquire(timeout=seconds)
    except LockTimeout:
        return False


def names():
    """Contenders look exactly like kazoo's."""
    k, d = kazoo(), Driver()
    for kind, tag in (("write", "__lock__"), ("exclusive", "__lock__"), ("read", "__rlock__")):
        path = "/names/" + kind
        d.say("lock %s %s %s" % (kind, kind, path))
        d.expect("held " + kind)
        (name,) = contenders(k, path)
        assert re.fullmatch("[0-9a-f]{32}%s[0-9]{10}" % tag, name), name
        data, stat = k.get(path + "/" + name)
        assert uuid.UUID(data.decode()).version == 1 and len(data) == 36, data
        assert stat.ephemeralOwner != 0
        # kazoo's reading of the queue lists its identifier
        assert [c for c in k.WriteLock(path).contenders()] == [data.decode()]
        d.say("unlock " + kind)
        until("contender gone", lambda p=path: not contenders(k, p))
    d.end()


def ours_first():
    """What we hold keeps kazoo out, and no longer than that."""
    k, d = kazoo(), Driver()
    for mine, theirs, excluded in (("write", "WriteLock", True), ("write", "ReadLock", True), ("read", "WriteLock", True),
                                   ("read", "ReadLock", False), ("exclusive", "Lock", True), ("write", "Lock", True)):
        name = mine + "-" + theirs
        d.say("lock %s %s /ours/%s" % (name, mine, name))
        d.expect("held " + name)
        lock = getattr(k, theirs)("/ours/" + name, "kazoo")
        assert is_granted_within(lock, 0.5 if excluded else PATIENCE) == (not excluded), name
        d.say("unlock " + name)
        if excluded:
            assert lock.acquire(timeout=PATIENCE)
        lock.release()
    d.end()


def theirs_first():
    """What kazoo holds keeps us out, and no longer than that."""
    k, d = kazoo(), Driver()
    for mine, theirs, excluded in (("write", "WriteLock", True), ("read", "WriteLock", True), ("write", "ReadLock", True),
                                   ("read", "ReadLock", False), ("exclusive", "Lock", True), ("exclusive", "ReadLock", False)):
        name = mine + "-" + theirs
        path = "/theirs/" + name
        lock = getattr(k, theirs)(path, "kazoo")
        assert lock.acquire(timeout=PATIENCE)
        d.say("lock %s %s %s" % (name, mine, path))
        if excluded:
            until("ours queued", lambda p=path: len(contenders(k, p)) == 2)
            k.sync(path)
            assert not d.said("held " + name), name
            lock.release()
            d.expect("held " + name)
        else:
            d.expect("held " + name)
            lock.release()
        d.say("unlock " + name)
        until("contender gone", lambda p=path: not contenders(k, p))
    d.end()


def deadlock():
    """W1 (held) - R (kazoo, waiting) - W2 (ours, waiting): kazoo 2.8.0's reader waits for the newest writer, also for one
    behind itself. All three get their turn because our writer withdraws."""
    k1, k2, d = kazoo(), kazoo(), Driver()
    path = "/cmd/domains"
    first = k1.WriteLock(path, "W1")
    assert first.acquire(timeout=PATIENCE)
    reader = k2.ReadLock(path, "R")
    got = threading.Event()

    def read():
        if reader.acquire(timeout=PATIENCE):
            got.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    until("reader queued", lambda: len(contenders(k1, path)) == 2)
    d.say("lock W2 write " + path)
    until("our writer queued", lambda: len(contenders(k1, path)) == 3)
    first.release()
    assert got.wait(PATIENCE), "the reader never got its turn"
    assert not d.said("held W2")
    reader.release()
    d.expect("held W2")
    d.say("unlock W2")
    until("nothing left", lambda: not contenders(k1, path))
    d.end()


def turns():
    """Writers of both sides never overlap: each finds the marker gone, and makes and removes it inside the lock."""
    rounds, path = 15, "/turns"
    k, drivers = kazoo(), [Driver(), Driver()]
    k.ensure_path(path)
    problems = []

    def kazoo_side():
        client = kazoo()
        for _ in range(rounds):
            with client.WriteLock(path + "/lock", "k"):
                try:
                    client.create(path + "/marker")
                    client.delete(path + "/marker")
                except Exception as e:
                    problems.append(e)

    def our_side(d, tag):
        for i in range(rounds):
            name = "%s%d" % (tag, i)
            d.say("lock %s write %s/lock" % (name, path))
            d.expect("held " + name)
            try:
                k.create(path + "/marker")
                k.delete(path + "/marker")
            except Exception as e:
                problems.append(e)
            d.say("unlock " + name)

    def guarded(function, *arguments):
        try:
            function(*arguments)
        except BaseException as e:
            problems.append(e)

    threads = [threading.Thread(target=guarded, args=(kazoo_side,)) for _ in range(2)]
    threads += [threading.Thread(target=guarded, args=(our_side, d, "d%d-" % i)) for i, d in enumerate(drivers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not problems, problems
    for d in drivers:
        d.end()


def killed():
    """A holder that is killed lets others in once its session is over."""
    k, d = kazoo(), Driver()
    d.say("lock L write /killed")
    d.expect("held L")
    d.process.kill()
    assert k.WriteLock("/killed", "k").acquire(timeout=PATIENCE)


def vanishes(client, path):
    """Deletes it; False when the waiter was quick and something is in there again."""
    try:
        client.delete(path, recursive=True)
        return True
    except NotEmptyError:
        return False


def late_parent():
    """The lock's directory vanishes while somebody waits: the waiter makes it again."""
    k, d = kazoo(), Driver()
    lock = k.WriteLock("/late/parent", "k")
    assert lock.acquire(timeout=PATIENCE)
    d.say("lock L write /late/parent")
    until("ours queued", lambda: len(contenders(k, "/late/parent")) == 2)
    until("the directory is gone", lambda: vanishes(k, "/late"))
    d.expect("held L")
    d.end()


scenario = {f.__name__: f for f in (names, ours_first, theirs_first, deadlock, turns, killed, late_parent)}[sys.argv[3]]
try:
    scenario()
finally:
    for c in clients:
        c.stop()
