# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests wrote to their volumes, and whether anything was written by one that had been fenced.

A guest with disk=log (guest/init) writes "GENERATION COUNT BOOT AFTER" into a sector of its own generation, which it found out at boot
by reading those of all before it; AFTER is the last count of the one before, as it was then. So every write that the storage took from a
guest after its successor had begun stays to be seen: its count is above what the successor found.
"""
import threading
import time

SECTOR, SECTORS = 512, 2048


def parse(data):
    """[(generation, count, boot, after)], after being None for the first; ValueError for what no guest writes."""
    records = []
    for i in range(0, len(data), SECTOR):
        line = data[i:i + SECTOR].rstrip(b"\0")
        if not line:
            break
        words = line.decode("ascii", "replace").split()
        if len(words) != 4 or not words[0].isdigit() or int(words[0]) != i // SECTOR or not words[1].isdigit():
            raise ValueError("sector %d holds %r" % (i // SECTOR, line[:80]))
        records.append((int(words[0]), int(words[1]), words[2], int(words[3]) if words[3] != "none" else None))
    return records


def late(vm, records):
    """What was written after it was over, and what went back: complaints."""
    found = []
    for before, now in zip(records, records[1:]):
        if now[3] is None or before[1] > now[3]:
            found.append("%s: its guest of boot %s wrote up to %d, though the guest of boot %s, started elsewhere, had begun after %s" % (
                vm, before[2], before[1], now[2], now[3]))
        elif before[1] < now[3]:
            found.append("%s: the guest of boot %s found count %d of boot %s, now it is %d" % (vm, now[2], now[3], before[2], before[1]))
    return found


def changed(vm, old, new):
    """The same volume, a look before and now."""
    found = []
    if len(new) < len(old):
        found.append("%s: %d generations are gone from its volume" % (vm, len(old) - len(new)))
    for before, now in zip(old, new):
        if before[2] != now[2]:
            found.append("%s: the guests of boots %s and %s both wrote as generation %d" % (vm, before[2], now[2], now[0]))
        elif now[1] < before[1]:
            found.append("%s: the count of boot %s was %d on its volume, now it is %d" % (vm, now[2], before[1], now[1]))
    return found


def lost(vm, records, acknowledged):
    """acknowledged: {boot: count that its guest knows to be written}, taken before the records were read."""
    written = {boot: count for _, count, boot, _ in records}
    return ["%s: boot %s wrote %d, its volume has %s" % (vm, boot, count, written.get(boot, "nothing"))
            for boot, count in acknowledged.items() if count > written.get(boot, 0)]


class Volumes(threading.Thread):
    """Reads them all three times a second, as objects: no client of RBD, which others would see as somebody who has them open."""

    def __init__(self, conf, vms):
        super().__init__(daemon=True)
        import rados
        import rbd
        self.Error = rados.Error
        cluster = rados.Rados(conffile=conf, conf={"rados_osd_op_timeout": "10", "rados_mon_op_timeout": "30"})
        cluster.connect(timeout=60)
        self.io = cluster.open_ioctx("vms")
        self.objects = {}
        for vm in vms:
            with rbd.Image(self.io, vm, read_only=True) as image:
                self.objects[vm] = "rbd_data.%s.%016x" % (image.id(), 0)
        self.records = {vm: [] for vm in vms}
        self.wrong = []
        self.lock = threading.Lock()

    def look(self, vm):
        try:
            data = self.io.read(self.objects[vm], SECTOR * SECTORS)
        except self.Error:
            return self.records[vm]  # Ceph is away, or nothing was written yet
        with self.lock:
            try:
                new = parse(data)
            except ValueError as error:
                self.complain("%s: %s" % (vm, error))
                return self.records[vm]
            for text in changed(vm, self.records[vm], new) + late(vm, new):
                self.complain(text)
            self.records[vm] = new
            return new

    def complain(self, text):
        """Only the first of each volume: the rest follows from it."""
        vm = text.split(":")[0]
        if not any(w.startswith(vm + ":") for w in self.wrong):
            self.wrong.append(text)

    def run(self):
        while True:
            for vm in self.objects:
                self.look(vm)
            time.sleep(0.3)
