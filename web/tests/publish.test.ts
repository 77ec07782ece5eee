import assert from "node:assert/strict";
import test from "node:test";
import { ENCODERS, type Encoder, recipe, streamName } from "../src/publish.ts";

test("any text becomes a name that is safe in an address", () => {
  assert.equal(streamName("news"), "news");
  assert.equal(streamName("  my cam! "), "my-cam");
  assert.equal(streamName("a/../b?c#d"), "a-..-b-c-d");
  assert.equal(streamName("..hidden"), "hidden");
  assert.equal(streamName("$(rm -rf)`'\""), "rm-rf");
  assert.equal(streamName(""), "mystream");
});

const HTTP = { origin: "https://example.org:8443", rtmp: null };

test("every encoder is told the address", () => {
  for (const encoder of Object.keys(ENCODERS) as Encoder[]) {
    const { words, text } = recipe(encoder, HTTP, "news");
    assert.match(text, /https:\/\/example\.org:8443\/(ingest|whip)\/news(\s|$)/);
    assert.ok(words.length > 0);
  }
});

test("OBS streams by RTMP where it can", () => {
  const { text } = recipe("obs", { ...HTTP, rtmp: 1936 }, "news");
  assert.match(text, /rtmp:\/\/example\.org:1936\/live\n[^\n]* news\n/);
});

test("lines of a command hang together", () => {
  for (const encoder of ["ffmpeg", "gstreamer"] as const) {
    const lines = recipe(encoder, HTTP, "news").text.split("\n");
    for (const line of lines.slice(0, -1)) assert.match(line, / \\$/);
    assert.doesNotMatch(lines.at(-1) ?? "", /\\$/);
  }
});
