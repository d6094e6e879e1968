#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who answers for which address, as a neighbour sees it, and was it ever two at a time?

    prober.py run FILE [NETNS@]LINK:ADDRESS...   asks by ARP for each address every 20 ms and appends what changes to FILE, until SIGTERM
    prober.py mark FILE WORD             appends a mark: what a test did just now
    prober.py judge FILE [--since WORD] [--until WORD] [--max-gap MS] [--max-overlap MS] [--thaw-overlap MS]
    prober.py holder FILE                the MAC that answers for all addresses at present, "-": none or not all, "two": more than one

FILE has one JSON object a line; all times are CLOCK_MONOTONIC, in seconds, which all programs of this machine share:

    {"t": 1.0, "start": ["br-upstream:10.77.0.250"], "period": 0.02}
    {"t": 1.0, "a": 0, "m": ["52:54:..."]}    from the request at t on these MACs answered for address number a
    {"t": 2.0, "blind": 0.3}                  the prober itself did not get to ask for so long before t
    {"t": 3.0, "mark": "freeze"}
    {"t": 3.5, "alive": true}                 nothing changed until here

Each request is a broadcast, which every holder of the address answers at once. So answers of two MACs to one request mean two holders,
and no more is needed to say so. An address that goes from A to B and back within 300 ms counts as two holders as well.

judge prints one line an address: how often it changed hands, the longest time without an answer, overlaps. It ends with 1 when there was
an overlap: of more than --max-overlap (default 0), or, where it begins within five seconds after a mark "thaw...", of --thaw-overlap
(default 200) and ten times what the prober itself was held up by a busy machine; or a gap of more than --max-gap (default: any); or when
the prober saw nothing at all.
"""
import argparse
import ctypes
import json
import os
import select
import signal
import socket
import struct
import sys
import time

PERIOD = 0.02
BACK_AND_FORTH = 0.3
AFTER_THAW = 5.0
ETH_P_ARP = 0x0806


def in_netns(name, function, *arguments):
    """A socket belongs to the network namespace that it was made in; "" is the present one."""
    if not name:
        return function(*arguments)
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as home, open(f"/run/netns/{name}") as there:
        if libc.setns(there.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), f"setns {name}")
        try:
            return function(*arguments)
        finally:
            libc.setns(home.fileno(), 0x40000000)


class Prober:
    def __init__(self, path, targets):
        self.out = open(path, "a", buffering=1)
        self.targets = [(t.split(":", 1)[0], socket.inet_aton(t.split(":", 1)[1])) for t in targets]
        self.sockets, self.frames, self.index = {}, [], {}
        for number, (link, address) in enumerate(self.targets):
            if link not in self.sockets:
                s = in_netns(link.rpartition("@")[0], socket.socket, socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(ETH_P_ARP))
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
                s.bind((link.rpartition("@")[2], ETH_P_ARP))
                self.sockets[link] = s
            s = self.sockets[link]
            mac = s.getsockname()[4]
            # a probe in the sense of RFC 5227, with no sender's address: it leaves nothing in anybody's cache
            body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, bytes(4), bytes(6), address)
            self.frames.append((s, b"\xff" * 6 + mac + struct.pack("!H", ETH_P_ARP) + body))
            self.index[(link, address)] = number
        self.known = [None] * len(self.targets)
        self.say(start=targets, period=PERIOD)

    def say(self, t=None, **what):
        self.out.write(json.dumps({"t": round(time.monotonic() if t is None else t, 4), **what}) + "\n")

    def take(self, answers):
        for link, s in self.sockets.items():
            while True:
                try:
                    frame = s.recv(2048)
                except BlockingIOError:
                    break
                except OSError:  # the link is down for a moment
                    break
                if len(frame) < 42 or frame[20:22] != b"\x00\x02":
                    continue
                number = self.index.get((link, frame[28:32]))
                if number is not None:
                    answers[number].add(frame[22:28].hex(":"))

    def run(self):
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
        poll = select.poll()
        for s in self.sockets.values():
            poll.register(s, select.POLLIN)
        due = last_word = time.monotonic()
        asked = None  # before the first requests
        answers = [set() for _ in self.targets]
        while not stop:
            # what lies in the sockets now was the answer to the requests of `asked`: the nodes answer within them
            self.take(answers)
            for number, macs in enumerate(answers if asked else []):
                if macs != self.known[number]:
                    self.known[number] = macs
                    self.say(asked, a=number, m=sorted(macs))
            now = time.monotonic()
            if asked and now - asked > 3 * PERIOD:
                self.say(now, blind=round(now - asked, 4))
            if now - last_word > 0.25:
                self.say(now, alive=True)
                last_word = now
            asked, answers = now, [set() for _ in self.targets]
            for s, frame in self.frames:
                try:
                    s.send(frame)
                except OSError:
                    pass
            due = max(due + PERIOD, now)
            while not stop and (left := due - time.monotonic()) > 0:
                if poll.poll(left * 1000):
                    self.take(answers)
                    # the rest of the time without looking: each answer has come, or comes in one go with others
                    left = due - time.monotonic()
                    if left > 0:
                        time.sleep(left)


def read(path):
    events = []
    with open(path) as file:
        for line in file:
            if line.endswith("\n"):
                events.append(json.loads(line))
    events.sort(key=lambda e: e["t"])  # marks come from other processes
    return events


def spans_of(events, end):
    """{address: [begin, end, macs]...}, and the addresses that were asked for last; a prober may come after another."""
    names, spans = [], {}
    for event in events:
        if "start" in event:
            names = event["start"]
            for mine in spans.values():
                mine[-1][1] = min(mine[-1][1], event["t"])
        elif "a" in event:
            mine = spans.setdefault(names[event["a"]], [])
            if mine:
                mine[-1][1] = min(mine[-1][1], event["t"])
            mine.append([event["t"], end, tuple(event["m"])])
    return spans, names


def overlaps_of(spans):
    """(begin, length) of each time with two holders."""
    found = []
    for begin, end, macs in spans:
        if len(macs) > 1:
            found.append((begin, end - begin))
    single = [s for s in spans if len(s[2]) == 1]
    for a, b, c in zip(single, single[1:], single[2:]):
        if a[2] == c[2] != b[2] and c[0] - a[1] < BACK_AND_FORTH:
            found.append((b[0], c[0] - b[0]))
    return sorted(found)


def gaps_of(spans, since, until):
    """(begin, length) of each time without an answer, cut to what is looked at."""
    found = []
    for begin, end, macs in spans:
        begin, end = max(begin, since), min(end, until)
        if not macs and end > begin:
            found.append((begin, end - begin))
    return found


def hands_of(spans):
    owners = [s[2][0] for s in spans if len(s[2]) == 1]
    return sum(a != b for a, b in zip(owners, owners[1:]))


def judge(options):
    events = read(options.file)
    marks = [e for e in events if "mark" in e]

    def moment(word, fallback):
        if word is None:
            return fallback
        times = [e["t"] for e in marks if e["mark"] == word]
        if not times:
            sys.exit(f"no mark {word}")
        return times[-1]

    if not events:
        sys.exit("nothing was recorded")
    last = max((e["t"] for e in events if "mark" not in e), default=events[-1]["t"])
    since, until = moment(options.since, events[0]["t"]), moment(options.until, last)
    thaws = [e["t"] for e in marks if e["mark"].startswith("thaw")]
    spans, _ = spans_of(events, last)
    problems, result = [], {"since": since, "until": until, "addresses": {}, "blind_ms": 0}
    if not spans or until <= since:
        problems.append("the prober saw nothing")
    for event in events:
        if "blind" in event and since <= event["t"] <= until:
            result["blind_ms"] = max(result["blind_ms"], round(event["blind"] * 1000))
    for name, mine in spans.items():
        mine = [s for s in mine if s[1] > since and s[0] < until]
        gaps, overlaps = gaps_of(mine, since, until), [o for o in overlaps_of(mine) if o[0] + o[1] > since]
        if not mine:  # nobody asked for it in that time
            continue
        row = {
            "hands": hands_of(mine),
            "answered": any(s[2] for s in mine),
            "gaps_ms": [round(g[1] * 1000) for g in gaps],
            "overlaps_ms": [round(o[1] * 1000) for o in overlaps],
        }
        result["addresses"][name] = row
        if not row["answered"]:
            problems.append(f"{name}: nobody ever answered")
        for begin, length in gaps:
            if options.max_gap is not None and length * 1000 > options.max_gap:
                problems.append(f"{name}: nobody answered for {length * 1000:.0f} ms, {place(begin, marks)}")
        for begin, length in overlaps:
            thawed = any(0 <= begin + length - t and begin - t <= AFTER_THAW for t in thaws)
            limit = options.thaw_overlap + 10 * result["blind_ms"] if thawed else options.max_overlap
            if length * 1000 > limit or (not thawed and limit == 0):
                problems.append(f"{name}: TWO HOLDERS for {length * 1000:.0f} ms, {place(begin, marks)}")
    if options.json:
        print(json.dumps({**result, "problems": problems}))
    else:
        for name, row in result["addresses"].items():
            gaps, overlaps = row["gaps_ms"], row["overlaps_ms"]
            print(f"{name}: changed hands {row['hands']} times, {len(gaps)} gaps, longest {max(gaps, default=0)} ms; "
                  f"two holders {len(overlaps)} times, longest {max(overlaps, default=0)} ms")
        print(f"seen: {until - since:.1f} s; the prober itself was held up for {result['blind_ms']} ms at the most")
        for problem in problems:
            print(problem)
    sys.exit(1 if problems else 0)


def place(when, marks):
    before = [e for e in marks if e["t"] <= when]
    return f"{when - before[-1]['t']:.3f} s after '{before[-1]['mark']}'" if before else f"at {when:.3f}"


def holder(path):
    events = read(path)
    spans, names = spans_of(events, float("inf"))
    present = {spans[name][-1][2] if name in spans else () for name in names}
    if any(len(macs) > 1 for macs in present):
        print("two")
    else:
        print("-" if not present or () in present else " ".join(sorted(macs[0] for macs in present)))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run")
    run_parser.add_argument("file")
    run_parser.add_argument("targets", nargs="+")
    mark_parser = commands.add_parser("mark")
    mark_parser.add_argument("file")
    mark_parser.add_argument("word")
    judge_parser = commands.add_parser("judge")
    judge_parser.add_argument("file")
    judge_parser.add_argument("--since")
    judge_parser.add_argument("--until")
    judge_parser.add_argument("--max-gap", type=float)
    judge_parser.add_argument("--max-overlap", type=float, default=0)
    judge_parser.add_argument("--thaw-overlap", type=float, default=200)
    judge_parser.add_argument("--json", action="store_true")
    commands.add_parser("holder").add_argument("file")
    options = parser.parse_args()
    if options.command == "run":
        try:
            os.nice(-10)  # what it does not see in time it cannot judge
        except PermissionError:
            pass
        Prober(options.file, options.targets).run()
    elif options.command == "mark":
        with open(options.file, "a") as out:
            out.write(json.dumps({"t": round(time.monotonic(), 4), "mark": options.word}) + "\n")
    elif options.command == "judge":
        judge(options)
    else:
        holder(options.file)


main()
