/** The npm package in Chromium: in its worker, with worker and core inside, in the thread of the page; the bytes that the native program
 * makes; what a Content-Security-Policy lets it do; a preview of the local file. */

import { strict as assert } from "node:assert";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { native } from "../../wasm/tests/support.mjs";
import { PATIENCE, program } from "./browser.mjs";
import { makeMedia } from "./media.mjs";
import { startServer } from "./server.mjs";

const DIST = fileURLToPath(new URL("../../wasm/dist/", import.meta.url));
const CLIPS = ["counter.mp4", "fragmented.mp4", "quicktime.mov", "late-audio.mp4", "sound.m4a"];
const TYPES = /** @type {Record<string, string>} */ ({ js: "text/javascript", wasm: "application/wasm", html: "text/html" });

/** Serves the package, the clips and an empty page, each page and script with the policy that its path begins with.
 * @param {string} media */
function serve(media) {
  const policies = /** @type {Record<string, { page?: string, script?: string }>} */ ({
    free: {},
    // What a careful site has: the page may not compile, the script of the worker has a policy of its own, which is none.
    page: { page: "default-src 'self'; script-src 'self'; worker-src 'self'" },
    all: { page: "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'", script: "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'" },
    none: { page: "default-src 'self'; script-src 'self'", script: "default-src 'self'; script-src 'self'" },
    blob: { page: "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:" },
  });
  return createServer(async (request, response) => {
    const [, kind = "", ...rest] = decodeURIComponent(new URL(request.url ?? "", "http://x").pathname).split("/");
    const path = rest.join("/");
    const policy = path === "" ? policies[kind]?.page : policies[kind]?.script;
    const headers = policy ? { "content-security-policy": policy } : {};
    try {
      const body = path === "" ? "<!doctype html><title>page</title>" : await readFile(path.startsWith("media/") ? join(media, path.slice(6)) : join(DIST, path));
      const type = path === "" ? "text/html" : (TYPES[path.split(".").at(-1) ?? ""] ?? "video/mp4");
      response.writeHead(200, { ...headers, "content-type": type }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
}

/** Digests of all that the package makes of a clip, as `wasm/tests/support.mjs` has them; runs in the page.
 * @param {{ clip: string, entry: string, options?: object, own?: boolean, handle?: boolean, target?: "bytes" | "blob" }} how */
async function madeInPage({ clip, entry, options, own, handle, target = "bytes" }) {
  const load = (/** @type {string} */ path) => /** @type {Promise<typeof import("../../wasm/dist/index.js")>} */ (import(path));
  const { open } = await load(new URL(`${entry}.js`, location.href).href);
  const blob = await (await fetch(`media/${clip}`)).blob();
  const read = async (/** @type {number} */ start, /** @type {number} */ end) => new Uint8Array(await blob.slice(start, end).arrayBuffer());
  const onDisk = async () => {
    const kept = await (await navigator.storage.getDirectory()).getFileHandle(clip, { create: true });
    await blob.stream().pipeTo(await kept.createWritable());
    return kept;
  };
  const plan = await open(own ? { size: blob.size, read } : handle ? await onDisk() : new File([blob], clip), options);
  const digest = async (/** @type {BufferSource | string} */ bytes) => {
    const hash = await crypto.subtle.digest("SHA-256", typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
    return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  /** @type {[string, string][]} */
  const files = [["manifest.mpd", await digest(await plan.dash())]];
  for (const [path, text] of Object.entries(await plan.hls())) files.push([path, await digest(text)]);
  for (const { id } of plan.tracks) files.push([`${id}/init.mp4`, await digest(/** @type {Uint8Array<ArrayBuffer>} */ (await plan.header(id)))]);
  for await (const { track, number, bytes, blob } of plan.segments({ target, lend: true })) {
    files.push([`${track}/${number}.m4s`, await digest(bytes ?? (await blob.arrayBuffer()))]);
  }
  plan.close();
  return Object.fromEntries(files.sort(([a], [b]) => (a < b ? -1 : 1)));
}

describe("the package in a page", () => {
  /** @type {ReturnType<typeof makeMedia>} */
  let media;
  /** @type {import("node:http").Server} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;
  let origin = "";
  before(
    async () => {
      media = makeMedia(...CLIPS);
      server = serve(media.folder);
      await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
      const address = server.address();
      origin = typeof address === "object" ? `http://127.0.0.1:${address?.port}` : "";
      browser = await chromium.launch({ executablePath: program(), headless: true, args: ["--disable-gpu", "--js-flags=--expose-gc"] });
    },
    { timeout: PATIENCE },
  );
  after(async () => {
    await browser?.close();
    server?.close();
    media?.remove();
  });

  /** @template T @param {string} policy @param {(page: import("playwright-core").Page) => Promise<T>} visit */
  async function inPage(policy, visit) {
    const page = await browser.newPage();
    try {
      await page.goto(`${origin}/${policy}/`);
      return await visit(page);
    } finally {
      await page.close();
    }
  }

  for (const clip of CLIPS) {
    test(`makes the bytes that the native program makes: ${clip}`, { timeout: PATIENCE }, async () => {
      const { files } = native(join(media.folder, clip));
      for (const target of /** @type {const} */ (["bytes", "blob"])) {
        const made = await inPage("free", (page) => page.evaluate(madeInPage, { clip, entry: "index", target }));
        assert.deepEqual(made, files, target);
      }
    });
  }

  for (const [name, how] of /** @type {const} */ ([
    ["with worker and core inside", { entry: "inline" }],
    ["in the thread of the page", { entry: "index", options: { worker: false } }],
    ["by `reelway/core`", { entry: "core" }],
    ["of a file that the page reads for the worker", { entry: "index", own: true }],
    ["of the handle of a file", { entry: "index", handle: true }],
  ])) {
    test(`the same ${name}`, { timeout: PATIENCE }, async () => {
      const clip = "counter.mp4";
      const { files } = native(join(media.folder, clip));
      assert.deepEqual(await inPage("free", (page) => page.evaluate(madeInPage, { clip, ...how })), files);
    });
  }

  for (const { policy, entry, works } of [
    { policy: "page", entry: "index", works: true },
    { policy: "all", entry: "index", works: true },
    { policy: "none", entry: "index", works: false },
    { policy: "blob", entry: "inline", works: true },
    { policy: "page", entry: "inline", works: false },
  ]) {
    test(`${entry} under the policy '${policy}': ${works ? "works" : "an error"}`, { timeout: PATIENCE }, async () => {
      const made = inPage(policy, (page) => page.evaluate(madeInPage, { clip: "sound.m4a", entry }));
      if (works) assert.ok(Object.keys(await made).length > 0);
      else await assert.rejects(made, /WebAssembly|wasm|worker/i);
    });
  }

  test("a file is read through two stretches of memory, once, however long it is", { timeout: PATIENCE }, async () => {
    const told = await inPage("free", (page) =>
      page.evaluate(async () => {
        const load = (/** @type {string} */ path) => /** @type {Promise<typeof import("../../wasm/dist/window.js")>} */ (import(path));
        const { Window } = await load(new URL("window.js", location.href).href);
        const MiB = 1 << 20;
        const file = new Blob(Array.from({ length: 48 }, (_, number) => new Uint8Array(MiB).fill(number)));
        const told = { memory: 0, slices: 0, wrong: 0 };
        globalThis.Uint8Array = new Proxy(Uint8Array, {
          construct(array, args) {
            if (typeof args[0] === "number") told.memory += args[0];
            return Reflect.construct(array, args);
          },
        });
        const { slice } = Blob.prototype;
        Blob.prototype.slice = function (...args) {
          told.slices += 1;
          return slice.apply(this, args);
        };
        const window = new Window(file);
        // A segment of video, then one of sound that begins before it.
        for (let at = 0; at < file.size; at += 2 * MiB) {
          for (const start of [at, Math.max(0, at - MiB)]) {
            await window.with(start, at + 2 * MiB, (bytes) => {
              for (let place = 0; place < bytes.length; place += MiB / 4) told.wrong += Number(bytes[place] !== Math.floor((start + place) / MiB));
            });
          }
        }
        window.close();
        return told;
      }),
    );
    assert.equal(told.wrong, 0);
    assert.equal(told.slices, 1, "the file is read by one stream");
    assert.ok(told.memory <= 4 << 20, `memory of ${told.memory} bytes was asked for`);
  });

  test("a read that nothing but the package waits for is not collected as garbage", { timeout: PATIENCE }, async () => {
    const told = await inPage("free", (page) =>
      page.evaluate(async () => {
        const load = (/** @type {string} */ path) => /** @type {Promise<typeof import("../../wasm/dist/window.js")>} */ (import(path));
        const { Window } = await load(new URL("window.js", location.href).href);
        const { gc, setTimeout } = /** @type {typeof globalThis & { gc(how: object): void }} */ (globalThis);
        const MiB = 1 << 20;
        const file = new Blob(Array.from({ length: 64 }, () => new Uint8Array(MiB)));
        let collected = 0;
        const collecting = setInterval(() => {
          collected += 1;
          gc({ type: "major", execution: "async" });
        }, 1);
        // The timer that watches over a read holds what waits for it: that is not to be what saves it.
        globalThis.setTimeout = /** @type {any} */ (() => 0);
        const reading = async () => {
          const window = new Window(file);
          for (let at = 0; at < file.size; at += 2 * MiB) await window.with(at, at + 2 * MiB, () => undefined);
          return "read";
        };
        const said = await Promise.race([reading(), new Promise((resolve) => setTimeout(() => resolve("lost"), 20_000))]);
        clearInterval(collecting);
        return { said, collected };
      }),
    );
    assert.equal(told.said, "read");
    assert.ok(told.collected > 0);
  });

  test("a track says whether this browser plays it", { timeout: PATIENCE }, async () => {
    const told = await inPage("free", (page) =>
      page.evaluate(async () => {
        const load = (/** @type {string} */ path) => /** @type {Promise<typeof import("../../wasm/dist/index.js")>} */ (import(path));
        const { open } = await load(new URL("index.js", location.href).href);
        const file = await (await fetch("media/counter.mp4")).blob();
        const playable = async () => (await open(file)).tracks.map(({ playable }) => String(playable));
        const really = await playable();
        /** @type {string[]} */
        const asked = [];
        MediaSource.isTypeSupported = (type) => {
          asked.push(type.replace(/"(\w+).*"/, "$1"));
          return type.startsWith("audio");
        };
        const soundAlone = await playable();
        Reflect.deleteProperty(globalThis, "MediaSource");
        return { really, soundAlone, asked, unknown: await playable() };
      }),
    );
    const asked = ["video/mp4; codecs=avc1", "audio/mp4; codecs=mp4a"];
    assert.deepEqual(told, { really: ["true", "true"], soundAlone: ["false", "true"], asked, unknown: ["undefined", "undefined"] });
  });

  test("a worker that is prepared has the core, and is that of the next file", { timeout: PATIENCE }, async () => {
    const { before, after, duration, fetched } = await inPage("free", async (page) => {
      const core = page.waitForResponse(/segmenter\.wasm$/);
      /** @type {string[]} */
      const fetched = [];
      page.on("worker", (worker) => fetched.push(worker.url()));
      await page.evaluate(async () => {
        const load = (/** @type {string} */ path) => /** @type {Promise<typeof import("../../wasm/dist/index.js")>} */ (import(path));
        const { prepare } = await load(new URL("index.js", location.href).href);
        prepare();
        prepare();
      });
      await core;
      const before = fetched.length;
      const duration = await page.evaluate(async () => {
        const load = (/** @type {string} */ path) => /** @type {Promise<typeof import("../../wasm/dist/index.js")>} */ (import(path));
        const { open } = await load(new URL("index.js", location.href).href);
        const plan = await open(await (await fetch("media/sound.m4a")).blob());
        return plan.duration;
      });
      return { before, after: fetched.length, duration, fetched };
    });
    assert.ok(duration > 0);
    assert.deepEqual([before, after], [1, 1], fetched.join(" "));
  });

  for (const kind of /** @type {const} */ (["URL", "text", "Response", "bytes", "Module"])) {
    test(`the core may be given as ${kind}`, { timeout: PATIENCE }, async () => {
      const duration = await inPage("free", (page) =>
        page.evaluate(async (kind) => {
          const load = (/** @type {string} */ path) => /** @type {Promise<typeof import("../../wasm/dist/index.js")>} */ (import(path));
          const { open } = await load(new URL("index.js", location.href).href);
          const url = new URL("segmenter.wasm", location.href);
          const bytes = async () => (await fetch(url)).arrayBuffer();
          const given = { URL: () => url, text: () => url.href, Response: () => fetch(url), bytes, Module: async () => WebAssembly.compile(await bytes()) };
          const plan = await open(await (await fetch("media/sound.m4a")).blob(), { wasm: await given[kind]() });
          return plan.duration;
        }, kind),
      );
      assert.ok(duration > 0);
    });
  }

  test("a file goes up to a server of another origin, which is hardly ever asked whether it may", { timeout: PATIENCE }, async () => {
    const uploads = await startServer(media.folder, undefined, "--uploads");
    try {
      await inPage("free", async (page) => {
        const devtools = await page.context().newCDPSession(page);
        await devtools.send("Network.enable");
        /** @type {string[]} */
        const asked = [];
        devtools.on("Network.requestWillBeSent", ({ request }) => request.method === "OPTIONS" && asked.push(new URL(request.url).pathname));
        const told = await page.evaluate(async (server) => {
          const { open, upload } = /** @type {typeof import("../../wasm/dist/index.js")} */ (await import(new URL("index.js", location.href).href));
          const plan = await open(await (await fetch("media/counter.mp4")).blob(), { segment: 1 });
          const { id, hls } = await upload(plan, { server });
          const master = await (await fetch(hls)).text();
          return { id, tracks: plan.tracks.length, segments: plan.order().length, master };
        }, uploads.plain);
        assert.match(told.master, /^#EXTM3U\n/);
        assert.ok(told.segments > 4 * told.tracks, `${told.segments} segments`);
        // Where segments go there is one URL: only those that set out before the first answer ask for themselves.
        const forSegments = asked.filter((path) => path === `/upload/${told.id}`);
        assert.ok(forSegments.length >= 1 && forSegments.length <= told.tracks, asked.join(" "));
      });
    } finally {
      await uploads.stop();
    }
  });

  test("an upload that is given up ends what the worker sends, and its plan goes on", { timeout: PATIENCE }, async () => {
    /** Takes every plan, and never answers who sends a segment. */
    const silent = createServer((request, response) => {
      const { origin = "", "access-control-request-headers": asked = "" } = request.headers;
      // Who does not read what comes does not see the end of it either.
      request.resume();
      response.setHeader("access-control-allow-origin", origin).setHeader("access-control-allow-headers", asked).setHeader("access-control-allow-methods", "PUT");
      if (request.method === "POST") response.writeHead(201).end(JSON.stringify({ id: "up-1", token: "t", have: {}, window: 2, hls: "/hls", dash: "/dash" }));
      else if (request.method === "OPTIONS") response.writeHead(204).end();
      else response.once("close", () => silent.emit("gone")) && silent.emit("sent");
    });
    await new Promise((resolve) => silent.listen(0, "127.0.0.1", () => resolve(undefined)));
    const address = silent.address();
    try {
      await inPage("free", async (page) => {
        const [sent, gone] = [once(silent, "sent"), once(silent, "gone")];
        const ended = page.evaluate(async (server) => {
          const { open, upload } = /** @type {typeof import("../../wasm/dist/index.js")} */ (await import(new URL("index.js", location.href).href));
          const plan = await open(await (await fetch("media/counter.mp4")).blob());
          const giving = new AbortController();
          addEventListener("enough", () => giving.abort(new Error("enough")), { once: true });
          const message = await upload(plan, { server, signal: giving.signal }).then(() => "done", (error) => error.message);
          return { message, size: (await plan.segment("v1", 1)).size };
        }, `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`);
        await sent;
        await page.evaluate(() => dispatchEvent(new Event("enough")));
        await gone;
        const { message, size } = await ended;
        assert.equal(message, "enough");
        assert.ok(size > 0);
      });
    } finally {
      silent.closeAllConnections();
      silent.close();
    }
  });

  test("errors are of the same classes through the worker", { timeout: PATIENCE }, async () => {
    const error = await inPage("free", (page) =>
      page.evaluate(async () => {
        const load = (/** @type {string} */ path) => /** @type {Promise<typeof import("../../wasm/dist/index.js")>} */ (import(path));
        const { open, UnsupportedError } = await load(new URL("index.js", location.href).href);
        return open(new Blob(["no video at all."])).catch((error) => (JSON.parse(JSON.stringify({ ...error, message: error.message, is: error instanceof UnsupportedError }))));
      }),
    );
    assert.deepEqual(error, { name: "UnsupportedError", kind: "unsupported", message: error.message, offset: 0, is: true });
    assert.match(error.message, /not an MP4 or MOV file/);
  });

  test("the local file plays from its own segments, seeks, ends; its key frames are pictures", { timeout: PATIENCE }, async () => {
    const told = await inPage("free", (page) =>
      page.evaluate(async () => {
        const load = (/** @type {string} */ path) => /** @type {Promise<typeof import("../../wasm/dist/index.js")>} */ (import(path));
        const { open, preview, thumbnails } = await load(new URL("index.js", location.href).href);
        const plan = await open(await (await fetch("media/counter.mp4")).blob());
        const video = document.createElement("video");
        document.body.append(video);
        video.muted = true;
        const happens = (/** @type {string} */ event) => new Promise((resolve) => video.addEventListener(event, resolve, { once: true }));
        const shown = preview(plan, video);
        await happens("loadeddata");
        const { videoWidth, duration } = video;
        video.currentTime = 9;
        await happens("seeked");
        const ended = happens("ended");
        await video.play();
        await ended;
        const pictures = [];
        for await (const { time, image } of thumbnails(plan, [0, 5, 11])) pictures.push([time, image.width]);
        shown.close();
        return { playable: plan.tracks.map(({ playable }) => playable), videoWidth, duration: Math.round(duration), at: Math.round(video.currentTime), pictures };
      }),
    );
    assert.deepEqual(told, { playable: [true, true], videoWidth: 640, duration: 12, at: told.at, pictures: [[0, 160], [4, 160], [8, 160]] });
  });
});
