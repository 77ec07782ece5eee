import assert from "node:assert/strict";
import test from "node:test";
import { chapterAt, parse } from "../src/chapters.ts";

test("chapters are read, and found by time", () => {
  const chapters = parse("WEBVTT\n\n00:00:01.000 --> 00:00:04.500\nAt &lt;home&gt; &amp; away\n\n01:00:04.500 --> 01:00:09.000\n2\n");
  assert.deepEqual(chapters, [
    { start: 1, title: "At <home> & away" },
    { start: 3604.5, title: "2" },
  ]);
  assert.deepEqual([0, 1, 3604, 3604.47, 9999].map((seconds) => chapterAt(chapters, seconds)), [-1, 0, 0, 1, 1]);
  assert.deepEqual(parse("WEBVTT\n"), []);
});
