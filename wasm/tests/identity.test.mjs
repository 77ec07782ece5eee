/** The same bytes as the native program makes, of each segment and manifest; and the same words against what cannot be published. */

import { strict as assert } from "node:assert";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { open } from "../dist/core.js";
import { ReelwayError } from "../dist/error.js";
import { made } from "./made.mjs";
import { blob, ffmpeg, folder, native, picture, printed } from "./support.mjs";

const MINUTES = 60_000;

/** @param {string} file */
async function isTheSame(file) {
  const wanted = native(file);
  try {
    assert.deepEqual(await made(await open(await blob(file))), wanted.files ?? { [`refused: ${wanted.error}`]: "" });
  } catch (error) {
    if (!(error instanceof ReelwayError)) throw error;
    assert.ok(wanted.error?.endsWith(printed(error)), `here: ${printed(error)}\nnative: ${wanted.error ?? "published"}`);
  }
}

describe("native and here the same", () => {
  const at = folder();
  const clip = ffmpeg(join(at, "clip.mp4"), ...picture(9));
  /** @type {Record<string, string>} */
  const files = {
    "index at the end": clip,
    "index in front": ffmpeg(join(at, "front.mp4"), "-i", clip, "-c", "copy", "-movflags", "+faststart"),
    fragments: ffmpeg(join(at, "fragments.mp4"), "-i", clip, "-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof"),
    QuickTime: ffmpeg(join(at, "clip.mov"), "-i", clip, "-c", "copy"),
    "sound alone": ffmpeg(join(at, "sound.m4a"), "-i", clip, "-vn", "-c", "copy"),
    "two sounds": ffmpeg(
      join(at, "two.mp4"),
      ...["-i", clip, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"],
    ),
    subtitles: (() => {
      // Not beside the film: the native program would take it in.
      const text = join(folder(), "text.srt");
      writeFileSync(text, "1\n00:00:01,000 --> 00:00:05,000\n<i>first</i>\n\n2\n00:00:06,000 --> 00:00:07,500\nsecond & last\n");
      return ffmpeg(join(at, "text.mp4"), "-i", clip, "-i", text, "-map", "0", "-map", "1", "-c", "copy", "-c:s", "mov_text");
    })(),
  };
  for (const [name, file] of Object.entries(files)) test(name, { timeout: MINUTES }, () => isTheSame(file));

  // The ways in which files are broken most: cut off anywhere, and bytes that are others.
  const whole = readFileSync(files["index in front"] ?? clip);
  for (let cut = 1; cut < 10; cut++) {
    test(`the first ${cut} tenths of a file`, { timeout: MINUTES }, () => {
      writeFileSync(join(at, "cut.mp4"), whole.subarray(0, (whole.length * cut) / 10));
      return isTheSame(join(at, "cut.mp4"));
    });
  }
  for (let place = 30; place < 5000; place += 331) {
    test(`another byte at ${place}`, { timeout: MINUTES }, () => {
      const broken = Buffer.from(whole);
      broken[place] = ~(broken[place] ?? 0) & 0xff;
      writeFileSync(join(at, "bent.mp4"), broken);
      return isTheSame(join(at, "bent.mp4"));
    });
  }
});

describe("native and here the same, for files nobody here made", () => {
  const media = join(import.meta.dirname, "../../../shared/media");
  const there = existsSync(media);
  if (!there) test("skipped: ../shared/media is not there", () => undefined);
  for (const kind of there ? ["real", "bad"] : []) {
    for (const name of /** @type {string[]} */ (readdirSync(join(media, kind), { recursive: true }))) {
      const file = join(media, kind, name);
      // Text beside a video is no video.
      if (/\.(srt|vtt|tsv|txt|md)$/i.test(name) || !statSync(file).isFile()) continue;
      test(`${kind}/${name}`, { timeout: 5 * MINUTES }, () => isTheSame(file));
    }
  }
});
