# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints every value that a key takes, one a line, until it is killed: watch.py HOST:PORT PATH"""
import logging
import sys
import threading

from kazoo.client import KazooClient

logging.disable(logging.CRITICAL)
client = KazooClient(hosts=sys.argv[1], timeout=20)
client.start(timeout=60)


@client.DataWatch(sys.argv[2])
def show(data, stat):
    print("-" if data is None else data.decode("utf-8", "backslashreplace"), flush=True)


threading.Event().wait()
