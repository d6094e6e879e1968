# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays a recorded call of the reference's v0.6 client library: the same ZooKeeper operations in the same order.

replay.py HOST:PORT TRANSCRIPT WORD=VALUE...     words: NODE, UUID, NAME, XML (XML=@FILE reads a file), VNI, NET, MAC, RULE,
POOL, VOLUME

A key that the call read must exist and hold what the library makes of it (an integer, a float, XML with the elements it
looks for, ...): where the library would raise an exception, this fails and says for which key. A write must go through:
the library does not look, so a write that is rolled back would be lost silently.
"""
import distutils.util
import json
import re
import sys
import time
import uuid
import warnings

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from lxml import etree

NODE_STATES = {"daemonstate": "run init stop shutdown dead", "domainstate": "ready flush flushed unflush",
               "routerstate": "primary secondary client"}
VM_STATES = "start restart shutdown stop disable fail migrate unmigrate"


def one_of(words):
    def check(text):
        if text not in words.split():
            raise ValueError("is none of: " + words)
    return check


def static_data(text):
    words = text.split()
    int(words[0])
    words[3]


def not_none(text):
    if text == "none":
        raise ValueError("is 'none'")


def not_empty(text):
    if not text:
        raise ValueError("is empty")


def domain(text):
    root = etree.fromstring(text)  # a str: refuses an encoding declaration, as in the library

    def need(element, path, *attributes):
        found = element.find(path)
        if found is None:
            raise ValueError("has no <%s>" % path)
        for name in attributes:
            found.attrib[name]
        return found

    need(root, "uuid"), need(root, "name")
    int(need(root, "memory", "unit").text), int(need(root, "vcpu").text)
    need(root, "os/type", "arch", "machine"), need(root, "features"), need(root, "devices/emulator")
    need(root, "devices/console", "type")
    for interface in root.iterfind("devices/interface"):
        need(interface, "mac", "address"), need(interface, "source", interface.attrib["type"])
        need(interface, "model", "type")
    for disk in root.iterfind("devices/disk"):
        disk.attrib["type"]
        need(disk, "source"), need(disk, "target")


def stats(*keys):
    def check(text):
        found = json.loads(text)
        for key in keys:
            if isinstance(found[key], str):
                int(found[key])
    return check


# What the library does with a key; the first row that fits. Keys that fit none are text.
PARSERS = [
    (r"/nodes/[^/]+/(vcpualloc|mem\w+|domainscount)", int),
    (r"/nodes/[^/]+/cpuload", float),
    (r"/nodes/[^/]+/staticdata", static_data),
    (r"/nodes/[^/]+/daemonstate", one_of(NODE_STATES["daemonstate"])),
    (r"/nodes/[^/]+/domainstate", one_of(NODE_STATES["domainstate"])),
    (r"/nodes/[^/]+/routerstate", one_of(NODE_STATES["routerstate"])),
    (r"/domains/[^/]+/state", one_of(VM_STATES)),
    (r"/domains/[^/]+/node_autostart", distutils.util.strtobool),
    (r"/domains/[^/]+/xml", domain),
    (r"/domains/[^/]+(/node)?", not_empty),
    (r"/primary_node", not_none),
    (r"/networks/[^/]+/firewall_rules/(in|out)/[^/]+/order", int),
    (r"/networks/[^/]+", not_empty),
    (r"/ceph/volumes/[^/]+/[^/]+/stats", stats("size", "objects", "order", "format")),
    (r"/ceph/pools/[^/]+/stats", stats("id", "free_bytes", "used_bytes", "used_percent", "num_objects", "num_object_clones",
                                       "num_object_copies", "num_objects_degraded", "read_ops", "read_bytes", "write_ops",
                                       "write_bytes")),
    (r"/ceph(/radosdf)?", not_empty),
]
OPTIONAL = re.compile(r"/domains/[^/]+/(node_limit|node_selector|profile)")  # the library does without


class Replay:
    def __init__(self, client, words):
        self.client, self.words, self.versions, self.problems, self.locks = client, words, {}, [], []

    def problem(self, path, why):
        self.problems.append("%s %s" % (path, why))

    def bind(self, text, words):
        return re.sub(r"\{(NODE|TARGET|UUID|NAME|XML|VNI|NET|MAC|RULE|POOL|VOLUME)\}", lambda m: words[m.group(1)], text)

    def bindings(self, operation, words=None):
        """A call that was not about one VM, node or network is about each that there is; likewise for rules and MACs."""
        words = words or self.words
        path = operation.get("path", "")
        for word in re.findall(r"\{(\w+)\}", path):
            if word not in words:
                parent = self.bind(path[:path.index("/{%s}" % word)], words)
                if word == "VNI":
                    [int(child) for child in self.client.get_children(parent)]
                return [found for child in self.client.get_children(parent)
                        for found in self.bindings(operation, dict(words, **{word: child}))]
        return [words]

    def get(self, path, operation):
        try:
            data, stat = self.client.get(path)
        except NoNodeError:
            if operation["found"] and not OPTIONAL.fullmatch(path):
                self.problem(path, "does not exist")
            return
        self.versions[path] = stat.version
        try:
            text = data.decode("utf-8")
            if self.locks and self.locks[-1][0] == "read" and not text.startswith("success-"):
                self.problem(path, "is the answer %r" % text)
            for pattern, parse in PARSERS:
                if re.fullmatch(pattern, path):
                    parse(text)
                    break
        except Exception as e:  # whatever the library would have raised
            self.problem(path, "= %r: %s: %s" % (data[:80], type(e).__name__, e))

    def multi(self, parts):
        transaction = self.client.transaction()
        for part in parts:
            path = self.bind(part["path"], self.words)
            if part["op"] == "check":
                transaction.check(path, self.versions[path] + 1)
            else:
                call = transaction.create if part["op"] == "create" else transaction.set_data
                call(path, self.bind(part["data"], self.words).encode())
        for result, part in zip(transaction.commit(), parts):
            if isinstance(result, Exception):
                self.problem(part["path"], "was not written: %r" % result)

    def run(self, operation):
        if operation["op"] == "pause":
            time.sleep(operation["seconds"])  # the library's own
            return
        if operation["op"] == "lock":
            # the library gives a node half a second to take the lock; here a node of a loaded machine gets more
            patience = time.monotonic() + 15
            while operation["kind"] == "read" and time.monotonic() < patience and not self.client.get_children(operation["path"]):
                time.sleep(0.05)
            make = self.client.ReadLock if operation["kind"] == "read" else self.client.WriteLock
            self.locks.append((operation["kind"], make(operation["path"], str(uuid.uuid1()))))
            self.locks[-1][1].acquire()
            return
        if operation["op"] == "unlock":
            self.locks.pop()[1].release()
            return
        if operation["op"] == "multi":
            self.multi(operation["parts"])
            return
        for words in self.bindings(operation):
            path = self.bind(operation["path"], words)
            if operation["op"] == "get":
                self.get(path, operation)
            elif operation["op"] == "exists":
                if bool(self.client.exists(path)) != operation["found"]:
                    self.problem(path, "exists" if not operation["found"] else "does not exist")
            elif operation["op"] == "children":
                try:
                    self.client.get_children(path)
                except NoNodeError:
                    self.problem(path, "does not exist")
            elif operation["op"] == "delete":
                self.client.delete(path, recursive=operation["recursive"])
            else:
                self.problem(path, "unknown operation %r" % operation["op"])


def main():
    server, name, pairs = sys.argv[1], sys.argv[2], sys.argv[3:]
    words = dict(pair.split("=", 1) for pair in pairs)
    if words.get("XML", "").startswith("@"):
        with open(words["XML"][1:]) as file:
            words["XML"] = file.read()
    with open(name) as file:
        transcript = json.load(file)
    client = KazooClient(hosts=server, timeout=10)
    client.start(timeout=30)
    replay = Replay(client, words)
    try:
        for operation in transcript["operations"]:
            replay.run(operation)
    finally:
        client.stop()
    if replay.problems:
        sys.exit("%s: %s" % (transcript["call"], "; ".join(replay.problems)))
    print("%s: %d operations" % (transcript["call"], len(transcript["operations"])))


warnings.simplefilter("ignore")
main()
