import { serverInfo } from "./api.ts";
import { Broadcast } from "./broadcast.ts";
import { copyButton } from "./copy.ts";
import { h } from "./dom.ts";
import { ENCODERS, type Encoder, recipe, streamName } from "./publish.ts";
import { streamHref } from "./route.ts";

/** The part of the live page that tells how a stream is sent, or sends one. */
export class Publishing {
  readonly root: HTMLElement;
  private way: Encoder | "browser" = "ffmpeg";
  private rtmp: number | null = null;
  private readonly name = h("input", { type: "text", id: "stream-name", value: "mystream", autocomplete: "off", spellcheck: "false" });
  private readonly choices = h("fieldset", { class: "switch" }, h("legend", { class: "field-label" }, "From"));
  private readonly words = h("p", { class: "quiet" });
  private readonly code = h("code");
  private readonly recipe = h("pre", { class: "recipe", tabindex: 0, role: "region", "aria-label": "What to enter" }, this.code);
  private readonly copy = copyButton(() => this.code.textContent ?? "");
  private readonly keys = h("p", { class: "quiet" }, "Without a key, only encoders on the server's own machine may publish. With one, the address is /ingest/NAME~KEY.");
  // A broadcast goes on in this page while its stream is looked at in another.
  private readonly link = h("a", { class: "button", target: "_blank", rel: "noopener" }, "Open its page");
  private readonly broadcast = new Broadcast(() => streamName(this.name.value));

  constructor() {
    for (const encoder of ["ffmpeg", "obs", "gstreamer"] as const) this.offer(encoder, ENCODERS[encoder]);
    this.name.addEventListener("input", () => this.show());
    this.root = h(
      "section",
      { class: "publish", "aria-labelledby": "publish" },
      h("h2", { id: "publish" }, "Send a stream"),
      h("p", { class: "quiet" }, "Any encoder that writes fragmented MP4 or a transport stream to an address will do. The stream is here as soon as it comes."),
      h("div", { class: "publish-row" }, this.choices, h("div", { class: "field" }, h("label", { class: "field-label", for: "stream-name" }, "Name"), this.name)),
      this.words,
      this.recipe,
      this.broadcast.root,
      h("div", { class: "publish-row" }, this.copy, this.link),
      this.keys,
    );
    this.show();
    void this.ask();
  }

  destroy(): void {
    this.broadcast.destroy();
  }

  /** Not every server takes RTMP and WebRTC. */
  private async ask(): Promise<void> {
    const info = await serverInfo().catch(() => undefined);
    this.rtmp = info?.rtmp ?? null;
    if (info?.webrtc) {
      this.offer("webrtc", ENCODERS.webrtc);
      this.offer("browser", "This browser");
    }
    this.show();
  }

  private offer(way: Encoder | "browser", label: string): void {
    const radio = h("input", { type: "radio", name: "encoder", value: way, checked: way === this.way });
    radio.addEventListener("change", () => {
      this.way = way;
      this.show();
    });
    this.choices.append(h("label", {}, radio, h("span", {}, label)));
  }

  private show(): void {
    const stream = streamName(this.name.value);
    const own = this.way === "browser";
    this.broadcast.root.hidden = !own;
    this.recipe.hidden = this.copy.hidden = this.keys.hidden = own;
    if (this.way === "browser") {
      this.words.textContent = "Camera and microphone, or the screen, go straight to the server; others see them about a second later.";
    } else {
      const { words, text } = recipe(this.way, { origin: location.origin, rtmp: this.rtmp }, stream);
      this.words.textContent = words;
      this.code.textContent = text;
    }
    this.link.href = streamHref(stream);
  }
}
