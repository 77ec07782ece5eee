import assert from "node:assert/strict";
import test from "node:test";
import { embedPath, parseRoute, streamHref, watchHref } from "../src/route.ts";

test("every id survives the way through the address", () => {
  for (const id of ["a.mp4", "movies/a.mp4", "a b#c?d%20.mp4", "日本/映画.mp4", "100%.mp4"]) {
    assert.deepEqual(parseRoute(watchHref(id)), { page: "watch", id });
  }
});

test("live streams have pages of their own", () => {
  assert.deepEqual(parseRoute("#/live"), { page: "live" });
  assert.deepEqual(parseRoute(streamHref("news 1")), { page: "stream", id: "news 1" });
});

test("places of the header", () => {
  for (const page of ["upload", "jobs", "about"]) assert.deepEqual(parseRoute(`#/${page}`), { page });
  assert.equal(parseRoute("#/jobs/x"), undefined);
  assert.equal(embedPath("vod", "films/a b.mp4"), "/embed/vod/films/a%20b.mp4");
});

test("slashes stay readable", () => {
  assert.equal(watchHref("movies/a b.mp4"), "#/watch/movies/a%20b.mp4");
});

test("no hash is the library, a foreign hash is no page, a broken escape does not throw", () => {
  assert.deepEqual(parseRoute(""), { page: "library" });
  assert.deepEqual(parseRoute("#/"), { page: "library" });
  assert.equal(parseRoute("#elsewhere"), undefined);
  assert.deepEqual(parseRoute("#/watch/100%"), { page: "watch", id: "100%" });
});
