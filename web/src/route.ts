/** The part of the address after "#": which page, of which video. */

export type Route = { page: "library" } | { page: "watch"; id: string };

export const LIBRARY_HREF = "#/";

/** Slashes stay readable; everything else that could end or split the address is encoded. */
export function watchHref(id: string): string {
  return `#/watch/${id.split("/").map(encodeURIComponent).join("/")}`;
}

/** Undefined for a hash that is no page. */
export function parseRoute(hash: string): Route | undefined {
  const path = hash.replace(/^#/, "");
  if (path === "" || path === "/") return { page: "library" };
  const watch = /^\/watch\/(.+)$/.exec(path)?.[1];
  if (watch === undefined) return undefined;
  try {
    return { page: "watch", id: decodeURIComponent(watch) };
  } catch {
    return { page: "watch", id: watch };
  }
}
