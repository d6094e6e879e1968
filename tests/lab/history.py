# SPDX-License-Identifier: GPL-3.0-or-later
"""Every value that was ever written into a key, one a line, out of the logs of a ZooKeeper: history.py DATA-DIRECTORY PATH"""
import glob
import struct
import sys

key = sys.argv[2].encode()
wanted = struct.pack(">i", len(key)) + key  # as a record has it, be it one of its own or in a transaction; the value follows in the same form
for log in sorted(glob.glob(sys.argv[1] + "/version-2/log.*"), key=lambda name: int(name.rsplit(".", 1)[1], 16)):
    with open(log, "rb") as file:
        data = file.read()
    at = data.find(wanted)
    while at >= 0:
        at += len(wanted)
        length = struct.unpack(">i", data[at : at + 4])[0]
        value = data[at + 4 : at + 4 + length] if 0 <= length <= 4096 else b"\0"
        if all(32 <= byte < 127 for byte in value):  # else it was no write, but a check of its version
            print(value.decode())
        at = data.find(wanted, at)
