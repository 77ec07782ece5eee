/** What a browser takes of the machine, of all its processes together. Linux alone tells it (`/proc`). */

import { readFileSync, readdirSync } from "node:fs";

/** Of the processor times in `/proc/PID/stat`. */
const TICKS_A_SECOND = 100;
const OFTEN = 20;

/** Watches the processes that have `marker` in their command line, and those that they have begun. What it returns ends that, and tells
 * the growth of their own memory at its highest, in bytes, and their processor time, in seconds.
 * @param {string} marker */
export function watchProcesses(marker) {
  const before = taken(tree(marker));
  let most = before.memory;
  const look = () => {
    const now = taken(tree(marker));
    most = Math.max(most, now.memory);
    return now;
  };
  const timer = setInterval(look, OFTEN);
  return () => {
    clearInterval(timer);
    const { seconds } = look();
    return { memory: most - before.memory, seconds: seconds - before.seconds };
  };
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It has ended meanwhile.
    return "";
  }
}

/** The fields of `/proc/PID/stat` behind the name, which may hold anything. @param {number} process */
function stat(process) {
  const text = read(`/proc/${process}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
}

/** @param {string} marker */
function tree(marker) {
  const all = readdirSync("/proc").map(Number).filter((process) => process > 0);
  const parents = new Map(all.map((process) => [process, stat(process)[1]]));
  const found = new Set(all.filter((process) => process !== globalThis.process.pid && read(`/proc/${process}/cmdline`).includes(marker)));
  // Children are mostly younger than what began them; where numbers have begun anew, the next round finds them.
  for (const process of all) if (found.has(parents.get(process) ?? 0)) found.add(process);
  return [...found];
}

/** @param {number[]} processes */
function taken(processes) {
  let [memory, seconds] = [0, 0];
  for (const process of processes) {
    for (const [, kilobytes] of read(`/proc/${process}/status`).matchAll(/^Rss(?:Anon|Shmem):\s+(\d+)/gm)) memory += Number(kilobytes) * 1024;
    const [, , , , , , , , , , , user = 0, system = 0] = stat(process);
    seconds += (user + system) / TICKS_A_SECOND;
  }
  return { memory, seconds };
}
