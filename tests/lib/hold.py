# SPDX-License-Identifier: GPL-3.0-or-later
"""hold.py PORT TARGET_PORT FILE: passes ZooKeeper connections on, on loopback, but holds the first transaction (and what
comes after it, but no pings) until FILE exists: somebody else's change then comes in between for certain."""
import asyncio
import os
import struct
import sys

MULTI, PING = 14, 11
held_once = False


async def release(frames, writer):
    while not os.path.exists(sys.argv[3]):
        await asyncio.sleep(0.02)
    for frame in frames:
        writer.write(frame)
    frames.clear()
    await writer.drain()


async def requests(reader, writer):
    global held_once
    frames, first = [], True
    try:
        while True:
            size = await reader.readexactly(4)
            frame = await reader.readexactly(struct.unpack(">i", size)[0])
            kind = None if first else struct.unpack(">ii", frame[:8])[1]
            first = False
            if frames and kind != PING:
                frames.append(size + frame)
            elif kind == MULTI and not held_once:
                held_once = True
                frames.append(size + frame)
                asyncio.ensure_future(release(frames, writer))
                print("held", flush=True)
            else:
                writer.write(size + frame)
                await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    writer.close()


async def answers(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def serve(reader, writer):
    there = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    await asyncio.gather(requests(reader, there[1]), answers(there[0], writer))


async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        print("port %d" % server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
