import { strict as assert } from "node:assert";
import { test } from "node:test";
import { Speed } from "../src/speed.ts";

test("speed is that of the last seconds", () => {
  const speed = new Speed(8000);
  assert.equal(speed.at(0, 0), undefined);
  assert.equal(speed.at(50, 100), undefined);
  assert.equal(speed.at(1000, 1000), 1000);
  assert.equal(speed.at(9000, 5000), 1800);
  // The first seconds are forgotten.
  assert.equal(speed.at(9000, 13_000), 0);
});
