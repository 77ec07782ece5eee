import assert from "node:assert/strict";
import test from "node:test";
import {
  bufferAhead,
  codecName,
  formatBitrate,
  formatBytes,
  formatDuration,
  formatFrameRate,
  hueOf,
  initials,
  protocolName,
} from "../src/format.ts";

test("durations show hours only when there are some", () => {
  assert.equal(formatDuration(0), "0:00");
  assert.equal(formatDuration(59_499), "0:59");
  assert.equal(formatDuration(59_500), "1:00");
  assert.equal(formatDuration(754_000), "12:34");
  assert.equal(formatDuration(3_723_000), "1:02:03");
});

test("sizes and bit rates step by 1000 and never show 1000 of a unit", () => {
  assert.equal(formatBytes(10), "10\u00a0B");
  assert.equal(formatBytes(999), "999\u00a0B");
  assert.equal(formatBytes(1000), "1\u00a0kB");
  assert.equal(formatBytes(999_600), "1\u00a0MB");
  assert.equal(formatBytes(1_234_567), "1.2\u00a0MB");
  assert.equal(formatBytes(9_960_000), "10\u00a0MB");
  assert.equal(formatBytes(20_000_000_000), "20\u00a0GB");
  assert.equal(formatBitrate(96_000), "96\u00a0kbit/s");
  assert.equal(formatBitrate(1_500_000), "1.5\u00a0Mbit/s");
});

test("frame rates come as whole numbers or fractions", () => {
  assert.equal(formatFrameRate("25"), "25");
  assert.equal(formatFrameRate("30000/1001"), "29.97");
  assert.equal(formatFrameRate("1/0"), "1/0");
});

test("codec strings become names, unknown ones stay", () => {
  assert.equal(codecName("avc1.64001F"), "H.264");
  assert.equal(codecName("hvc1.1.6.L93.B0"), "HEVC");
  assert.equal(codecName("av01.0.04M.08"), "AV1");
  assert.equal(codecName("mp4a.40.2"), "AAC");
  assert.equal(codecName("mp4a.40.29"), "HE-AAC v2");
  assert.equal(codecName("mp4a.6B"), "MP3");
  assert.equal(codecName("Opus"), "Opus");
  assert.equal(codecName("zzzz.1"), "zzzz.1");
});

test("protocols get the names people know", () => {
  assert.deepEqual(["h3", "h2", "http/1.1", "new"].map(protocolName), ["HTTP/3", "HTTP/2", "HTTP/1.1", "new"]);
});

test("every name has initials or none at all", () => {
  assert.equal(initials("harbour-at-dawn.mp4"), "HA");
  assert.equal(initials("a.mp4"), "A");
  assert.equal(initials("ladder.mp4"), "LA");
  assert.equal(initials("östersjön 2026.mov"), "Ö2");
  assert.equal(initials("___.mp4"), "");
});

test("the hue of a name stays the same and within the circle", () => {
  assert.equal(hueOf("a.mp4"), hueOf("a.mp4"));
  for (const name of ["", "a", "a.mp4", "b.mp4", "日本"]) assert.ok(hueOf(name) >= 0 && hueOf(name) < 360);
});

test("buffer is measured in the range that holds the playhead", () => {
  const ranges = (...pairs: [number, number][]) => ({
    length: pairs.length,
    start: (i: number) => pairs[i]?.[0] ?? NaN,
    end: (i: number) => pairs[i]?.[1] ?? NaN,
  });
  assert.equal(bufferAhead(ranges(), 0), 0);
  assert.equal(bufferAhead(ranges([0, 4], [6, 10]), 1), 3);
  assert.equal(bufferAhead(ranges([0, 4], [6, 10]), 5), 0);
  assert.equal(bufferAhead(ranges([0, 4], [6, 10]), 7), 3);
  assert.ok(bufferAhead(ranges([0.08, 4]), 0) > 3.9);
});
