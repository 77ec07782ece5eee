/** The part of the address after "#": which page, of which video. */

export type Route = { page: "library" | "live" | "upload" | "jobs" | "about" } | { page: "watch" | "stream"; id: string };

export const LIBRARY_HREF = "#/";
export const LIVE_HREF = "#/live";
export const UPLOAD_HREF = "#/upload";
export const JOBS_HREF = "#/jobs";
export const ABOUT_HREF = "#/about";

/** Slashes stay readable; everything else that could end or split the address is encoded. */
export function watchHref(id: string): string {
  return `#/watch/${id.split("/").map(encodeURIComponent).join("/")}`;
}

export function streamHref(name: string): string {
  return `${LIVE_HREF}/${encodeURIComponent(name)}`;
}

/** The player alone, for frames of other pages. */
export function embedPath(kind: "vod" | "live", id: string): string {
  return `/embed/${kind}/${id.split("/").map(encodeURIComponent).join("/")}`;
}

/** Undefined for a hash that is no page. */
export function parseRoute(hash: string): Route | undefined {
  const path = hash.replace(/^#/, "");
  if (path === "" || path === "/") return { page: "library" };
  const [, plain] = /^\/(live|upload|jobs|about)\/?$/.exec(path) ?? [];
  if (plain !== undefined) return { page: plain as "live" | "upload" | "jobs" | "about" };
  const [, place, rest] = /^\/(watch|live)\/(.+)$/.exec(path) ?? [];
  if (rest === undefined) return undefined;
  const page = place === "live" ? "stream" : "watch";
  try {
    return { page, id: decodeURIComponent(rest) };
  } catch {
    return { page, id: rest };
  }
}
