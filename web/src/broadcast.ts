/** Publishes from this browser: a camera, or the screen, by WebRTC (WHIP, RFC 9725). */

import { announce, button, h } from "./dom.ts";

export const SOURCES = { camera: "Camera", screen: "Screen" } as const;
export type Source = keyof typeof SOURCES;

/** What pictures may take, in bits per second. */
const MOST_BITS = 4_000_000;

/** What is on air from here. */
export interface Broadcast {
  readonly peer: RTCPeerConnection;
  /** Ends it, for all who watch. */
  end(): Promise<void>;
}

/** Begins to publish `stream` under a name, with the key of that stream if it has one. */
export async function broadcast(stream: MediaStream, source: Source, name: string, key: string): Promise<Broadcast> {
  const peer = new RTCPeerConnection();
  try {
    const pictures = stream.getTracks().flatMap((track) => {
      if (track.kind === "video") track.contentHint = source === "screen" ? "detail" : "motion";
      const { sender } = peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
      return track.kind === "video" ? [sender] : [];
    });
    await peer.setLocalDescription();
    const authorization = key === "" ? {} : { Authorization: `Bearer ${key}` };
    const url = `/whip/${encodeURIComponent(name)}`;
    const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp", ...authorization }, body: peer.localDescription?.sdp ?? "" });
    if (answer.status !== 201) throw new Error(((await answer.json()) as { detail?: string }).detail ?? answer.statusText);
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    const session = answer.headers.get("Location");
    await Promise.all(pictures.map(keepSize));
    const end = async (): Promise<void> => {
      // Before the connection is closed: who is only gone may come back, and viewers would wait.
      if (session !== null) await fetch(session, { method: "DELETE", headers: authorization, keepalive: true });
      peer.close();
    };
    return { peer, end };
  } catch (error) {
    peer.close();
    throw error;
  }
}

/** Where the way is narrow there are fewer pictures, and none of another size: that would be another header for all who watch. */
async function keepSize(sender: RTCRtpSender): Promise<void> {
  const parameters = sender.getParameters();
  for (const encoding of parameters.encodings) encoding.maxBitrate = MOST_BITS;
  await sender.setParameters({ ...parameters, degradationPreference: "maintain-resolution" });
}

function capture(source: Source): Promise<MediaStream> {
  const video = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  return source === "camera" ? navigator.mediaDevices.getUserMedia({ video, audio: true }) : navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 30 }, audio: true });
}

/** Buttons that publish from here under `name()`, and what to do when they are left. */
export function broadcasting(name: () => string): { root: HTMLElement; leave: () => void } {
  const key = h("input", { type: "password", id: "broadcast-key", autocomplete: "off" });
  const state = h("p", { class: "quiet" }, "Pictures in H.264 and sound in Opus, by WebRTC. Without a key, only this very machine may publish.");
  const preview = h("video", { class: "preview", autoplay: true, muted: true, playsinline: true, hidden: true, "aria-label": "What is sent" });
  preview.muted = true;
  let onAir: (Broadcast & { stream: MediaStream }) | undefined;
  const say = (text: string): void => {
    state.textContent = text;
    announce(text);
  };
  const stop = async (why: string): Promise<void> => {
    const ending = onAir;
    if (ending === undefined) return;
    onAir = undefined;
    for (const track of ending.stream.getTracks()) track.stop();
    preview.srcObject = null;
    preview.hidden = true;
    ends.hidden = true;
    for (const start of starts) start.disabled = false;
    say(why);
    await ending.end().catch(() => ending.peer.close());
  };
  const start = async (source: Source): Promise<void> => {
    for (const start of starts) start.disabled = true;
    let stream: MediaStream | undefined;
    try {
      // Pages that came over plain HTTP from another machine have no camera.
      if (!("mediaDevices" in navigator)) throw new Error("a browser sends its camera or screen from pages that came by https alone");
      stream = await capture(source);
      const begun = await broadcast(stream, source, name(), key.value);
      onAir = { ...begun, stream };
    } catch (error) {
      for (const track of stream?.getTracks() ?? []) track.stop();
      for (const start of starts) start.disabled = false;
      say(`Not on air: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    const { peer } = onAir;
    preview.srcObject = stream;
    preview.hidden = false;
    ends.hidden = false;
    say("Connecting…");
    peer.addEventListener("connectionstatechange", () => {
      if (peer.connectionState === "connected") say(`On air as ${name()}; leaving this page ends it`);
      if (peer.connectionState === "failed") void stop("Not on air: the connection was lost");
    });
    // Who stops sharing the screen does so in the browser.
    for (const track of stream.getVideoTracks()) track.addEventListener("ended", () => void stop("Off air"));
  };
  const starts = (Object.keys(SOURCES) as Source[]).map((source) => button(SOURCES[source], () => void start(source)));
  const ends = button("Stop", () => void stop("Off air"), { hidden: true });
  const root = h(
    "div",
    { class: "broadcast" },
    h("h3", {}, "Or from this browser"),
    h("div", { class: "publish-row" }, h("div", { class: "field" }, h("label", { class: "field-label", for: "broadcast-key" }, "Key, if the stream has one"), key), ...starts, ends),
    state,
    preview,
  );
  return { root, leave: () => void stop("Off air") };
}
