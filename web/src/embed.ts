/** The player alone, for the frames of other pages: `/embed/vod/PATH` and `/embed/live/NAME`. */

import "./styles/base.css";
import "./styles/watch.css";
import "./styles/embed.css";
import "./debug.ts";
import { ApiError, findAsset, isBroken, listStreams, type Problem } from "./api.ts";
import { h } from "./dom.ts";
import type { Source } from "./player/player.ts";
import { Stage } from "./stage.ts";
import { liveSource } from "./stream.ts";

const main = document.getElementById("main") as HTMLElement;

async function find(): Promise<Source> {
  const [, kind, path] = /^\/embed\/(vod|live)\/(.+)$/.exec(location.pathname) ?? [];
  const id = path?.split("/").map(decodeURIComponent).join("/");
  if (kind === "live") {
    const stream = (await listStreams()).find(({ name }) => name === id);
    if (stream) return liveSource(stream);
    throw new ApiError("Not on", `The stream “${id}” is not on.`);
  }
  const asset = id === undefined ? undefined : await findAsset(id);
  if (!asset) throw new ApiError("No such video", `There is no “${id ?? location.pathname}” on this server.`);
  if (isBroken(asset)) throw new ApiError("This file cannot be played", asset.problem);
  return asset;
}

function fail({ title, detail }: Problem): void {
  main.replaceChildren(h("section", { class: "notice", role: "alert" }, h("h1", {}, title), h("p", {}, detail)));
}

try {
  const source = await find();
  document.title = source.name;
  const stage = new Stage(source);
  main.replaceChildren(h("h1", { class: "visually-hidden" }, source.name), stage.root);
  stage.open();
} catch (error) {
  fail(error instanceof ApiError ? error : { title: "The video did not load", detail: String(error) });
}
