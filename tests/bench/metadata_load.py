# SPDX-License-Identifier: GPL-3.0-or-later
"""metadata_load.py PATH SECONDS: asks again and again, each time over a new connection as guests do; prints how often it was answered
with status 200."""
import socket
import sys
import time

request = ("GET %s HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n" % sys.argv[1]).encode()
end = time.monotonic() + float(sys.argv[2])
count = 0
while time.monotonic() < end:
    s = socket.create_connection(("169.254.169.254", 80), 30)
    s.sendall(request)
    answer = b""
    while True:
        data = s.recv(65536)
        if not data:
            break
        answer += data
    s.close()
    if not answer.startswith(b"HTTP/1.1 200 "):
        sys.exit("not answered: %r" % answer[:80])
    count += 1
print(count)
