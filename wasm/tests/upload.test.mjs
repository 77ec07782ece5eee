/** Uploads to the real server: what arrives is what was planned, whatever comes between. */

import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";
import { UploadError, open, upload } from "../dist/index.js";
import { made } from "./made.mjs";
import { ffmpeg, folder, picture, serve } from "./support.mjs";

const MINUTE = 60_000;
const clip = readFileSync(ffmpeg(join(folder(), "clip.mp4"), ...picture(30)));
/** Uploads of one test do not find those of another. */
const fresh = () => open(clip, { segment: 2 });

/** Digests of all that the server has of an upload.
 * @param {string} hls @param {string[]} paths */
async function served(hls, paths) {
  const files = await Promise.all(
    paths.map(async (path) => {
      const response = await fetch(new URL(path, hls));
      assert.equal(response.status, 200, path);
      return [path, createHash("sha256").update(Buffer.from(await response.arrayBuffer())).digest("hex")];
    }),
  );
  return Object.fromEntries(files);
}

/** @param {Awaited<ReturnType<typeof open>>} plan @param {string} hls */
async function isWhatWasPlanned(plan, hls) {
  const files = await made(plan);
  assert.deepEqual(await served(hls, Object.keys(files)), files);
}

describe("uploads", () => {
  test("arrive as planned, and can be played before all is there", { timeout: MINUTE }, async () => {
    const { server, kill } = await serve(folder());
    const plan = await fresh();
    const sending = upload(plan, { server, name: "clip.mp4", concurrency: 2 });
    /** @type {number[]} */
    const steps = [];
    sending.on("progress", ({ segments }) => steps.push(segments));
    const { hls } = await sending.playable;
    const early = await (await fetch(new URL("v1/media.m3u8", hls))).text();
    assert.match(early, /EXT-X-PLAYLIST-TYPE:(EVENT|VOD)[^]*\n1\.m4s\n/);
    assert.equal((await sending).hls, hls);
    assert.deepEqual(steps, Array.from({ length: plan.order().length + 1 }, (_, index) => index));
    await isWhatWasPlanned(plan, hls);
    await kill();
  });

  test("say what the bytes are, unless that is not wanted", { timeout: MINUTE }, async (context) => {
    for (const digest of /** @type {const} */ ([undefined, "sha-256", "none"])) {
      const { server, kill } = await serve(folder());
      /** @type {(string | null)[]} */
      const said = [];
      const { fetch } = globalThis;
      const watched = context.mock.method(globalThis, "fetch", (/** @type {string} */ url, /** @type {RequestInit | undefined} */ init) => {
        if (init?.method === "PUT") {
          said.push(new Headers(init.headers).get("content-digest"));
          // A blob of bytes stays with the browser, which has room for some hundred megabytes of them.
          assert.ok(init.body instanceof Uint8Array, "bytes, which are done with once they are sent");
        }
        return fetch(url, init);
      });
      const plan = await fresh();
      const { hls } = await upload(plan, { server, ...(digest && { digest }) });
      watched.mock.restore();
      assert.equal(said.length, plan.order().length);
      assert.ok(said.every((field) => (digest === "none" ? field === null : /^sha-256=:.{44}:$/.test(field ?? ""))), `${digest}: ${said}`);
      await isWhatWasPlanned(plan, hls);
      await kill();
    }
  });

  test("go on where they were broken off, without sending anything twice", { timeout: MINUTE }, async () => {
    const { server, kill } = await serve(folder());
    const plan = await fresh();
    const stop = new AbortController();
    const first = upload(plan, { server, signal: stop.signal, concurrency: 1 });
    first.on("progress", ({ segments }) => segments === 7 && stop.abort(new Error("enough")));
    await assert.rejects(first, /enough/);
    // As after a reload: another plan of the same file.
    const again = upload(await fresh(), { server });
    /** @type {import("../dist/index.js").Progress[]} */
    const steps = [];
    again.on("progress", (progress) => steps.push(progress));
    const { hls } = await again;
    assert.ok((steps[0]?.segments ?? 0) >= 7, `begins at ${steps[0]?.segments}`);
    assert.equal(steps.length, plan.order().length - (steps[0]?.segments ?? 0) + 1);
    assert.equal(steps.at(-1)?.sent, steps.at(-1)?.size);
    await isWhatWasPlanned(plan, hls);
    await kill();
  });

  test("keep no segment in memory that the server has, or that it will not get", { timeout: MINUTE }, async () => {
    const { server, kill } = await serve(folder());
    const plan = await fresh();
    /** What is made before it can be sent. */
    const { made } = /** @type {{ made: Map<string, unknown> }} */ (/** @type {unknown} */ (plan.engine));
    const stop = new AbortController();
    const first = upload(plan, { server, signal: stop.signal });
    first.on("playable", () => stop.abort(new Error("enough")));
    await assert.rejects(first, /enough/);
    assert.equal(made.size, 0, "sent");
    const again = upload(plan, { server });
    again.on("segment", () => assert.equal(made.size, 0, "there"));
    await again;
    await kill();
    await assert.rejects(upload(plan, { server, retries: 0 }), UploadError);
    assert.equal(made.size, 0, "no server");
  });

  test("survive a server that is killed again and again: nothing acknowledged is lost", { timeout: 2 * MINUTE }, async () => {
    const data = folder();
    let { server, port, kill } = await serve(data);
    const plan = await fresh();
    const sending = upload(plan, { server, pause: 20, retries: 1000, concurrency: 3 });
    const tried = new Set();
    sending.on("retry", ({ segment }) => tried.add(segment));
    /** @type {Promise<void>[]} */
    const rounds = [];
    sending.on("progress", ({ segments }) => {
      if (segments > 0 && segments % 6 === 0 && segments < 25) rounds.push(killed(segments));
    });
    // The upload may have come to the next round before it is told that the server is there again.
    let running = Promise.resolve();
    const crash = async () => {
      await kill();
      ({ kill } = await serve(data, port));
    };
    /** @param {number} acknowledged */
    const killed = async (acknowledged) => {
      await (running = running.then(crash));
      // Playlists end before the first that is missing, and one that is tried again may be far behind the others: who comes anew is told all.
      const asking = new AbortController();
      const again = upload(await fresh(), { server, pause: 20, retries: 1000, signal: asking.signal });
      const there = await new Promise((resolve) => again.on("progress", ({ segments }) => resolve(segments)));
      asking.abort(new Error("that is all"));
      await assert.rejects(again, /that is all/);
      assert.ok(there >= acknowledged, `${there} of ${acknowledged}`);
    };
    const { hls } = await sending;
    await Promise.all(rounds);
    assert.equal(rounds.length, 4);
    assert.ok(tried.size >= 4, [...tried].join(" "));
    await isWhatWasPlanned(plan, hls);
    await kill();
  });

  test("pause", { timeout: MINUTE }, async () => {
    const { server, kill } = await serve(folder());
    const sending = upload(await fresh(), { server, concurrency: 1 });
    let segments = 0;
    sending.on("progress", (progress) => {
      ({ segments } = progress);
      if (segments === 3) sending.pause();
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal(segments, 3);
    sending.resume();
    await sending;
    assert.ok(segments > 3);
    await kill();
  });

  test("a server that takes none, and one that is not there, are errors", { timeout: MINUTE }, async () => {
    const plan = await fresh();
    const { server, kill } = await serve(folder());
    // A plan of which the server gets the first bytes alone.
    const other = await fresh();
    Object.assign(other.engine, { index: async () => [{ at: 0, bytes: new Uint8Array(8) }] });
    await assert.rejects(upload(other, { server }), (error) => {
      assert.ok(error instanceof UploadError && error.status === 422);
      assert.match(error.message, /the plan needs bytes 0 to/);
      return true;
    });
    await kill();
    await assert.rejects(upload(plan, { server, retries: 1, pause: 1 }), UploadError);
  });

  test("what answers in place of a server is told from one", { timeout: MINUTE }, async () => {
    for (const [type, text] of [["text/html", "<!doctype html><title>Sign in</title>"], ["application/json", "{}"], ["application/json", '"ok"']]) {
      const server = createServer((request, response) => request.resume().on("end", () => response.setHeader("content-type", type ?? "").end(text)));
      await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      await assert.rejects(upload(await fresh(), { server: `http://127.0.0.1:${port}` }), (error) => {
        assert.ok(error instanceof UploadError && error.status === 200, String(error));
        assert.match(error.message, /^http:.*\/api\/v1\/uploads answers 200 like no server of Reelway: check `server`/);
        return true;
      });
      server.close();
    }
  });
});
