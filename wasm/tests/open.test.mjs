/** What can be opened, and that it is the same however it is read. */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { MisuseError, ReadError, UnsupportedError, open } from "../dist/core.js";
import { open as openAsUsual } from "../dist/index.js";
import { made } from "./made.mjs";
import { blob, ffmpeg, folder, picture } from "./support.mjs";

const file = ffmpeg(join(folder(), "clip.mp4"), ...picture(12));
const bytes = readFileSync(file);

/** A server of the file: by range, or, at `/whole`, without; at `/changing`, another version each time. */
const server = createServer((request, response) => {
  const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? [];
  const changing = request.url === "/changing" ? { etag: `"${performance.now()}"` } : { etag: '"1"' };
  if (request.url === "/whole" || start === undefined || end === undefined) return void response.writeHead(200).end(bytes);
  const part = bytes.subarray(Number(start), Number(end) + 1);
  response.writeHead(206, { ...changing, "content-range": `bytes ${start}-${end}/${bytes.length}` }).end(part);
});
let origin = "";
before(() => new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined))).then(() => {
  const address = server.address();
  origin = typeof address === "object" ? `http://127.0.0.1:${address?.port}` : "";
}));
after(() => void server.close());

describe("what is opened", () => {
  const inputs = {
    "a Blob": () => blob(file),
    "a view of bytes": () => bytes,
    "an ArrayBuffer": () => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
    "a URL": () => `${origin}/clip.mp4`,
    "a handle of a file": () => ({ kind: "file", getFile: () => blob(file) }),
    "a source of one's own": () => ({ size: bytes.length, read: async (/** @type {number} */ start, /** @type {number} */ end) => bytes.subarray(start, end) }),
  };
  for (const [name, input] of Object.entries(inputs)) {
    test(`${name} gives the same plan and bytes`, async () => {
      const wanted = await open(bytes);
      const plan = await openAsUsual(/** @type {any} */ (await input()));
      assert.deepEqual(JSON.parse(JSON.stringify(plan)), JSON.parse(JSON.stringify(wanted)));
      assert.deepEqual(await made(plan), await made(wanted));
      plan.close();
    });
  }

  test("a plan reads the index alone", async () => {
    let read = 0;
    const count = async (/** @type {number} */ start, /** @type {number} */ end) => {
      read += end - start;
      return bytes.subarray(start, end);
    };
    const plan = await open({ size: bytes.length, read: count });
    await plan.hls();
    await plan.dash();
    assert.ok(read < bytes.length / 3 + 3 * 65_536, `${read} of ${bytes.length}`);
    const index = await plan.index();
    const known = await open({
      size: bytes.length,
      async read(start, end) {
        const range = index.find(({ at, bytes }) => at <= start && end <= at + bytes.length);
        if (range === undefined) throw new Error(`${start} to ${end}`);
        return range.bytes.subarray(start - range.at, end - range.at);
      },
    });
    assert.deepEqual(JSON.stringify(known), JSON.stringify(plan));
  });

  test("segments come in the order of play, and alone in any order", async () => {
    const plan = await open(bytes, { segment: 2 });
    const facts = plan.order();
    assert.deepEqual(facts.map(({ track, number }) => `${track}/${number}`).slice(0, 4), ["v1/1", "a1/1", "v1/2", "a1/2"]);
    assert.ok(facts.every(({ start }, index) => index === 0 || start >= (facts[index - 1]?.start ?? 0)));
    /** @type {import("../dist/core.js").Segment[]} */
    const all = [];
    for await (const segment of plan.segments({ target: "bytes" })) all.push(segment);
    for (const segment of all.reverse()) {
      const again = await plan.segment(segment.track, segment.number, { target: "blob" });
      assert.deepEqual(new Uint8Array(await /** @type {Blob} */ (again.blob).arrayBuffer()), segment.bytes);
      assert.equal(again.independent, true);
    }
    const memory = new Set();
    for await (const segment of plan.segments({ target: "bytes", lend: true })) {
      const same = all.find(({ track, number }) => track === segment.track && number === segment.number);
      assert.deepEqual(new Uint8Array(segment.bytes ?? []), same?.bytes);
      memory.add(segment.bytes?.buffer);
    }
    assert.equal(memory.size, 2, "while one is looked at the next is made");
    const into = new ArrayBuffer(1 << 20);
    const filled = await plan.segment("v1", 1, { target: "bytes", into });
    assert.deepEqual([filled.bytes?.buffer, filled.bytes?.byteLength], [into, filled.size]);
    const sound = [];
    for await (const { track } of plan.segments({ tracks: ["a1"] })) sound.push(track);
    assert.deepEqual([...new Set(sound)], ["a1"]);
  });
});

describe("what is refused", () => {
  /** @param {Promise<unknown>} promise @param {new (...args: any[]) => Error} type @param {RegExp} message @param {object} [facts] */
  const fails = (promise, type, message, facts = {}) =>
    assert.rejects(promise, (error) => {
      assert.ok(error instanceof type, `${error}`);
      assert.equal(error.name, type.name);
      assert.match(error.message, message);
      for (const [name, value] of Object.entries(facts)) assert.equal(/** @type {any} */ (error)[name], value);
      return true;
    });

  test("what is no video", () => fails(open(new TextEncoder().encode("no video at all.")), UnsupportedError, /not an MP4 or MOV/, { kind: "unsupported", offset: 0 }));
  test("a URL without ranges", () => fails(open(`${origin}/whole`), ReadError, /answers 200/, { status: 200 }));
  test("a URL where nothing answers", () => fails(open("http://127.0.0.1:9/"), ReadError, /cannot be reached/));
  test("a file that changes", () => fails(open(`${origin}/changing`), ReadError, /replaced/));
  test("a read that fails", () => fails(open({ size: 1000, read: () => Promise.reject(new Error("torn")) }), ReadError, /bytes 0 to 1000.*torn/, { offset: 0 }));
  test("a read that ends early", () => fails(open({ size: 1000, read: async () => new Uint8Array(7) }), ReadError, /shorter/));
  test("a read that never ends", () => fails(open({ size: 1000, read: () => new Promise(() => undefined) }, { patience: 20 }), ReadError, /no answer/));
  test("a track or segment that is not there", async () => {
    const plan = await open(bytes);
    await fails(plan.header("v9"), MisuseError, /no such rendition/);
    await fails(plan.segment("v1", 99), MisuseError, /no such segment/);
    await fails(plan.webvtt("v1", 1), MisuseError, /./);
  });
  test("what was given up", async () => {
    const abort = AbortSignal.abort(new Error("enough"));
    await assert.rejects(open(bytes, { signal: abort }), /enough/);
  });
});
