# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request: ask.py METHOD PATH [HEADER:VALUE]... Prints status and answer's headers to standard error, the body to
standard output; exit 7 when there is no connection."""
import http.client
import sys

connection = http.client.HTTPConnection("169.254.169.254", 80, timeout=30)
try:
    connection.connect()
except OSError as e:
    print("no connection: %s" % e, file=sys.stderr)
    sys.exit(7)
connection.request(sys.argv[1], sys.argv[2], headers=dict(h.split(":", 1) for h in sys.argv[3:]))
answer = connection.getresponse()
print(answer.status, file=sys.stderr)
for name, value in answer.getheaders():
    print("%s: %s" % (name, value), file=sys.stderr)
sys.stdout.buffer.write(answer.read())
