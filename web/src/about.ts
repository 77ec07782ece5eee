import "./styles/jobs.css";
import { ApiError, listAssets, listStreams, serverInfo } from "./api.ts";
import { button, h } from "./dom.ts";
import { formatBytes, protocolName } from "./format.ts";
import type { View } from "./view.ts";

/** What a codec is called, and how a browser is asked for it. */
const DECODERS: readonly (readonly [name: string, type: string])[] = [
  ["H.264", 'video/mp4; codecs="avc1.640028"'],
  ["HEVC", 'video/mp4; codecs="hvc1.1.6.L120.90"'],
  ["AV1", 'video/mp4; codecs="av01.0.08M.08"'],
  ["VP9", 'video/mp4; codecs="vp09.00.40.08"'],
  ["AAC", 'audio/mp4; codecs="mp4a.40.2"'],
  ["Opus", 'audio/mp4; codecs="opus"'],
  ["FLAC", 'audio/mp4; codecs="flac"'],
  ["AC-3", 'audio/mp4; codecs="ac-3"'],
];

/** What there is to know of the server, and of this browser. */
export class AboutView implements View {
  readonly title = "About · Reelway";
  readonly root: HTMLElement;
  private readonly facts = h("dl", { class: "facts-table" });
  private readonly leaving = new AbortController();

  constructor() {
    this.root = h(
      "div",
      { class: "page" },
      h("div", { class: "page-head" }, h("h1", {}, "About this server")),
      this.facts,
      h("h2", {}, "This browser"),
      h("dl", { class: "facts-table" }, ...browser()),
      h("h2", {}, "For programs"),
      h(
        "ul",
        { class: "links" },
        ...[
          ["/api/v1/openapi.json", "What the API answers, as OpenAPI"],
          ["/metrics", "Figures for Prometheus"],
          ["/healthz", "Whether the server is alive"],
          ["/readyz", "Whether it takes requests"],
        ].map(([path, label]) => h("li", {}, h("a", { href: path }, h("code", {}, path)), ` ${label}`)),
      ),
    );
    void this.load();
  }

  destroy(): void {
    this.leaving.abort();
  }

  private async load(): Promise<void> {
    const { signal } = this.leaving;
    try {
      const [info, assets, streams] = await Promise.all([serverInfo(), listAssets(signal), listStreams(signal)]);
      if (signal.aborted) return;
      const bytes = assets.reduce((sum, { size }) => sum + size, 0);
      this.facts.replaceChildren(
        ...fact("Version", `${info.name} ${info.version}`),
        ...fact("Speaks", info.protocols.map(protocolName).join(", ")),
        ...fact("You are on", info.over ? protocolName(info.over) : "unknown"),
        ...fact("Videos", assets.length === 0 ? "none" : `${assets.length}, ${formatBytes(bytes)}`),
        ...fact("Live streams", streams.length === 0 ? "none" : `${streams.filter(({ state }) => state === "live").length} on, ${streams.reduce((sum, { viewers }) => sum + viewers, 0)} viewers`),
        ...fact("Certificate", info.certificateSha256 === null ? "as configured" : `made for development, SHA-256 ${info.certificateSha256}`),
      );
    } catch (error) {
      if (signal.aborted) return;
      const { title, detail } = error instanceof ApiError ? error : { title: "The facts did not load", detail: String(error) };
      this.facts.replaceWith(h("section", { class: "notice", role: "alert" }, h("h2", {}, title), h("p", {}, detail), button("Try again", () => location.reload())));
    }
  }
}

function browser(): HTMLElement[] {
  const source = "MediaSource" in window ? MediaSource : undefined;
  const plays = DECODERS.filter(([, type]) => source?.isTypeSupported(type)).map(([name]) => name);
  return [
    ...fact("Adaptive players", source ? "yes, by Media Source Extensions" : "no: it has no Media Source Extensions, and plays HLS by itself or the plain file"),
    ...fact("Decodes", plays.join(", ") || "nothing of what is asked for"),
    ...fact("Picture in picture", document.pictureInPictureEnabled ? "yes" : "no"),
  ];
}

function fact(name: string, value: string): HTMLElement[] {
  return [h("dt", {}, name), h("dd", {}, value)];
}
