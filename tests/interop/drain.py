"""aioquic against a server that ends: drain.py PORT FILE, where the server has FILE at /media/big.mp4.

Several requests share a connection. In the middle of them it says `ready` and takes nothing more until a line comes, by which the server
has been told to end: then everything must come that was asked for, and the end of the connection.
"""

import asyncio
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, ProtocolNegotiated, StreamReset

PORT, FILE = int(sys.argv[1]), sys.argv[2]
WHOLE = open(FILE, "rb").read()
RANGES = [(0, 300_000), (300_000, 300_001), (500_000, 1_500_000), (len(WHOLE) - 200_000, len(WHOLE))]


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.h3 = None
        self.bodies, self.statuses, self.ended, self.resets = {}, {}, set(), []
        self.deaf, self.code = False, None
        self.begun, self.complete, self.over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def datagram_received(self, data, addr):
        if not self.deaf:
            super().datagram_received(data, addr)

    def get(self, start, end):
        stream = self._quic.get_next_available_stream_id()
        self.bodies[stream] = b""
        fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", b"/media/big.mp4")]
        self.h3.send_headers(stream, fields + [(b"range", f"bytes={start}-{end - 1}".encode())], end_stream=True)
        self.transmit()
        return stream

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.h3 = H3Connection(self._quic)
        if isinstance(event, StreamReset):
            self.resets.append(event)
        if isinstance(event, ConnectionTerminated):
            self.code = event.error_code
            self.over.set()
        for http in self.h3.handle_event(event) if self.h3 else []:
            if isinstance(http, HeadersReceived):
                self.statuses[http.stream_id] = dict(http.headers)[b":status"]
            if isinstance(http, DataReceived):
                self.bodies[http.stream_id] += http.data
                self.begun.set()
            if getattr(http, "stream_ended", False):
                self.ended.add(http.stream_id)
                if len(self.ended) == len(self.bodies):
                    self.complete.set()


async def main():
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name="localhost", verify_mode=ssl.CERT_NONE)
    async with connect("127.0.0.1", PORT, configuration=configuration, create_protocol=Client) as client:
        asked = {client.get(*pair): pair for pair in RANGES}
        await client.begun.wait()
        client.deaf = True
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        await asyncio.sleep(1.5)  # longer than it waits with its GOAWAY frames
        client.deaf = False
        await asyncio.wait_for(client.complete.wait(), 60)
        for stream, (start, end) in asked.items():
            assert client.statuses[stream] == b"206", client.statuses
            assert client.bodies[stream] == WHOLE[start:end], f"bytes {start} to {end} are others"
        await asyncio.wait_for(client.over.wait(), 60)
        assert not client.resets, client.resets
        assert client.code == 0x100, client.code  # H3_NO_ERROR, and no time-out
    print("ok")


asyncio.run(main())
