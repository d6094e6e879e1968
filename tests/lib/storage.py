# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives storage commands as the reference's v0.6 client does: the same writes, pauses and locks (kazoo).

storage.py HOST:PORT [-n] KEY COMMAND...    one after the other; a line each: the answer's first word, or "ignored", and
                                            the seconds that it took. -n: only writes the command and prints its zxid.

The client gives a node half a second to take the lock. Here a node of a loaded machine gets more, if it needs that.
"""
import logging
import sys
import time
import uuid

from kazoo.client import KazooClient

PATIENCE = 15  # seconds; a command that no node takes is waited for as long

logging.disable(logging.CRITICAL)
arguments = sys.argv[1:]
server = arguments.pop(0)
only_write = arguments[0] == "-n" and bool(arguments.pop(0))
key = arguments.pop(0)
client = KazooClient(hosts=server, timeout=10)
client.start(timeout=30)
try:
    for command in arguments:
        begun = time.monotonic()
        written = client.set(key, command.encode())
        if only_write:
            print("%016x" % written.mzxid)
            continue
        time.sleep(0.5)
        while time.monotonic() - begun < PATIENCE and not client.get_children(key) and client.get(key)[0] == command.encode():
            time.sleep(0.05)
        with client.ReadLock(key, str(uuid.uuid1())):
            words = client.get(key)[0].decode().split()
            print(words[0] if words else "ignored", "%.1f" % (time.monotonic() - begun), flush=True)
        with client.WriteLock(key, str(uuid.uuid1())):
            time.sleep(0.5)
            client.set(key, b"")
finally:
    client.stop()
