/** An encoder with a clock in its picture: what a viewer sees tells when it was made, to the millisecond. */

import { spawn } from "node:child_process";
import { once } from "node:events";

export const WIDTH = 384;
export const HEIGHT = 216;
const RATE = 25;
/** The time stands in this many bars along the lower edge, in milliseconds, the lowest bit on the left, white for 1; then it begins anew. */
export const BITS = 24;
const BAR = WIDTH / BITS;
/** So many frames it takes to look at what it gets. */
const STARTING = 4;
/** As high as two macroblocks, so that the bars stay sharp. */
const STRIP = 32;

/** Filled up to what a camera sends: of less, the browser alone would wait for each 32 KiB, which it reads at once. */
const RATE_CONTROL = ["-b:v", "2M", "-minrate", "2M", "-maxrate", "2M", "-bufsize", "1M", "-x264-params", "nal-hrd=cbr"];

/** What is sent: `segment` in seconds is the distance of key frames.
 * @param {string} url @param {{ segment?: number }} [options] */
export function startSource(url, { segment = 1 } = {}) {
  const input = ["-probesize", "32", "-f", "rawvideo", "-pix_fmt", "gray", "-video_size", `${WIDTH}x${HEIGHT}`, "-framerate", String(RATE), "-i", "pipe:0"];
  // It begins with the first frame that does not wait.
  const sound = ["-itsoffset", String(STARTING / RATE), "-re", "-f", "lavfi", "-i", "sine=frequency=440:beep_factor=2:sample_rate=48000"];
  const gop = String(segment * RATE);
  const codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", gop, "-keyint_min", gop, "-sc_threshold", "0", ...RATE_CONTROL, "-c:a", "aac"];
  const output = ["-f", "mp4", "-movflags", "+frag_every_frame+empty_moov+default_base_moof+delay_moov", "-flush_packets", "1", url];
  const ffmpeg = spawn("ffmpeg", ["-hide_banner", "-loglevel", "error", "-nostats", ...input, ...sound, ...codecs, ...output], { stdio: ["pipe", "ignore", "pipe"] });
  const kill = () => ffmpeg.kill("SIGKILL");
  process.once("exit", kill);
  let complaints = "";
  ffmpeg.stderr.setEncoding("utf8").on("data", (text) => (complaints += text));
  // It is killed while it is written to.
  ffmpeg.stdin.on("error", () => undefined);
  const ended = once(ffmpeg, "exit");

  const frame = Buffer.alloc(WIDTH * HEIGHT, 96);
  let [began, sent] = [0, 0];
  const send = (/** @type {() => void} */ taken) => {
    draw(frame, sent, Date.now());
    ffmpeg.stdin.write(Buffer.from(frame), taken);
    sent += 1;
  };
  // A frame is larger than a pipe. Those that waited for the encoder to start would be late, and all after them.
  const ready = () => (sent < STARTING ? send(ready) : void (began = Date.now()));
  ready();
  let late = 0;
  const timer = setInterval(() => {
    if (began > 0) late = Math.max(late, Date.now() - began - ((sent - STARTING) * 1000) / RATE);
    while (began > 0 && (sent - STARTING) * 1000 <= (Date.now() - began) * RATE) send(() => undefined);
  }, 5);
  return {
    complaints: () => complaints,
    /** When the first second of its media began, by the clock of its pictures; 0 before. */
    began: () => (began > 0 ? began - (STARTING * 1000) / RATE : 0),
    /** By how many milliseconds a frame was made too late, at most, since this was asked last: no player can make up for more than it lies back. */
    late() {
      const most = Math.round(late);
      late = 0;
      return most;
    },
    /** As if its power had gone. */
    async kill() {
      clearInterval(timer);
      kill();
      await ended;
      process.off("exit", kill);
    },
  };
}

/** @param {Buffer} frame @param {number} number @param {number} time */
function draw(frame, number, time) {
  // Something that moves, above.
  const at = (number * 4) % WIDTH;
  for (let y = 0; y < HEIGHT - STRIP; y += 1) {
    frame.fill(96, y * WIDTH, (y + 1) * WIDTH);
    frame.fill(200, y * WIDTH + at, y * WIDTH + Math.min(at + 16, WIDTH));
  }
  for (let bit = 0; bit < BITS; bit += 1) {
    const value = Math.floor(time / 2 ** bit) % 2 === 1 ? 235 : 16;
    for (let y = HEIGHT - STRIP; y < HEIGHT; y += 1) frame.fill(value, y * WIDTH + bit * BAR, y * WIDTH + (bit + 1) * BAR);
  }
}
