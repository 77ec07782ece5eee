import assert from "node:assert/strict";
import test from "node:test";
import { parse } from "../src/storyboard.ts";

test("a storyboard is read", () => {
  const text = "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nstoryboard-1.jpg#xywh=0,0,160,90\n\n01:00:01.500 --> 01:00:02.000\nstoryboard-2.jpg#xywh=160,90,160,90\n";
  assert.deepEqual(parse(text, new URL("https://host/media/a%20b/images/storyboard.vtt")), [
    { start: 0, url: "https://host/media/a%20b/images/storyboard-1.jpg", x: 0, y: 0, width: 160, height: 90 },
    { start: 3601.5, url: "https://host/media/a%20b/images/storyboard-2.jpg", x: 160, y: 90, width: 160, height: 90 },
  ]);
  assert.deepEqual(parse("WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n", new URL("https://host/")), []);
});
