/** Sends what this browser sees and hears to a server, over WebRTC (WHIP, RFC 9725). */

import { ApiError, problemOf } from "./api.ts";

/** Bits per second at most: what the other encoders are told to send. */
const PICTURE_RATE = 3_000_000;

export type State = "connecting" | "sending" | "ended";

export interface Whip {
  /** Hangs up; the stream ends at once instead of waiting for somebody who comes back. */
  end(): void;
}

/**
 * Publishes at `url`; `changed` is told each step, and why it ended where nobody asked for that.
 * Throws {@link ApiError} when the server refuses, or when the browser has no H.264 to send.
 */
export async function publish(url: string, key: string, media: MediaStream, changed: (state: State, why?: string) => void): Promise<Whip> {
  const peer = new RTCPeerConnection();
  let session: string | undefined;
  let over = false;
  const end = (why?: string): void => {
    if (over) return;
    over = true;
    removeEventListener("pagehide", leave);
    // It has to arrive although the page may be on its way out, and before the connection ends: one that just ends may be that of somebody who comes back.
    const said = session === undefined ? Promise.resolve(undefined) : fetch(session, { method: "DELETE", headers: authorization(key), keepalive: true });
    void said.catch(() => undefined).finally(() => peer.close());
    changed("ended", why);
  };
  const leave = (): void => end();
  addEventListener("pagehide", leave);
  peer.addEventListener("connectionstatechange", () => {
    if (peer.connectionState === "connected") changed("sending");
    if (peer.connectionState === "failed") end("The connection to the server was lost.");
  });
  changed("connecting");
  try {
    for (const track of media.getTracks()) await offer(peer, track, media);
    await peer.setLocalDescription();
    // Nothing is waited for: the server sees where this browser calls from (ICE-lite, RFC 8445 2.5).
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/sdp", ...authorization(key) }, body: peer.localDescription?.sdp ?? "" });
    if (!response.ok) throw await problemOf(response);
    session = new URL(response.headers.get("location") ?? "", response.url).href;
    await peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
  } catch (error) {
    end();
    throw error;
  }
  return { end: leave };
}

async function offer(peer: RTCPeerConnection, track: MediaStreamTrack, media: MediaStream): Promise<void> {
  const picture = track.kind === "video";
  const transceiver = peer.addTransceiver(track, { direction: "sendonly", streams: [media], sendEncodings: picture ? [{ maxBitrate: PICTURE_RATE }] : [{}] });
  if (!picture) return;
  const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
  const h264 = codecs.filter(({ mimeType, sdpFmtpLine }) => mimeType === "video/rtx" || (mimeType === "video/H264" && sdpFmtpLine?.includes("packetization-mode=1")));
  if (!h264.some(({ mimeType }) => mimeType === "video/H264")) throw new ApiError("This browser cannot send", "It has no encoder for H.264, which players everywhere need.");
  transceiver.setCodecPreferences(h264);
  // A picture that changes its size begins a new period for every viewer; one that stutters a little does not.
  const parameters = transceiver.sender.getParameters();
  parameters.degradationPreference = "maintain-resolution";
  await transceiver.sender.setParameters(parameters).catch(() => undefined);
}

function authorization(key: string): Record<string, string> {
  return key === "" ? {} : { authorization: `Bearer ${key}` };
}
