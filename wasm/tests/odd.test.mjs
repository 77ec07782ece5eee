/** Ordinary and odd files: right, or told before a byte is sent. */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { MalformedError, TruncatedError, open } from "../dist/core.js";
import { ffmpeg, folder, picture } from "./support.mjs";

const at = folder();
const clip = ffmpeg(join(at, "clip.mp4"), ...picture(12));
/** @param {string} name @param {string[]} args */
const made = (name, ...args) => readFileSync(ffmpeg(join(at, name), ...args));
/** @param {Awaited<ReturnType<typeof open>>} plan */
const kinds = (plan) => plan.tracks.map(({ kind }) => kind);

describe("odd files", () => {
  test("every segment begins where decoding can begin, and is of one track", async () => {
    const plan = await open(readFileSync(clip));
    assert.ok(plan.order().every(({ independent }) => independent));
    for await (const { bytes } of plan.segments({ target: "bytes" })) {
      assert.equal(Buffer.from(/** @type {Uint8Array} */ (bytes)).indexOf("traf") > 0, true);
      const runs = Buffer.from(/** @type {Uint8Array} */ (bytes)).subarray(0, 4096).toString("latin1").split("tfhd").slice(1);
      assert.ok(runs.every((run) => run.slice(4, 8) === "\0\0\0\x01"), "the one track of a CMAF file has the number 1");
    }
    assert.deepEqual(plan.problems, []);
  });

  test("sound that begins 0.7 s late does so by its times", async () => {
    const late = made("late.mp4", "-i", clip, "-itsoffset", "0.7", "-i", clip, "-map", "0:v", "-map", "1:a", "-c", "copy", "-t", "12");
    const plan = await open(late);
    const first = plan.order(["a1"])[0];
    // The frame that primes the decoder goes before, and edit lists of ffmpeg are of milliseconds.
    assert.ok(Math.abs((first?.start ?? 0) + 1024 / 48_000 - 0.7) < 0.001, `${first?.start}`);
  });

  test("sound as PCM is cut like any other, not by its chunks", async () => {
    const plan = await open(made("pcm.mov", "-i", clip, "-c:v", "copy", "-c:a", "pcm_s16le"));
    assert.deepEqual(plan.tracks.map(({ codec, segments }) => [codec.slice(0, 4), segments]), [["avc1", 3], ["ipcm", 3]]);
  });

  test("pictures that no player shows are left out, and that is told", async () => {
    const plan = await open(made("mjpeg.mov", "-i", clip, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "copy"));
    assert.deepEqual(kinds(plan), ["audio"]);
    assert.match(plan.problems.find(({ leftOut }) => leftOut === 1)?.message ?? "", /./);
  });

  test("one key frame in 24 s is one segment, and that is told", async () => {
    const plan = await open(made("lone.mp4", ...picture(24, 9999)));
    assert.equal(plan.tracks[0]?.segments, 1);
    const { kind, rendition, longest } = plan.problems[0] ?? {};
    assert.deepEqual({ kind, rendition, longest }, { kind: "sparse-key-frames", rendition: "v1", longest: 24_000 });
  });

  test("a file that is cut short with its index in front is told so, with the place", async () => {
    const whole = made("front.mp4", "-i", clip, "-c", "copy", "-movflags", "+faststart");
    const plan = await open(whole.subarray(0, whole.length * 0.6));
    const { kind, offset } = plan.problems.find(({ kind }) => kind === "truncated") ?? {};
    assert.equal(kind, "truncated");
    assert.ok(offset !== undefined && offset > 0 && offset < whole.length, `${offset}`);
    assert.ok(plan.duration < 12 && plan.duration > 3, `${plan.duration}`);
  });

  test("a file that is cut short before its index", async () => {
    const whole = readFileSync(clip);
    await assert.rejects(open(whole.subarray(0, whole.length / 2)), TruncatedError);
  });

  test("a file without an index", async () => {
    const whole = readFileSync(clip);
    const name = whole.lastIndexOf("moov");
    const without = Buffer.from(whole);
    without.write("free", name, "latin1");
    await assert.rejects(open(without), MalformedError);
  });

  test("fragments are a plan like any other", async () => {
    const plan = await open(made("fragments.mp4", "-i", clip, "-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof"));
    assert.deepEqual(kinds(plan), ["video", "audio"]);
    assert.ok(plan.order().every(({ independent }) => independent));
  });

  test("edits that follow each other are all applied", async () => {
    // Two stretches of one source: what an editor does by a list of edits.
    const plan = await open(joined(readFileSync(clip)));
    assert.ok(Math.abs(plan.duration - 8) < 0.1, `${plan.duration}`);
  });
});

/** The file with two edits of 4 s, from its start and from its eighth second, in each track.
 * @param {Buffer} file */
function joined(file) {
  const found = file.lastIndexOf("moov");
  const head = file.subarray(0, found - 4);
  /** @param {Buffer} bytes @returns {[string, Buffer][]} */
  const boxes = (bytes) => {
    /** @type {[string, Buffer][]} */
    const list = [];
    for (let at = 0; at + 8 <= bytes.length; at += bytes.readUInt32BE(at)) {
      list.push([bytes.toString("latin1", at + 4, at + 8), bytes.subarray(at + 8, at + bytes.readUInt32BE(at))]);
    }
    return list;
  };
  /** @param {string} name @param {Buffer[]} parts */
  const box = (name, ...parts) => {
    const content = Buffer.concat(parts);
    const header = Buffer.alloc(8);
    header.writeUInt32BE(content.length + 8);
    header.write(name, 4, "latin1");
    return Buffer.concat([header, content]);
  };
  /** @param {number[]} values */
  const words = (...values) => Buffer.from(Int32Array.from(values).buffer).swap32();
  const movie = boxes(file.subarray(found + 4));
  const scale = movie.find(([name]) => name === "mvhd")?.[1].readUInt32BE(12) ?? 1000;
  const parts = movie.map(([name, content]) => {
    if (name !== "trak") return box(name, content);
    const inside = boxes(content);
    const media = inside.find(([name]) => name === "mdia")?.[1] ?? Buffer.alloc(0);
    const ticks = boxes(media).find(([name]) => name === "mdhd")?.[1].readUInt32BE(12) ?? 1;
    const old = boxes(inside.find(([name]) => name === "edts")?.[1] ?? Buffer.alloc(0))[0]?.[1];
    const start = old?.readInt32BE(12) ?? 0;
    const edits = box("elst", words(0, 2, 4 * scale, start, 0x10000, 4 * scale, start + 8 * ticks, 0x10000));
    return box("trak", ...inside.map(([name, content]) => (name === "edts" ? box("edts", edits) : box(name, content))));
  });
  return Buffer.concat([head, box("moov", ...parts)]);
}
