/** A film as large as a bench wants it. */

import { execFileSync } from "node:child_process";
import { rmSync, statSync } from "node:fs";

const MINUTE = 60;
/** In bits a second. */
const RATE = "8M";

/** Makes a film of so many megabytes: a minute of it is encoded, and stands in it again and again.
 * @param {string} path @param {number} megabytes */
export function makeFilm(path, megabytes) {
  const minute = `${path}.minute.mp4`;
  const ffmpeg = (/** @type {string[]} */ ...args) => execFileSync("ffmpeg", ["-nostdin", "-v", "error", "-y", ...args], { stdio: ["ignore", "ignore", "inherit"] });
  const sources = ["-f", "lavfi", "-i", `testsrc2=s=1280x720:r=25:d=${MINUTE}`, "-f", "lavfi", "-i", `sine=d=${MINUTE}`];
  const picture = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-b:v", RATE, "-minrate", RATE, "-maxrate", RATE, "-bufsize", RATE, "-x264-params", "nal-hrd=cbr"];
  ffmpeg(...sources, ...picture, "-c:a", "aac", "-b:a", "128k", minute);
  const again = Math.max(0, Math.round((megabytes * 1e6) / statSync(minute).size) - 1);
  ffmpeg("-stream_loop", String(again), "-i", minute, "-c", "copy", path);
  rmSync(minute);
}
