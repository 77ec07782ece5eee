/** A source of text beside an encoder: a line for each second, as WebVTT in samples (ISO/IEC 14496-30 7), a fragment for each line. */

import { setTimeout as sleep } from "node:timers/promises";

/** By so many seconds lines are sent before they are spoken. */
const AHEAD = 3;

/** @param {string} name @param {...(Buffer | string | number[])} content */
function box(name, ...content) {
  const bytes = Buffer.concat(content.map((part) => Buffer.from(part)));
  return Buffer.concat([number(bytes.length + 8), Buffer.from(name), bytes]);
}

/** @param {string} name @param {number} flags @param {...(Buffer | string | number[])} content */
function full(name, flags, ...content) {
  return box(name, number(flags), ...content);
}

/** @param {number} value */
function number(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const zeros = (/** @type {number} */ count) => Buffer.alloc(count);

function header() {
  const entry = box("wvtt", [0, 0, 0, 0, 0, 0, 0, 1], box("vttC", "WEBVTT"));
  const tables = ["stts", "stsc", "stco"].map((name) => full(name, 0, number(0)));
  const table = box("stbl", full("stsd", 0, number(1), entry), ...tables, full("stsz", 0, zeros(8)));
  const media = box("mdia", full("mdhd", 0, zeros(8), number(1000), zeros(4), [0x15, 0xc7, 0, 0]), full("hdlr", 0, zeros(4), "text", zeros(13)), box("minf", full("nmhd", 0), table));
  const movie = full("mvhd", 0, zeros(8), number(1000), zeros(80), number(2));
  const track = box("trak", full("tkhd", 3, zeros(8), number(1), zeros(68)), media);
  return Buffer.concat([box("ftyp", "iso6", zeros(4), "iso6cmfc"), box("moov", movie, track, box("mvex", full("trex", 0, number(1), number(1), zeros(12))))]);
}

/** What is spoken in a second of the media of the encoder.
 * @param {number} second */
function fragment(second) {
  const sample = box("vttc", box("payl", `line ${second}`));
  const time = [...number(0), ...number(second * 1000)];
  const track = (/** @type {number} */ place) =>
    box("traf", full("tfhd", 0x20000, number(1)), box("tfdt", [1, 0, 0, 0], time), full("trun", 0x301, number(1), number(place), number(1000), number(sample.length)));
  const moof = (/** @type {number} */ place) => box("moof", full("mfhd", 0, number(1)), track(place));
  return Buffer.concat([moof(moof(0).length + 8), box("mdat", sample)]);
}

/** Sends lines to the file at `url`, of whose seconds the first begins now.
 * @param {string} url */
export function startWords(url) {
  const put = async (/** @type {Buffer} */ body) => {
    const answer = await fetch(url, { method: "PUT", body: new Uint8Array(body) });
    if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  };
  const began = Date.now();
  let [ended, second] = [false, 0];
  const sent = (async () => {
    await put(header());
    while (!ended) {
      while (second * 1000 < Date.now() - began + AHEAD * 1000) await put(fragment(second++));
      await sleep(200);
    }
  })();
  return {
    /** Sends no more. */
    async end() {
      ended = true;
      await sent;
    },
  };
}
