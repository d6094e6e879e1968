# SPDX-License-Identifier: GPL-3.0-or-later
"""relay.py PORT TARGET_PORT [FILE [frames]]: passes TCP connections on, on loopback. Stop the process and the line is cut. What comes
from the target comes as many seconds late as FILE says, if it exists, and at once when it goes; with "frames" so long after one another comes each of
ZooKeeper's answers and events, however close together they were sent."""
import asyncio
import os
import sys


def delay():
    if len(sys.argv) < 4 or not os.path.exists(sys.argv[3]):
        return 0
    with open(sys.argv[3]) as f:
        return float(f.read() or 0)


async def frames(reader):
    """ZooKeeper's: four bytes of length, then as many."""
    try:
        while True:
            length = await reader.readexactly(4)
            yield length + await reader.readexactly(int.from_bytes(length, "big"))
    except asyncio.IncompleteReadError:
        pass


async def drip(reader, writer):
    async for frame in frames(reader):
        await asyncio.sleep(delay())
        writer.write(frame)
    writer.close()


async def release(held, writer):
    """What is held is due in its order, and at once when nothing is to be late any more."""
    loop = asyncio.get_running_loop()
    while True:
        due, data = await held.get()
        while delay() and loop.time() < due:
            await asyncio.sleep(min(0.02, max(0, due - loop.time())))
        writer.write(data)


async def pump(reader, writer, late=False):
    held = asyncio.Queue()
    releasing = asyncio.ensure_future(release(held, writer)) if late else None
    try:
        while data := await reader.read(65536):
            if late:
                held.put_nowait((asyncio.get_running_loop().time() + delay(), data))
                continue
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    if releasing:
        releasing.cancel()
    writer.close()


async def serve(reader, writer):
    try:
        there = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    except ConnectionError:
        writer.close()
        return
    back = drip(there[0], writer) if len(sys.argv) > 4 else pump(there[0], writer, True)
    await asyncio.gather(pump(reader, there[1]), back)


async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        print("ready", flush=True)
        await server.serve_forever()


asyncio.run(main())
