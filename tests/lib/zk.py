# SPDX-License-Identifier: GPL-3.0-or-later
"""An independent look into ZooKeeper for tests: zk.py HOST:PORT get|set|create|rm|ls|tree|stat|exists PATH [VALUE]"""
import logging
import os
import sys
import time

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError, NotEmptyError
from kazoo.handlers.threading import KazooTimeoutError

logging.disable(logging.CRITICAL)
server, verb, path = sys.argv[1:4]
value = os.fsencode(sys.argv[4]) if len(sys.argv) > 4 else b""
client = KazooClient(hosts=server, timeout=10)
try:
    client.start(timeout=30)
except KazooTimeoutError:
    sys.exit("zk.py: no session with ZooKeeper at %s within 30 s" % server)


def show(where):
    data, _ = client.get(where)
    print("%s = %s" % (where, data.decode("utf-8", "backslashreplace")))
    for child in sorted(client.get_children(where)):
        show(where.rstrip("/") + "/" + child)


try:
    if verb == "get":
        sys.stdout.write(client.get(path)[0].decode("utf-8", "backslashreplace"))
    elif verb == "set":
        client.set(path, value)
    elif verb == "create":
        client.create(path, value, makepath=True)
    elif verb == "rm":
        try:
            client.delete(path)
        except NotEmptyError:
            until = time.monotonic() + 60
            while True:
                try:
                    client.delete(path, recursive=True)
                    break
                except NotEmptyError:  # somebody wrote there between two of its deletions
                    if time.monotonic() > until:
                        raise
    elif verb == "ls":
        print("\n".join(sorted(client.get_children(path))))
    elif verb == "tree":
        show(path)
    elif verb == "stat":
        s = client.exists(path)
        print("version=%d mzxid=%d children=%d owner=%d" % (s.version, s.mzxid, s.numChildren, s.ephemeralOwner))
    elif verb == "exists":
        sys.exit(0 if client.exists(path) else 1)
    else:
        sys.exit("unknown verb " + verb)
except NoNodeError:
    sys.exit("no such key: " + path)
finally:
    client.stop()
