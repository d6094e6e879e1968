# SPDX-License-Identifier: GPL-3.0-or-later
"""dawdle.py ADDRESS COUNT: that many connections from ADDRESS that send a byte of a head each second, for as long as the server
lets them, but at most two minutes. Prints "ended" for each when it was ended."""
import select
import socket
import sys
import time

address, count = sys.argv[1], int(sys.argv[2])
sockets = []
for _ in range(count):
    s = socket.socket()
    s.bind((address, 0))
    s.connect(("169.254.169.254", 80))
    sockets.append(s)
print("connected", flush=True)
poll = select.poll()
for s in sockets:
    poll.register(s, select.POLLIN)
by_fd = {s.fileno(): s for s in sockets}
for s in sockets:
    s.send(b"GET / HTTP/1.1\r\nX: ")
limit = time.monotonic() + 120
while by_fd and time.monotonic() < limit:
    for fd, _ in poll.poll(1000):
        s = by_fd[fd]
        try:
            data = s.recv(4096)
        except OSError:
            data = b""
        if not data:
            poll.unregister(fd)
            del by_fd[fd]
            s.close()
            print("ended", flush=True)
    for s in list(by_fd.values()):
        try:
            s.send(b"a")
        except OSError:
            pass
