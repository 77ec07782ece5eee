import "./styles/live.css";
import "./styles/watch.css";
import "./styles/upload.css";
import { type KeptUpload, forget, prepare, unfinished } from "reelway";
import { serverInfo } from "./api.ts";
import { button, h } from "./dom.ts";
import { formatBytes } from "./format.ts";
import type { Source } from "./player/player.ts";
import { Sending } from "./sending.ts";
import { prepareToPlay, Stage } from "./stage.ts";
import type { View } from "./view.ts";

/** A file, and its handle where the browser gave one. */
interface Picked {
  file: File;
  handle?: FileSystemFileHandle | undefined;
  /** Seconds, where it goes on with an upload that was begun with these. */
  segment?: number;
}

/** Files go up one after another, and the first that can be played is, while the rest of it comes. */
export class UploadView implements View {
  readonly title = "Upload · Reelway";
  readonly root: HTMLElement;
  private readonly list = h("div", { class: "sendings" });
  private readonly kept = h("div", { class: "not-finished" });
  private readonly player = h("div", { class: "beside" });
  private readonly input = h("input", { type: "file", id: "files", multiple: true, accept: "video/mp4,video/quicktime,audio/mp4,.mp4,.m4v,.m4a,.mov" });
  private readonly waiting: Sending[] = [];
  private readonly all: Sending[] = [];
  private busy = false;
  private stage: Stage | undefined;

  constructor() {
    this.input.addEventListener("change", () => {
      this.take([...(this.input.files ?? [])].map((file) => ({ file })));
      this.input.value = "";
    });
    this.root = h(
      "div",
      { class: "page" },
      h("div", { class: "page-head" }, h("div", {}, h("h1", {}, "Upload"), h("p", { class: "summary" }, "MP4 and MOV files, cut here and played while they go up"))),
      h("div", { class: "upload-columns" }, h("div", { class: "upload-main" }, this.dropZone(), this.kept, this.list), this.player),
    );
    void this.begin();
  }

  destroy(): void {
    for (const sending of this.all) sending.destroy();
    this.stage?.destroy();
  }

  private async begin(): Promise<void> {
    const { uploads } = await serverInfo().catch(() => ({ uploads: true }));
    if (!uploads) {
      const text = "Whoever runs it can allow them: reelway serve --uploads.";
      this.root.replaceChildren(h("section", { class: "notice", role: "status" }, h("h1", {}, "This server takes no uploads"), h("p", {}, text)));
      return;
    }
    // While somebody looks for a file: neither is waited for then.
    prepare();
    prepareToPlay();
    await this.showKept();
  }

  private dropZone(): HTMLElement {
    const zone = h(
      "div",
      { class: "drop" },
      h("label", { class: "button primary", for: "files" }, "Choose files"),
      this.input,
      h("p", { class: "quiet drop-hint" }, "or drop them here"),
    );
    const over = (on: boolean) => (event: DragEvent) => {
      event.preventDefault();
      zone.classList.toggle("over", on);
    };
    zone.addEventListener("dragover", over(true));
    zone.addEventListener("dragleave", over(false));
    zone.addEventListener("drop", (event) => {
      over(false)(event);
      void this.drop(event.dataTransfer);
    });
    return zone;
  }

  private async drop(data: DataTransfer | null): Promise<void> {
    // All must be asked for before the first answer: the list is empty then.
    const items = [...(data?.items ?? [])].filter(({ kind }) => kind === "file");
    const picked = items.map(async (item) => {
      const file = item.getAsFile();
      const handle = await (item as { getAsFileSystemHandle?(): Promise<FileSystemHandle | null> }).getAsFileSystemHandle?.().catch(() => null);
      return file && { file, handle: handle?.kind === "file" ? (handle as FileSystemFileHandle) : undefined };
    });
    this.take((await Promise.all(picked)).filter((each) => each !== null));
  }

  private take(picked: readonly Picked[]): void {
    for (const { file, handle, segment } of picked) {
      const sending = new Sending(file, handle, segment, {
        playable: (source) => this.play(source, false),
        watch: (source) => this.play(source, true),
      });
      this.all.push(sending);
      this.waiting.push(sending);
      this.list.append(sending.root);
    }
    void this.work();
  }

  private async work(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    for (let next; (next = this.waiting.shift()) !== undefined; ) await next.run();
    this.busy = false;
  }

  /** `chosen`: even where something plays already. */
  private play(source: Source, chosen: boolean): void {
    if (this.stage && !chosen) return;
    this.stage?.destroy();
    this.stage = new Stage(source);
    this.player.replaceChildren(h("h2", { class: "watch-title" }, source.name), this.stage.root);
    this.stage.open();
  }

  /** What was begun in another page, or before this one was loaded again. */
  private async showKept(): Promise<void> {
    const found = (await unfinished()).filter(({ server }) => server === new URL("/", location.href).href);
    const lines = found.map((kept) => {
      const line = h("li", { class: "kept" });
      const gone = (): void => {
        line.remove();
        if (list.childElementCount === 0) section.remove();
      };
      const goOn = async (): Promise<void> => {
        const picked = await pick(kept);
        if (!picked) return;
        gone();
        this.take([{ ...picked, segment: kept.segment }]);
      };
      const drop = async (): Promise<void> => {
        await forget(kept);
        gone();
      };
      line.append(
        h("span", { class: "kept-name" }, kept.name),
        h("span", { class: "facts" }, formatBytes(kept.size)),
        button("Go on", () => void goOn(), { "aria-label": `Go on with ${kept.name}` }),
        button("Forget", () => void drop(), { "aria-label": `Forget ${kept.name}` }),
      );
      return line;
    });
    const list = h("ul", {}, ...lines);
    const section = h("section", { class: "kept-list", "aria-labelledby": "kept" }, h("h2", { id: "kept" }, "Not finished"), list);
    this.kept.replaceChildren(...(lines.length > 0 ? [section] : []));
  }
}

/** The file of an upload: by its handle, if the browser has kept one and may still read it; else it is chosen again. */
async function pick({ handle, size }: KeptUpload): Promise<Picked | undefined> {
  const asks = handle as (FileSystemFileHandle & { requestPermission?(mode: { mode: "read" }): Promise<string> }) | undefined;
  if (handle && ((await asks?.requestPermission?.({ mode: "read" })) ?? "granted") === "granted") {
    const file = await handle.getFile().catch(() => undefined);
    if (file?.size === size) return { file, handle };
  }
  const file = await new Promise<File | undefined>((resolve) => {
    const input = h("input", { type: "file" });
    input.addEventListener("change", () => resolve(input.files?.[0]));
    input.addEventListener("cancel", () => resolve(undefined));
    input.click();
  });
  return file && { file };
}
