/** Upload clients of others, as they come from npm, with one face. Runs in a page. */

import { createUpload } from "@mux/upchunk";
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
import { Upload } from "tus-js-client";

/** Bytes of a chunk; UpChunk wants multiples of 256 KiB. */
const CHUNK = 256 << 10;
/** Milliseconds between tries. */
const AGAIN = [100, 200, 400, 800, 1600, 3200, 6400, 6400, 6400];

/** What is told of an upload as it goes.
 * @typedef {{ acknowledged(offset: number): void, at(url: string | null): void, asset(id: string): void, ended(error?: unknown): void }} Told
 * @typedef {{ pause(): unknown, resume(): unknown, abandon(): unknown }} Steered */

/** What both clients of tus are told.
 * @param {string} endpoint @param {number} chunk @param {Told} told */
function tus(endpoint, chunk, told) {
  return {
    endpoint,
    chunkSize: chunk,
    retryDelays: AGAIN,
    // The next test sends the same file.
    removeFingerprintOnSuccess: true,
    onAfterResponse(/** @type {import("tus-js-client").HttpRequest} */ request, /** @type {import("tus-js-client").HttpResponse} */ response) {
      told.at(response.getHeader("location") ?? null);
      const asset = response.getHeader("reelway-asset");
      if (asset) told.asset(asset);
      if (request.getMethod() === "PATCH" && response.getStatus() < 300) told.acknowledged(Number(response.getHeader("upload-offset")));
    },
  };
}

/** @type {Record<string, (endpoint: string, file: File, chunk: number, told: Told) => Promise<Steered>>} */
const CLIENTS = {
  async "tus-js-client"(endpoint, file, chunk, told) {
    const metadata = { filename: file.name };
    const upload = new Upload(file, {
      ...tus(endpoint, chunk, told),
      metadata,
      onSuccess: () => told.ended(),
      onError: told.ended,
    });
    const [before] = await upload.findPreviousUploads();
    if (before) upload.resumeFromPreviousUpload(before);
    upload.start();
    return { pause: () => upload.abort(), resume: () => upload.start(), abandon: () => upload.abort(true) };
  },
  async Uppy(endpoint, file, chunk, told) {
    const uppy = new Uppy().use(Tus, tus(endpoint, chunk, told));
    uppy.on("upload-success", () => told.ended());
    uppy.on("upload-error", (_, error) => told.ended(error));
    const id = uppy.addFile({ name: file.name, type: file.type, data: file });
    void uppy.upload();
    return { pause: () => uppy.pauseAll(), resume: () => uppy.resumeAll(), abandon: () => uppy.removeFile(id) };
  },
  async UpChunk(endpoint, file, chunk, told) {
    // It is given a place to send to, which somebody has made before.
    const headers = { "tus-resumable": "1.0.0", "upload-length": String(file.size), "upload-metadata": `filename ${btoa(file.name)}` };
    const made = await fetch(endpoint, { method: "POST", headers });
    const url = String(new URL(made.headers.get("location") ?? "", endpoint));
    told.at(url);
    const upload = createUpload({ endpoint: url, file, chunkSize: chunk >> 10, delayBeforeAttempt: 0.2, attempts: 20 });
    upload.on("chunkSuccess", ({ detail }) => {
      const { "reelway-asset": asset, "upload-offset": offset } = detail.response.headers;
      if (asset) told.asset(asset);
      told.acknowledged(Number(offset));
    });
    upload.on("success", () => told.ended());
    upload.on("error", ({ detail }) => told.ended(detail.message));
    return { pause: () => upload.pause(), resume: () => upload.resume(), abandon: () => upload.abort() };
  },
};

/** Sends the file that was chosen. `stop`: it pauses itself once so many bytes are acknowledged.
 * @param {{ client: string, endpoint: string, stop?: number, chunk?: number }} how */
async function send({ client, endpoint, stop = Infinity, chunk = CHUNK }) {
  const file = document.querySelector("input")?.files?.[0];
  const begin = CLIENTS[client];
  if (!file || !begin) throw new Error(`${client} has nothing to send`);
  /** @type {Window["sending"]} */
  const state = { acknowledged: 0, url: "", asset: "", paused: false, ended: false, error: "", pause: () => undefined, resume: () => undefined, abandon: () => undefined };
  window.sending = state;
  const steered = await begin(endpoint, file, chunk, {
    acknowledged(offset) {
      state.acknowledged = offset;
      if (offset < stop) return;
      stop = Infinity;
      // As a person does it: while the next chunk is on its way.
      setTimeout(() => {
        steered.pause();
        state.paused = true;
      });
    },
    at: (url) => void (url && (state.url = String(new URL(url, endpoint)))),
    asset: (id) => void (state.asset = id),
    ended(error) {
      state.ended = true;
      if (error) state.error = String(error);
    },
  });
  Object.assign(state, steered);
}

Object.assign(window, { send });
