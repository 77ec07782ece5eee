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

test("every encoder is told the address", () => {
  for (const encoder of Object.keys(ENCODERS) as Encoder[]) {
    const { words, text } = recipe(encoder, "https://example.org", "news");
    assert.match(text, /https:\/\/example\.org\/(ingest|whip)\/news(\s|$)/);
    assert.ok(words.length > 0);
  }
});

test("lines of a command hang together", () => {
  for (const encoder of ["ffmpeg", "gstreamer"] as const) {
    const lines = recipe(encoder, "https://example.org", "news").text.split("\n");
    for (const line of lines.slice(0, -1)) assert.match(line, / \\$/);
    assert.doesNotMatch(lines.at(-1) ?? "", /\\$/);
  }
});
