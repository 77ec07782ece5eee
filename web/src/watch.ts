import "./styles/watch.css";
import { addresses } from "./addresses.ts";
import { ApiError, findAsset, isBroken, type Video } from "./api.ts";
import { button, h } from "./dom.ts";
import { formatBytes, formatDuration } from "./format.ts";
import { knownVideo } from "./library.ts";
import { LIBRARY_HREF } from "./route.ts";
import { share } from "./share.ts";
import { Stage } from "./stage.ts";
import { trackList } from "./tracks.ts";
import type { View } from "./view.ts";

/** One video: the player, how it plays, and what is in the file. */
export class WatchView implements View {
  readonly title: string;
  readonly root = h("div", { class: "page watch" });
  private readonly leaving = new AbortController();
  private stage: Stage | undefined;

  constructor(private readonly id: string) {
    this.title = `${id.slice(id.lastIndexOf("/") + 1)} · Reelway`;
    const video = knownVideo(id);
    if (video) this.showVideo(video);
    else void this.find();
  }

  destroy(): void {
    this.leaving.abort();
    this.stage?.destroy();
  }

  private async find(): Promise<void> {
    const { signal } = this.leaving;
    this.showNotice("Loading…", "");
    try {
      const asset = await findAsset(this.id, signal);
      if (!asset) this.showNotice("No such video", `There is no “${this.id}” on this server. It may have been moved or renamed.`);
      else if (isBroken(asset)) this.showNotice("This file cannot be played", asset.problem, { file: asset.file });
      else this.showVideo(asset);
    } catch (error) {
      if (signal.aborted) return;
      const { title, detail } = error instanceof ApiError ? error : { title: "The video did not load", detail: String(error) };
      this.showNotice(title, detail, { retry: () => void this.find() });
    }
  }

  private showNotice(title: string, detail: string, { file, retry }: { file?: string | undefined; retry?: () => void } = {}): void {
    this.root.replaceChildren(
      backLink(),
      h("section", { class: "notice", role: "status" }, h("h1", {}, title), h("p", {}, detail), file !== undefined && h("p", {}, h("a", { href: file }, "Open the file as it is")), retry && button("Try again", retry)),
    );
  }

  private showVideo(video: Video): void {
    this.stage = new Stage(video);
    this.root.replaceChildren(backLink(), h("h1", { class: "watch-title" }, video.name), this.stage.root, details(video, this.stage.shortcuts()));
    this.stage.open();
  }
}

function backLink(): HTMLElement {
  return h("nav", { "aria-label": "Back" }, h("a", { class: "back", href: LIBRARY_HREF }, h("span", { "aria-hidden": "true" }, "←"), " All videos"));
}

function details(video: Video, shortcuts: HTMLElement): HTMLElement {
  const modified = new Date(video.modified);
  const picture = video.tracks.find((track) => track.kind === "video");
  return h(
    "section",
    { class: "details", "aria-labelledby": "details" },
    h("h2", { id: "details" }, "In this file"),
    h(
      "p",
      { class: "facts" },
      ...[formatDuration(video.durationMs), formatBytes(video.size), Number.isNaN(modified.getTime()) ? "" : modified.toLocaleString()]
        .filter(Boolean)
        .map((fact) => h("span", {}, fact)),
    ),
    trackList(video.tracks),
    h("h2", {}, "Use it elsewhere"),
    addresses(["HLS", video.hls], ["DASH", video.dash], ["The file as it is", video.file]),
    share("vod", video.id, picture && picture.width / picture.height),
    shortcuts,
  );
}
