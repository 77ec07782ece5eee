/** The package as it is published, built by each bundler with the options that it comes with, and run in Chromium: worker and core must be
 * found wherever the bundler has put them. Those that know nothing of workers and `.wasm` files are to use `reelway/inline`. */

import { strict as assert } from "node:assert";
import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { ffmpeg, picture } from "../../wasm/tests/support.mjs";
import { published } from "./published.mjs";

const HERE = import.meta.dirname;
const BIN = join(HERE, "node_modules/.bin");
const PATIENCE = 300_000;
const TYPES = /** @type {Record<string, string>} */ ({ ".js": "text/javascript", ".mjs": "text/javascript", ".html": "text/html", ".wasm": "application/wasm", ".mp4": "video/mp4" });

/** What the page runs: the plan of a file, and a segment. @param {string} entry */
const program = (entry) => `import { open } from "${entry}";
async function run() {
  const plan = await open(await (await fetch("/clip.mp4")).blob());
  const { size, bytes } = await plan.segment("v1", 1, { target: "bytes" });
  return [plan.tracks.length, bytes.byteLength === size].join();
}
run().then((told) => (window.told = told), (error) => (window.told = String(error)));
`;
/** @param {string} script @param {boolean} [module] */
const page = (script, module = true) => `<!doctype html><meta charset="utf-8"><script ${module ? 'type="module"' : ""} src="${script}"></script>`;

/** Each builds the project in `folder`, whose program is main.js, and names the folder to serve.
 * @type {Record<string, { entry: string, build: (folder: string) => string }>} */
const BUNDLERS = {
  vite: { entry: "reelway", build: (folder) => (run(folder, "vite", "build", "--logLevel", "error"), "dist") },
  webpack: {
    entry: "reelway",
    build(folder) {
      run(folder, "webpack", "--mode", "production", "--entry", "./main.js", "-o", join(folder, "dist"));
      writeFileSync(join(folder, "dist/index.html"), page("main.js", false));
      return "dist";
    },
  },
  rspack: {
    entry: "reelway",
    build(folder) {
      const options = `{ mode: "production", entry: "./main.js", output: { path: ${JSON.stringify(join(folder, "dist"))}, filename: "main.js" } }`;
      writeFileSync(join(folder, "rspack.config.mjs"), `export default ${options};\n`);
      run(folder, "rspack", "build");
      writeFileSync(join(folder, "dist/index.html"), page("main.js", false));
      return "dist";
    },
  },
  parcel: {
    entry: "reelway",
    build(folder) {
      run(folder, "parcel", "build", "index.html", "--no-cache", "--cache-dir", "cache", "--no-source-maps", "--log-level", "error");
      return "dist";
    },
  },
  next: {
    entry: "reelway",
    build(folder) {
      mkdirSync(join(folder, "app"));
      writeFileSync(join(folder, "next.config.mjs"), 'export default { output: "export", typescript: { ignoreBuildErrors: true } };\n');
      writeFileSync(join(folder, "app/layout.js"), "export default ({ children }) => <html><body>{children}</body></html>;\n");
      const effect = program("reelway").replace(/^import.*\n/, "").replace(/run\(\)\.then/, "useEffect(() => { run().then").replace(/\);\n$/, "); }, []);\n");
      const parts = effect.split("useEffect");
      writeFileSync(
        join(folder, "app/page.js"),
        `"use client";\nimport { useEffect } from "react";\nimport { open } from "reelway";\n${parts[0]}export default function Page() { useEffect${parts[1]} return null; }\n`,
      );
      run(folder, "next", "build");
      return "out";
    },
  },
  esbuild: {
    entry: "reelway/inline",
    build(folder) {
      run(folder, "esbuild", "main.js", "--bundle", "--format=esm", "--outdir=dist", "--log-level=error");
      writeFileSync(join(folder, "dist/index.html"), page("main.js"));
      return "dist";
    },
  },
  rollup: {
    entry: "reelway/inline",
    build(folder) {
      const options = '{ input: "main.js", plugins: [resolve()], output: { dir: "dist", format: "es", inlineDynamicImports: true } }';
      writeFileSync(join(folder, "rollup.config.mjs"), `import resolve from "@rollup/plugin-node-resolve";\nexport default ${options};\n`);
      run(folder, "rollup", "-c", "--silent");
      writeFileSync(join(folder, "dist/index.html"), page("main.js"));
      return "dist";
    },
  },
  "no bundler": {
    entry: "./reelway/index.js",
    build(folder) {
      cpSync(join(HERE, "../../wasm/dist"), join(folder, "reelway"), { recursive: true });
      return ".";
    },
  },
};

/** @param {string} folder @param {string} tool @param {string[]} args */
function run(folder, tool, ...args) {
  const env = { ...process.env, NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1" };
  execFileSync(join(BIN, tool), args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
}

describe("the package, built by", { concurrency: false }, () => {
  const root = mkdtempSync(join(HERE, ".projects-"));
  /** @type {import("playwright-core").Browser} */
  let browser;
  before(async () => {
    published(root);
    ffmpeg(join(root, "clip.mp4"), ...picture(5));
    browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] || "/usr/bin/chromium", headless: true, args: ["--disable-gpu"] });
  });
  after(async () => {
    await browser?.close();
    rmSync(root, { recursive: true, force: true });
  });

  /** A project that has the package installed. @param {string} name @param {string} entry */
  function project(name, entry) {
    const folder = join(root, name.replace(" ", "-"));
    mkdirSync(join(folder, "node_modules"), { recursive: true });
    for (const installed of readdirSync(join(HERE, "node_modules"))) {
      if (!installed.startsWith(".")) symlinkSync(join(HERE, "node_modules", installed), join(folder, "node_modules", installed));
    }
    cpSync(join(root, "package"), join(folder, "node_modules/reelway"), { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
    writeFileSync(join(folder, "main.js"), program(entry));
    writeFileSync(join(folder, "index.html"), page("./main.js"));
    return folder;
  }

  /** What the page tells. @param {string} url */
  async function visit(url) {
    const tab = await browser.newPage();
    /** @type {string[]} */
    const faults = [];
    tab.on("pageerror", (error) => faults.push(error.message));
    tab.on("response", (response) => response.status() >= 400 && !response.url().endsWith("favicon.ico") && faults.push(`${response.status()} ${response.url()}`));
    try {
      await tab.route("**/clip.mp4", (route) => route.fulfill({ path: join(root, "clip.mp4"), contentType: "video/mp4" }));
      await tab.goto(url);
      return await (await tab.waitForFunction("window.told")).jsonValue();
    } catch (error) {
      throw new Error(faults.join("\n") || "the page tells nothing", { cause: error });
    } finally {
      await tab.close();
    }
  }

  /** @param {string} folder @param {(origin: string) => Promise<void>} use */
  async function served(folder, use) {
    const server = createServer((request, response) => {
      const path = decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname);
      const file = join(folder, path.endsWith("/") ? `${path}index.html` : path);
      if (!existsSync(file)) return void response.writeHead(404).end();
      response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" }).end(readFileSync(file));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    const address = server.address();
    try {
      await use(`http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/`);
    } finally {
      server.close();
    }
  }

  for (const [name, { entry, build }] of Object.entries(BUNDLERS)) {
    test(`${name}, by ${entry}`, { timeout: PATIENCE }, async () => {
      const folder = project(name, entry);
      await served(join(folder, build(folder)), async (origin) => assert.equal(await visit(origin), "2,true"));
    });
  }

  test("vite in development, by reelway", { timeout: PATIENCE }, async () => {
    const folder = project("vite-dev", "reelway");
    const server = spawn(join(BIN, "vite"), ["--host", "127.0.0.1", "--port", "0", "--clearScreen", "false"], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    try {
      let said = "";
      const origin = await new Promise((resolve, reject) => {
        server.once("exit", () => reject(new Error(said)));
        server.stdout.setEncoding("utf8").on("data", (text) => {
          said += text.replace(/\x1b\[\d+m/g, "");
          const found = /http:\/\/127\.0\.0\.1:\d+\//.exec(said);
          if (found) resolve(found[0]);
        });
      });
      assert.equal(await visit(String(origin)), "2,true");
    } finally {
      server.kill();
    }
  });
});
