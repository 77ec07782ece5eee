import type { Track } from "./api.ts";
import { h } from "./dom.ts";
import { codecName, formatBitrate, formatChannels, formatFrameRate, languageName } from "./format.ts";

/** What is in a video, a line for each track. */
export function trackList(tracks: readonly Track[]): HTMLElement {
  return h("ul", { class: "tracks" }, ...tracks.map(line));
}

function line(track: Track): HTMLElement {
  const facts = [languageName(track.language ?? ""), track.bitrate ? formatBitrate(track.bitrate) : undefined];
  if (track.kind === "video") {
    facts.unshift(`${track.width}×${track.height}`, track.frameRate && `${formatFrameRate(track.frameRate)} frames/s`);
  } else if (track.kind === "audio") {
    facts.unshift(formatChannels(track.channels), `${track.sampleRate / 1000} kHz`);
  }
  return h(
    "li",
    {},
    h("span", { class: "track-id" }, track.id),
    h("span", { class: "chip", title: track.codec }, codecName(track.codec)),
    h("span", { class: "facts" }, ...facts.filter((fact) => fact !== undefined && fact !== "").map((fact) => h("span", {}, fact))),
  );
}
