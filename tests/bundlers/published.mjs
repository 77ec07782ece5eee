/** The package as people get it. */

import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** The folder of it, under `root`. @param {string} root */
export function published(root) {
  const packed = execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", root], { cwd: join(import.meta.dirname, "../../wasm"), encoding: "utf8" });
  execFileSync("tar", ["-xzf", join(root, packed.trim()), "-C", root]);
  return join(root, "package");
}
