"""aiortc as a publisher by WHIP: whip.py URL PICTURES. It sends so many pictures, each a step brighter than the last, with silence, and then
says that it is over."""

import asyncio
import fractions
import sys
import urllib.parse
import urllib.request

import av
from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from av.audio.frame import AudioFrame

URL, PICTURES = sys.argv[1], int(sys.argv[2])
RATE = 48_000


class Brighter(VideoStreamTrack):
    """Pictures in one tone of grey."""

    def __init__(self):
        super().__init__()
        self.sent, self.all_sent = 0, asyncio.Event()

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        picture = av.VideoFrame(320, 180, "yuv420p")
        for plane, level in zip(picture.planes, (min(20 + self.sent, 230), 128, 128)):
            plane.update(bytes([level]) * plane.buffer_size)
        picture.pts, picture.time_base = pts, time_base
        self.sent += 1
        if self.sent == PICTURES:
            self.all_sent.set()
        return picture


class Silence(AudioStreamTrack):
    """20 ms at a time, at the rate of Opus."""

    def __init__(self):
        super().__init__()
        self.begun, self.time = None, 0

    async def recv(self):
        now = asyncio.get_running_loop().time()
        self.begun = now if self.begun is None else self.begun
        await asyncio.sleep(max(0, self.begun + self.time / RATE - now))
        sound = AudioFrame(format="s16", layout="stereo", samples=RATE // 50)
        for plane in sound.planes:
            plane.update(bytes(plane.buffer_size))
        sound.pts, sound.sample_rate, sound.time_base = self.time, RATE, fractions.Fraction(1, RATE)
        self.time += RATE // 50
        return sound


def ask(method, url, body=None):
    request = urllib.request.Request(url, body, {"content-type": "application/sdp"}, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.status, answer.headers, answer.read().decode()


async def main():
    peer, pictures = RTCPeerConnection(RTCConfiguration(iceServers=[])), Brighter()
    for track in (pictures, Silence()):
        peer.addTransceiver(track, "sendonly")
    await peer.setLocalDescription(await peer.createOffer())
    status, fields, answer = await asyncio.to_thread(ask, "POST", URL, peer.localDescription.sdp.encode())
    assert status == 201, status
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.wait_for(pictures.all_sent.wait(), 60)
    assert peer.connectionState == "connected", peer.connectionState
    # What is under way is there before it is over.
    await asyncio.sleep(1)
    status, _, _ = await asyncio.to_thread(ask, "DELETE", urllib.parse.urljoin(URL, fields["location"]))
    assert status == 200, status
    await peer.close()


asyncio.run(main())
