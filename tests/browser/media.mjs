/** Sample videos, made by ffmpeg. Every picture carries its own number, so that a test can tell which frame is on the screen. */

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export const FRAME_RATE = 25;
/** Of the source, in seconds and frames. The origin cuts it into three segments. */
export const SECONDS = 12;
export const FRAMES = SECONDS * FRAME_RATE;
export const WIDTH = 640;
export const HEIGHT = 360;
/** The number stands in this many bars along the lower edge, the lowest bit on the left, white for 1. */
export const BITS = 16;
const STRIP = 40;
/** How late the sound of `late-audio.mp4` begins. */
export const LATE = 1.3;

/** @param {number} seconds */
function picture(seconds) {
  const strip = `color=size=${BITS}x2:rate=${FRAME_RATE}:duration=${seconds},format=gray,geq=lum='255*mod(floor(N/pow(2,X)),2)'`;
  return [
    ["-f", "lavfi", "-i", `testsrc2=size=${WIDTH}x${HEIGHT}:rate=${FRAME_RATE}:duration=${seconds}`],
    ["-f", "lavfi", "-i", `${strip},scale=${WIDTH}:${STRIP}:flags=neighbor`],
    ["-f", "lavfi", "-i", `sine=frequency=440:beep_factor=4:sample_rate=48000:duration=${seconds}`],
    ["-filter_complex", `[0:v][1:v]overlay=0:${HEIGHT - STRIP},format=yuv420p[v]`, "-map", "[v]", "-map", "2:a"],
  ].flat();
}

/** B-frames, so that decoding order is not showing order; a sync sample every two seconds, so that cuts fall where they should. */
const H264 = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0"];
const AAC = ["-c:a", "aac"];
/** At a constant 16 Mbit/s, so more than a browser reads ahead; ffmpeg puts its index at the end. */
const BULKY = ["-b:v", "16M", "-maxrate", "16M", "-bufsize", "16M", "-x264-params", "nal-hrd=cbr", "-preset", "ultrafast"];

/** What ffmpeg is told for each clip, given the path of the source that most are made from.
 * @type {Record<string, (source: string) => string[]>} */
const CLIPS = {
  "counter.mp4": (source) => ["-i", source, "-c", "copy"],
  "late-audio.mp4": (source) => [
    ["-i", source, "-itsoffset", String(LATE), "-i", source],
    ["-map", "0:v", "-map", "1:a", "-c", "copy", "-t", String(SECONDS)],
  ].flat(),
  "sound.m4a": (source) => ["-i", source, "-vn", "-c", "copy"],
  "quicktime.mov": (source) => ["-i", source, "-c", "copy"],
  "fragmented.mp4": (source) => ["-i", source, "-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof"],
  "two-languages.mp4": (source) => [
    ["-i", source, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy"],
    ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"],
  ].flat(),
  "hevc.mp4": (source) => [
    ["-i", source, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=50", "-tag:v", "hvc1"],
    ["-c:a", "copy"],
  ].flat(),
  "Größe & 50 % #1/a?b c.mp4": (source) => ["-i", source, "-c", "copy"],
  "bulky.mp4": () => [...picture(20), ...H264, ...BULKY, ...AAC],
};

/** The first half of a file whose index is at its end. */
const BROKEN = "broken.mp4";

/** A folder with these clips.
 * @param {string[]} names */
export function makeMedia(...names) {
  const root = mkdtempSync(join(tmpdir(), "reelway-media-"));
  const folder = join(root, "media");
  const source = join(root, "source.mp4");
  mkdirSync(folder);
  ffmpeg([...picture(SECONDS), ...H264, ...AAC, source]);
  for (const name of names) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    if (name === BROKEN) {
      const whole = readFileSync(source);
      writeFileSync(file, whole.subarray(0, whole.length / 2));
    } else if (name === "counter.mp4") {
      copyFileSync(source, file);
    } else {
      ffmpeg([...(CLIPS[name]?.(source) ?? []), file]);
    }
  }
  return { folder, remove: () => rmSync(root, { recursive: true, force: true }) };
}

/** @param {string[]} args */
function ffmpeg(args) {
  execFileSync("ffmpeg", ["-hide_banner", "-loglevel", "error", "-nostdin", "-y", ...args], { stdio: ["ignore", "ignore", "inherit"] });
}
