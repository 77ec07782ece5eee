import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "vite";

interface Manifest {
  version?: string;
  license?: string;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

function manifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** Writes licenses.txt: the notice of every package that can end up in the bundle. */
function licenses(): Plugin {
  const root = import.meta.dirname;
  const notices = new Map<string, string>();
  /** Which package a text was printed with first; many share one to the letter. */
  const printed = new Map<string, string>();

  const collect = (name: string, parent: string): void => {
    // npm nests a package under its parent only when two versions are needed.
    const nested = join(parent, "node_modules", name);
    const folder = existsSync(nested) ? nested : join(root, "node_modules", name);
    const { version, license, dependencies, peerDependencies } = manifest(folder);
    const key = `${name} ${version ?? ""}`;
    if (notices.has(key)) return;
    const texts = readdirSync(folder)
      .filter((file) => /^(licen[sc]e|notice)/i.test(file) && !file.endsWith(".html"))
      .map((file) => readFileSync(join(folder, file), "utf8").trim());
    const shown = texts.map((text) => (printed.has(text) ? `The text is that of ${printed.get(text)}, above.` : text));
    for (const text of texts) if (!printed.has(text)) printed.set(text, key);
    notices.set(key, [`${key} (${license ?? "see below"})`, ...shown].join("\n\n"));
    for (const child of Object.keys({ ...dependencies, ...peerDependencies })) collect(child, folder);
  };

  return {
    name: "reelway-licenses",
    apply: "build",
    generateBundle() {
      // Our own package has no one else's code in it.
      for (const name of Object.keys(manifest(root).dependencies ?? {})) if (name !== "reelway") collect(name, root);
      // dash.js ships as one bundle; these parts of it are listed beside the bundle only.
      const inside = readFileSync(join(root, "node_modules/dashjs/dist/modern/esm/dash.all.min.js.LICENSE.txt"), "utf8");
      notices.set("inside dashjs", `Inside dashjs\n\n${inside.trim()}`);
      // hls.js is bundled too, and lists its parts among its development dependencies.
      notices.set(
        "inside hls.js",
        [
          "Inside hls.js",
          "",
          "eventemitter3 (MIT), Copyright (c) 2014 Arnout Kazemier; on the terms of the MIT licence printed above.",
          "url-toolkit and the @svta/cml packages (Apache-2.0); on the terms of the Apache licence printed with hls.js.",
        ].join("\n"),
      );
      const source = [...notices.values()].join(`\n\n${"-".repeat(78)}\n\n`);
      this.emitFile({ type: "asset", fileName: "licenses.txt", source: `${source}\n` });
    },
  };
}

const origin = process.env["REELWAY_ORIGIN"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [licenses()],
  worker: { format: "es" },
  build: {
    target: "es2022",
    // Everything stays a file of this origin, so a strict Content-Security-Policy holds.
    assetsInlineLimit: 0,
    rollupOptions: { input: ["index.html", "embed.html"] },
    modulePreload: { polyfill: false },
    // Each player is a single library, loaded only when it is asked for.
    chunkSizeWarningLimit: 1000,
  },
  server: {
    proxy: Object.fromEntries(["/api", "/vod", "/media", "/live", "/ingest", "/upload"].map((path) => [path, origin])),
  },
});
