import { ApiError } from "./api.ts";
import { announce, button, h } from "./dom.ts";
import { publish, type Whip } from "./whip.ts";

type Picture = "camera" | "screen";

/** What the live page shows to send from this browser itself: a look at oneself, and two ways to begin. */
export class Broadcast {
  readonly root: HTMLElement;
  private readonly preview = h("video", { class: "preview", muted: true, playsinline: true, "aria-label": "What is sent", hidden: true });
  private readonly key = h("input", { type: "password", id: "publish-key", autocomplete: "off", placeholder: "none on this machine" });
  private readonly words = h("p", { class: "quiet" });
  private readonly begin = h(
    "div",
    { class: "publish-row" },
    button("Camera and microphone", () => void this.start("camera")),
    button("Screen", () => void this.start("screen")),
  );
  private readonly stop = button("Stop", () => this.destroy(), { hidden: true });
  private media: MediaStream | undefined;
  private whip: Whip | undefined;
  /** Counts what was begun and ended, for what comes when nobody waits for it any more. */
  private turn = 0;

  constructor(private readonly name: () => string) {
    this.preview.muted = true;
    this.root = h(
      "div",
      { class: "broadcast" },
      this.preview,
      h("div", { class: "field" }, h("label", { class: "field-label", for: "publish-key" }, "Key"), this.key),
      this.begin,
      h("div", { class: "publish-row" }, this.stop),
      this.words,
    );
  }

  /** Hangs up and lets go of camera and microphone. */
  destroy(): void {
    this.turn += 1;
    this.whip?.end();
    this.whip = undefined;
    for (const track of this.media?.getTracks() ?? []) track.stop();
    this.media = undefined;
    this.preview.srcObject = null;
    this.show(false);
  }

  private async start(picture: Picture): Promise<void> {
    this.show(true);
    const mine = (this.turn += 1);
    try {
      this.say("The browser asks whether it may.");
      const media = await capture(picture);
      if (mine !== this.turn) {
        for (const track of media.getTracks()) track.stop();
        return;
      }
      this.media = media;
      this.preview.srcObject = media;
      void this.preview.play().catch(() => undefined);
      // Whoever stops sharing by the browser's own button means it.
      media.getVideoTracks()[0]?.addEventListener("ended", () => this.destroy());
      const name = this.name();
      const whip = await publish(`/whip/${name}`, this.key.value.trim(), media, (state, why) => {
        if (state === "connecting") this.say("Connecting…");
        if (state === "sending") this.say(`“${name}” is on air.`);
        if (state !== "ended") return;
        this.say(why ?? "It has ended.");
        if (why !== undefined) this.destroy();
      });
      if (mine === this.turn) this.whip = whip;
      else whip.end();
    } catch (error) {
      if (mine !== this.turn) return;
      this.destroy();
      this.say(reason(error));
    }
  }

  private show(busy: boolean): void {
    this.begin.hidden = busy;
    this.key.disabled = busy;
    this.stop.hidden = !busy;
    this.preview.hidden = !busy;
  }

  private say(words: string): void {
    this.words.textContent = words;
    announce(words);
  }
}

function capture(picture: Picture): Promise<MediaStream> {
  // Only pages that came safely have these.
  const { mediaDevices } = navigator as { mediaDevices?: MediaDevices };
  if (!mediaDevices) throw new ApiError("No camera here", "Browsers give it only to pages that came over HTTPS.");
  if (picture === "screen") return mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 30 } }, audio: true });
  return mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } }, audio: true });
}

function reason(error: unknown): string {
  if (error instanceof ApiError) return `${error.title}: ${error.detail}`;
  if (error instanceof DOMException) {
    if (error.name === "NotAllowedError") return "The browser was not allowed to. Its settings for this page can change that.";
    if (error.name === "NotFoundError") return "There is no camera or microphone on this machine.";
    if (error.name === "NotReadableError") return "The camera or microphone is in use by another program.";
  }
  return "The server cannot be reached.";
}
