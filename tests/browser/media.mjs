/** Sample videos, made by ffmpeg. Every picture carries its own number, so that a test can tell which frame is on the screen. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

/** Each picture beside each sound: `vp9-opus.mp4`. */
export const PICTURES = /** @type {const} */ (["h264", "vp9", "av1"]);
export const SOUNDS = /** @type {const} */ (["aac", "opus", "flac"]);
/** Of `long.mp4` and of the rungs in `ladder/`, in seconds. */
export const LONG = 24;
/** The heights of the rungs, and what each has in bit/s. */
const RUNGS = { 360: "900k", 270: "400k", 180: "150k" };
export const LADDER = Object.keys(RUNGS).map((height) => `ladder/${height}p.mp4`);
/** The languages of `spoken.mp4`, in its sound by the pitch, in its text by the words. */
export const PITCHES = { eng: 400, deu: 1000 };
/** What is shown from 1 s to 3 s, over the first cut at 4 s, and from 9 s to 11 s. */
export const LINES = { eng: ["Good morning", "over a cut", "the end"], deu: ["Guten Morgen", "über einen Schnitt", "das Ende"] };
export const LINE_TIMES = [[1, 3], [3.5, 5], [9, 11]];
/** When each chapter of `chapters.mp4` begins, in seconds, and what it is called. */
export const CHAPTERS = /** @type {const} */ ([[0, "Opening"], [5, "Over & <under>"], [9, "The end"]]);

const VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k", "-g", "50"];
const AV1 = ["-c:v", "libsvtav1", "-preset", "12", "-b:v", "400k", "-g", "50", "-svtav1-params", "scd=0"];

/** What clips are made from: each is made once, beside the folder, when it is first needed.
 * @type {Record<string, (part: (name: string) => string) => string[]>} */
const PARTS = {
  "source.mp4": () => [...picture(SECONDS), ...H264, ...AAC],
  "h264.mp4": () => [...picture(SECONDS), ...H264, "-an"],
  "vp9.mp4": () => [...picture(SECONDS), ...VP9, "-an"],
  "av1.mp4": () => [...picture(SECONDS), ...AV1, "-an"],
  "aac.mp4": (part) => ["-i", part("source.mp4"), "-vn", "-c", "copy"],
  "opus.mp4": (part) => ["-i", part("source.mp4"), "-vn", "-c:a", "libopus"],
  "flac.mp4": (part) => ["-i", part("source.mp4"), "-vn", "-c:a", "flac", "-strict", "experimental"],
  "long.mp4": () => [...picture(LONG), ...H264, "-b:v", "900k", ...AAC],
};

/** Its text is made a track of timed metadata, which ffmpeg does not write. */
const METADATA = "metadata.mp4";

/** What ffmpeg is told for each clip.
 * @type {Record<string, (part: (name: string) => string) => string[]>} */
const CLIPS = {
  "counter.mp4": (part) => ["-i", part("source.mp4"), "-c", "copy"],
  "long.mp4": (part) => ["-i", part("long.mp4"), "-c", "copy"],
  "chapters.mp4": (part) => ["-i", part("source.mp4"), "-i", part("chapters.txt"), "-map", "0", "-map_chapters", "1", "-c", "copy"],
  "late-audio.mp4": (part) => [
    ["-i", part("source.mp4"), "-itsoffset", String(LATE), "-i", part("source.mp4")],
    ["-map", "0:v", "-map", "1:a", "-c", "copy", "-t", String(SECONDS)],
  ].flat(),
  "sound.m4a": (part) => ["-i", part("source.mp4"), "-vn", "-c", "copy"],
  "quicktime.mov": (part) => ["-i", part("source.mp4"), "-c", "copy"],
  "fragmented.mp4": (part) => ["-i", part("source.mp4"), "-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof"],
  "two-languages.mp4": (part) => [
    ["-i", part("source.mp4"), "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy"],
    ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"],
  ].flat(),
  [METADATA]: (part) => ["-i", part("source.mp4"), "-i", part("eng.srt"), "-map", "0", "-map", "1", "-c", "copy", "-c:s", "mov_text"],
  "hevc.mp4": (part) => [
    ["-i", part("source.mp4"), "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=50", "-tag:v", "hvc1"],
    ["-c:a", "copy"],
  ].flat(),
  "Größe & 50 % #1/a?b c.mp4": (part) => ["-i", part("source.mp4"), "-c", "copy"],
  "bulky.mp4": () => [...picture(20), ...H264, ...BULKY, ...AAC],
  ...Object.fromEntries(
    PICTURES.flatMap((picture) =>
      SOUNDS.map((sound) => [
        `${picture}-${sound}.mp4`,
        (/** @type {(name: string) => string} */ part) =>
          ["-i", part(`${picture}.mp4`), "-i", part(`${sound}.mp4`), "-c", "copy", "-strict", "experimental"],
      ]),
    ),
  ),
  ...Object.fromEntries(
    Object.entries(RUNGS).map(([height, bitrate]) => [
      `ladder/${height}p.mp4`,
      (/** @type {(name: string) => string} */ part) =>
        ["-i", part("long.mp4"), "-vf", `scale=-2:${height}`, ...H264, "-b:v", bitrate, "-maxrate", bitrate, "-bufsize", bitrate, "-c:a", "copy"],
    ]),
  ),
  "spoken.mp4": (part) => [
    ["-i", part("source.mp4")],
    ...Object.values(PITCHES).map((pitch) => ["-f", "lavfi", "-i", `sine=frequency=${pitch}:sample_rate=48000:duration=${SECONDS}`]),
    ...Object.keys(LINES).map((language) => ["-i", part(`${language}.srt`)]),
    ["-map", "0:v", "-map", "1", "-map", "2", "-map", "3", "-map", "4", "-c:v", "copy", "-c:a", "aac", "-c:s", "mov_text"],
    Object.keys(LINES).flatMap((language, index) => ["a", "s"].flatMap((kind) => [`-metadata:s:${kind}:${index}`, `language=${language}`])),
  ].flat(),
};

/** The first half of a file whose index is at its end. */
const BROKEN = "broken.mp4";

/** A folder with these clips.
 * @param {string[]} names */
export function makeMedia(...names) {
  const root = mkdtempSync(join(tmpdir(), "reelway-media-"));
  const folder = join(root, "media");
  mkdirSync(folder);
  const part = (/** @type {string} */ name) => {
    const file = join(root, name);
    if (existsSync(file)) return file;
    const language = /^(.+)\.srt$/.exec(name)?.[1];
    if (name === "chapters.txt") writeFileSync(file, chapters());
    else if (language !== undefined) writeFileSync(file, subtitles(LINES[/** @type {keyof typeof LINES} */ (language)]));
    else ffmpeg([...(PARTS[name]?.(part) ?? []), file]);
    return file;
  };
  for (const name of names) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    if (name === BROKEN) {
      const whole = readFileSync(part("source.mp4"));
      writeFileSync(file, whole.subarray(0, whole.length / 2));
    } else {
      ffmpeg([...(CLIPS[name]?.(part) ?? []), file]);
      if (name === METADATA) asMetadata(file);
    }
  }
  return { folder, remove: () => rmSync(root, { recursive: true, force: true }) };
}

/** Makes a track of 3GPP text one of text metadata: handler `meta`, sample entry `mett` (ISO/IEC 14496-12 12.3.3). The rest of the entry is free.
 * @param {string} file */
function asMetadata(file) {
  const bytes = readFileSync(file);
  const handler = bytes.indexOf(Buffer.from(`hdlr${"\0".repeat(8)}sbtl`)) + 12;
  const entry = bytes.indexOf("tx3g");
  const end = entry - 4 + bytes.readUInt32BE(entry - 4);
  const format = "\0text/plain\0";
  const rest = entry + 12 + format.length;
  bytes.write("meta", handler);
  bytes.write("mett", entry);
  bytes.write(format, entry + 12);
  bytes.writeUInt32BE(end - rest, rest);
  bytes.write("free", rest + 4);
  writeFileSync(file, bytes);
}

/** @param {string[]} lines */
function subtitles(lines) {
  const clock = (/** @type {number} */ seconds) => `00:00:${String(Math.floor(seconds)).padStart(2, "0")},${seconds % 1 === 0 ? "000" : "500"}`;
  const cues = lines.map((line, index) => [index + 1, LINE_TIMES[index]?.map(clock).join(" --> "), line].join("\n"));
  return `${cues.join("\n\n")}\n`;
}

/** As ffmpeg takes them. */
function chapters() {
  const ends = [...CHAPTERS.slice(1).map(([start]) => start), SECONDS];
  const each = CHAPTERS.map(([start, title], index) => `[CHAPTER]\nTIMEBASE=1/1\nSTART=${start}\nEND=${ends[index]}\ntitle=${title}\n`);
  return `;FFMETADATA1\n${each.join("")}`;
}

/** @param {string[]} args */
function ffmpeg(args) {
  // SVT-AV1 talks past ffmpeg's log.
  const env = { ...process.env, SVT_LOG: "1" };
  execFileSync("ffmpeg", ["-hide_banner", "-loglevel", "error", "-nostdin", "-y", ...args], { stdio: ["ignore", "ignore", "inherit"], env });
}
