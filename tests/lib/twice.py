#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which QEMU processes there are, from outside of all nodes: twice.py CGROUP watches the processes of the lab below that cgroup, and writes a
line for each change: SECONDS NAME NODE,... ; "TWICE" is added while one VM has processes on two nodes."""
import os
import re
import sys
import time

NAME = re.compile(rb"^guest=([^,]*)")
top = sys.argv[1].rstrip("/")


def processes():
    found = {}
    for node in os.listdir(top):
        for where, _, files in os.walk(os.path.join(top, node)):
            if "cgroup.procs" not in files:
                continue
            try:
                pids = open(os.path.join(where, "cgroup.procs")).read().split()
            except OSError:
                continue
            for pid in pids:
                try:
                    words = open("/proc/%s/cmdline" % pid, "rb").read().split(b"\0")
                    state = open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[0]
                except OSError:
                    continue
                if state in "ZX" or not words[0].endswith(b"qemu-system-x86_64"):
                    continue
                name = [NAME.match(word) for word in words if NAME.match(word)]
                if name:
                    found.setdefault(name[0].group(1).decode(), set()).add(node)
    return found


last = None
while True:
    now = {name: ",".join(sorted(nodes)) for name, nodes in processes().items()}
    if now != last:
        for name in sorted(set(now) | set(last or {})):
            if (last or {}).get(name, "") != now.get(name, ""):
                nodes = now.get(name, "-")
                print("%.2f %s %s%s" % (time.time(), name, nodes, " TWICE" if "," in nodes else ""), flush=True)
        last = now
    time.sleep(0.05)
