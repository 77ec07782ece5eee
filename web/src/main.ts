import "./styles/base.css";
import { serverInfo } from "./api.ts";
import "./debug.ts";
import { h } from "./dom.ts";
import { protocolName } from "./format.ts";
import { LibraryView } from "./library.ts";
import { ABOUT_HREF, JOBS_HREF, LIBRARY_HREF, LIVE_HREF, parseRoute, type Route, UPLOAD_HREF } from "./route.ts";
import type { View } from "./view.ts";

const main = document.getElementById("main") as HTMLElement;
let current: View | undefined;
let turn = 0;

async function open(route: Route): Promise<View> {
  switch (route.page) {
    case "library":
      return new LibraryView();
    case "watch": {
      const { WatchView } = await import("./watch.ts");
      return new WatchView(route.id);
    }
    case "live": {
      const { LiveView } = await import("./live.ts");
      return new LiveView();
    }
    case "jobs": {
      const { JobsView } = await import("./jobs.ts");
      return new JobsView();
    }
    case "about": {
      const { AboutView } = await import("./about.ts");
      return new AboutView();
    }
    case "stream": {
      const { StreamView } = await import("./stream.ts");
      return new StreamView(route.id);
    }
    case "upload": {
      const { UploadView } = await import("./upload.ts");
      return new UploadView();
    }
  }
}

async function show(): Promise<void> {
  const route = parseRoute(location.hash);
  if (!route) {
    location.replace(LIBRARY_HREF);
    return;
  }
  const mine = (turn += 1);
  const first = current === undefined;
  current?.destroy();
  const view = await open(route).catch(failedToLoad);
  if (mine !== turn) {
    view.destroy();
    return;
  }
  current = view;
  markPlace(route);
  document.title = view.title;
  main.replaceChildren(view.root);
  scrollTo(0, 0);
  // After a change of page the keyboard and the screen reader start at its top, as on a real load.
  if (!first) main.focus({ preventScroll: true });
  view.shown?.();
}

const PLACES: Record<Route["page"], string> = {
  library: LIBRARY_HREF,
  watch: LIBRARY_HREF,
  live: LIVE_HREF,
  stream: LIVE_HREF,
  upload: UPLOAD_HREF,
  jobs: JOBS_HREF,
  about: ABOUT_HREF,
};

/** Shows in the header which of its places the page belongs to. */
function markPlace({ page }: Route): void {
  for (const link of document.querySelectorAll<HTMLAnchorElement>(".places a")) {
    if (link.hash === PLACES[page]) link.setAttribute("aria-current", page === "watch" || page === "stream" ? "true" : "page");
    else link.removeAttribute("aria-current");
  }
}

/** A part of the app that does not arrive: the server was replaced by a newer one, or is gone. */
function failedToLoad(): View {
  const root = h(
    "section",
    { class: "notice", role: "alert" },
    h("h1", {}, "This page did not load"),
    h("p", {}, "The server is not reachable, or has changed since you opened it."),
    h("p", {}, h("a", { class: "button", href: "/" }, "Load it again")),
  );
  return { title: "Reelway", root, destroy() {} };
}

async function describeServer(): Promise<void> {
  const line = document.getElementById("server");
  if (!line) return;
  try {
    const { name, version, protocols, over, uploads } = await serverInfo();
    for (const link of document.querySelectorAll<HTMLElement>(".places a[hidden]")) link.hidden = !uploads;
    const speaks = `speaks ${protocols.map(protocolName).join(", ")}`;
    line.textContent = [`${name} ${version}`, speaks, over && `you are on ${protocolName(over)}`].filter(Boolean).join(" · ");
  } catch {
    // The page itself tells what is wrong.
  }
}

// The default of 250 entries is a few minutes of segments; what is measured here should not end there.
performance.setResourceTimingBufferSize(10_000);
// The hash is the page, so the skip link must not change it.
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", () => void show());
void show();
void describeServer();
