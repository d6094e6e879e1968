# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as the others see it: heart.py HOST:PORT NODE BOOT [armed] [cut=MS] [stamp=TEXT] [state=any]
Beats twice a second as pvc-keepalive does: stamp, sign of life, boot id, and `run` over `init` and `dead`, in one transaction; on the
way up it waits as pvc-register does. kill -9 is a power cut, SIGSTOP a freeze. state: it leaves its daemonstate alone."""
import json
import logging
import sys
import time

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

logging.disable(logging.CRITICAL)
server, node, boot = sys.argv[1:4]
options = dict(word.partition("=")[::2] for word in sys.argv[4:])
# (it comes back at once, as pvc-keepalive does; kazoo's own pauses grow with the time that the server was away)
client = KazooClient(hosts=server, timeout=2, connection_retry=dict(max_tries=-1, delay=0.1, backoff=1, max_jitter=0))
client.start(timeout=60)
path = "/nodes/" + node
record, alive, heart = "/pvc/fence/" + node, "/pvc/alive/" + node, "/pvc/heart/" + node
word = json.dumps({"boot": boot, "armed": "armed" in options, **({"cut": int(options["cut"])} if "cut" in options else {})}).encode()


def text(where):
    try:
        return client.get(where)[0].decode()
    except NoNodeError:
        return ""


if "state" not in options:
    while any('"%s"' % step in text(record) for step in ("proven", "sealed")):
        time.sleep(0.1)
    first = client.transaction()
    first.set_data(path + "/daemonstate", b"init")
    if json.loads(text(heart) or "{}").get("boot") != boot:
        unarmed = json.dumps({"boot": boot, "armed": False}).encode()
        first.set_data(heart, unarmed) if client.exists(heart) else first.create(heart, unarmed)
    first.commit()


def beat():
    transaction = client.transaction()
    transaction.set_data(path + "/keepalive", options.get("stamp", str(int(time.time()))).encode())
    state, stat = client.get(path + "/daemonstate")
    if state in (b"init", b"dead") and "state" not in options:
        transaction.set_data(path + "/daemonstate", b"run", stat.version)
    if not client.exists(alive):
        transaction.create(alive, boot.encode(), ephemeral=True)
    if not client.exists(heart):
        transaction.create(heart, word)
    elif text(heart).encode() != word:
        transaction.set_data(heart, word)
    transaction.commit()


while True:
    try:
        beat()
    except (KazooException, KazooTimeoutError):  # the session is lost: there will be another one
        pass
    time.sleep(0.5)
