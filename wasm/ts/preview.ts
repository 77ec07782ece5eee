/** Plays the file from its own segments, before anything is sent: what a viewer will get. */

import { UnsupportedError } from "./error.js";
import type { Plan, SegmentFacts, Track } from "./plan.js";

/** Seconds ahead of the place of play that are put into the player, and behind it that are kept. */
const AHEAD = 30;
const BEHIND = 30;

/** A file that plays. */
export interface Preview {
  /** For `video.src`. */
  readonly url: string;
  /** Ends it. */
  close(): void;
}

/** Plays `plan` in `video`: the first video and the first sound that this browser plays, from their CMAF segments by a `MediaSource`. Seeking
 * makes the segments of that place.
 *
 * @throws {UnsupportedError} This browser plays no track of it, or has no `MediaSource`. */
export function preview(plan: Plan, video: HTMLVideoElement): Preview {
  const tracks = ["video", "audio"].flatMap((kind) => plan.tracks.find((track) => track.kind === kind && track.playable) ?? []);
  if (tracks.length === 0) throw new UnsupportedError({ kind: "unsupported", message: "this browser plays no track of the file" });
  const source = new MediaSource();
  const url = URL.createObjectURL(source);
  const feeds: Feed[] = [];
  const more = () => feeds.forEach((feed) => feed.more());
  const events = ["seeking", "timeupdate", "waiting"];
  const start = () => {
    source.duration = plan.duration;
    for (const track of tracks) feeds.push(new Feed(plan, track, source, video));
    more();
  };
  source.addEventListener("sourceopen", start, { once: true });
  for (const event of events) video.addEventListener(event, more);
  video.src = url;
  return {
    url,
    close() {
      for (const event of events) video.removeEventListener(event, more);
      for (const feed of feeds) feed.closed = true;
      if (video.src === url) video.removeAttribute("src");
      video.load();
      URL.revokeObjectURL(url);
    },
  };
}

/** The segments of a track on their way into the player. */
class Feed {
  closed = false;
  private readonly buffer: SourceBuffer;
  private readonly segments: SegmentFacts[];
  private readonly header: Promise<Uint8Array>;
  private begun = false;
  private busy = false;

  constructor(
    private readonly plan: Plan,
    track: Track,
    private readonly source: MediaSource,
    private readonly video: HTMLVideoElement,
  ) {
    this.buffer = source.addSourceBuffer(track.type);
    this.segments = plan.order([track.id]);
    this.header = plan.header(track.id);
  }

  /** Puts in what is needed next, until nothing is. */
  more(): void {
    if (this.busy || this.closed) return;
    this.busy = true;
    this.fill()
      .catch(() => this.end("decode"))
      .finally(() => (this.busy = false));
  }

  private async fill(): Promise<void> {
    if (!this.begun) {
      this.begun = true;
      await this.append(await this.header);
    }
    for (let next; !this.closed && (next = this.wanted()) !== undefined; ) {
      const { bytes } = await this.plan.segment(next.track, next.number, { target: "bytes" });
      if (this.closed || bytes === undefined) return;
      await this.makeRoom();
      await this.append(bytes);
    }
    this.end();
  }

  /** The first segment ahead of the place of play that is not there. */
  private wanted(): SegmentFacts | undefined {
    const now = this.video.currentTime;
    return this.segments.find((segment) => {
      const end = segment.start + segment.duration;
      return end > now && segment.start < now + AHEAD && !this.has((Math.max(segment.start, now) + end) / 2);
    });
  }

  private has(time: number): boolean {
    const { buffered } = this.buffer;
    return Array.from({ length: buffered.length }, (_, range) => buffered.start(range) <= time && time < buffered.end(range)).includes(true);
  }

  private async makeRoom(): Promise<void> {
    const { buffered } = this.buffer;
    const end = this.video.currentTime - BEHIND;
    if (buffered.length === 0 || buffered.start(0) >= end) return;
    this.buffer.remove(buffered.start(0), end);
    await this.settled();
  }

  private async append(bytes: Uint8Array): Promise<void> {
    this.buffer.appendBuffer(bytes as Uint8Array<ArrayBuffer>);
    await this.settled();
  }

  private settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.buffer.addEventListener("updateend", () => resolve(), { once: true });
      this.buffer.addEventListener("error", () => reject(new Error("the player refuses the segment")), { once: true });
    });
  }

  /** Tells the player that no more comes, once all of every track has: it then ends where the last of them does. */
  private end(error?: EndOfStreamError): void {
    const { readyState, sourceBuffers } = this.source;
    if (this.closed || readyState !== "open" || [...sourceBuffers].some(({ updating }) => updating)) return;
    if (error) return this.source.endOfStream(error);
    const last = this.segments.at(-1);
    if (last && this.has(last.start + last.duration / 2) && this.video.currentTime > last.start) this.source.endOfStream();
  }
}

/** Pictures of the key frames nearest before these times, in seconds, by WebCodecs; the caller closes each.
 *
 * @throws {UnsupportedError} This browser has no WebCodecs, or no decoder for the video. */
export async function* thumbnails(plan: Plan, times: Iterable<number>, width = 160): AsyncGenerator<{ time: number; image: ImageBitmap }, void, void> {
  const track = plan.tracks.find(({ kind }) => kind === "video");
  const { description, ...size } = track ? await configuration(plan, track) : {};
  const config: VideoDecoderConfig | undefined = track && { codec: track.codec, ...size, ...(description && { description }) };
  const supported = config && typeof VideoDecoder === "function" && (await VideoDecoder.isConfigSupported(config)).supported;
  if (!config || !track || !supported) throw new UnsupportedError({ kind: "unsupported", message: "this browser decodes no picture of the file" });
  const segments = plan.order([track.id]);
  for (const time of times) {
    const segment = segments.findLast(({ start }) => start <= time) ?? segments[0];
    if (segment === undefined) return;
    const { bytes } = await plan.segment(track.id, segment.number, { target: "bytes" });
    const frame = await decode(config, keyFrame(bytes as Uint8Array));
    const { displayWidth, displayHeight } = frame;
    const image = await createImageBitmap(frame, { resizeWidth: width, resizeHeight: Math.max(1, Math.round((width * displayHeight) / displayWidth)) });
    frame.close();
    yield { time: segment.start, image };
  }
}

/** One picture of one key frame. */
function decode(config: VideoDecoderConfig, data: Uint8Array): Promise<VideoFrame> {
  return new Promise((resolve, reject) => {
    const decoder = new VideoDecoder({ output: resolve, error: reject });
    decoder.configure({ ...config, optimizeForLatency: true });
    decoder.decode(new EncodedVideoChunk({ type: "key", timestamp: 0, data }));
    decoder.flush().then(() => decoder.state !== "closed" && decoder.close(), reject);
  });
}

/** The payload of the first fragment of a segment: the core puts each key frame into one of its own. */
function keyFrame(segment: Uint8Array): Uint8Array {
  for (const [name, content] of boxes(segment)) if (name === "mdat") return content;
  throw new UnsupportedError({ kind: "unsupported", message: "the segment holds no media" });
}

/** What a decoder needs beside the codec: the record of the codec, as the header has it. */
async function configuration(plan: Plan, track: Track): Promise<{ description?: Uint8Array; codedWidth?: number; codedHeight?: number }> {
  const size = { ...(track.width && { codedWidth: track.width }), ...(track.height && { codedHeight: track.height }) };
  let at: Uint8Array | undefined = await plan.header(track.id);
  for (const name of ["moov", "trak", "mdia", "minf", "stbl", "stsd"]) at = at && [...boxes(at)].find(([found]) => found === name)?.[1];
  // A sample entry: after version, count and its own header the fields of pictures (ISO/IEC 14496-12 12.1.3), 78 bytes, then boxes.
  const record = at && [...boxes(at.subarray(16 + 78))].find(([name]) => name === "avcC" || name === "hvcC" || name === "av1C" || name === "vpcC");
  // Decoders of AV1 and VP9 find theirs in the stream.
  return record && /^(avc|hvc)C$/.test(record[0]) ? { ...size, description: record[1] } : size;
}

function* boxes(bytes: Uint8Array): Generator<[string, Uint8Array]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.byteLength; ) {
    const size = view.getUint32(at);
    if (size < 8) return;
    yield [String.fromCharCode(...bytes.subarray(at + 4, at + 8)), bytes.subarray(at + 8, at + size)];
    at += size;
  }
}
