# SPDX-License-Identifier: GPL-3.0-or-later
"""machine.py SOCKET SECONDS COMMAND...: runs a command in a QEMU machine of the lab, over its serial port; what is on standard input goes
along when that is a file or a pipe. The status is the command's, or 124 when no answer came in time."""
import base64
import fcntl
import os
import select
import shlex
import socket
import stat
import sys
import time


def request(call, command, data):
    return b"\n%s %s -%s\n" % (call.encode(), base64.b64encode(shlex.join(command).encode()), base64.b64encode(data))


def main():
    path, limit, command = sys.argv[1], time.monotonic() + float(sys.argv[2]), sys.argv[3:]
    kind = os.fstat(0).st_mode
    data = sys.stdin.buffer.read() if stat.S_ISREG(kind) or stat.S_ISFIFO(kind) else b""
    lock = open(path + ".lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time
    port = socket.socket(socket.AF_UNIX)
    port.connect(path)
    answer = b""
    # what is sent before the machine listens is lost: an empty command first, again every two seconds, until it is answered
    greeted, sent = False, 0.0
    call = "r%d.%d" % (os.getpid(), time.monotonic_ns())
    while time.monotonic() < limit:
        if not greeted and time.monotonic() - sent > 2:
            port.sendall(request(call, [":"], b""))
            sent = time.monotonic()
        if not select.select([port], [], [], 1)[0]:
            continue
        part = port.recv(65536)
        if not part:
            sys.exit("the machine is off")
        answer += part
        while b"\n" in answer:
            one, answer = answer.split(b"\n", 1)
            words = one.decode("ascii", "replace").split()
            if len(words) != 4 or words[0] != call:
                continue
            if not greeted:
                greeted, call = True, call + ".c"
                port.sendall(request(call, command, data))
                continue
            sys.stdout.buffer.write(base64.b64decode(words[2][1:]))
            sys.stderr.buffer.write(base64.b64decode(words[3][1:]))
            sys.stdout.flush()
            sys.exit(int(words[1]))
    print("the machine did not answer", file=sys.stderr)
    sys.exit(124)


main()
