import type { Track } from "./api.ts";

/** Whether this browser has a decoder for a track. Text needs none: the players draw it. */
export function decodes({ kind, codec }: Track): boolean {
  if (kind === "text") return true;
  const type = `${kind}/mp4; codecs="${codec}"`;
  const source = globalThis.MediaSource ?? (globalThis as { ManagedMediaSource?: typeof MediaSource }).ManagedMediaSource;
  return source ? source.isTypeSupported(type) : document.createElement(kind).canPlayType(type) !== "";
}

/** Whether one of the pictures can be shown, or of a title without them a sound heard. */
export function playable(tracks: readonly Track[]): boolean {
  const pictures = tracks.filter(({ kind }) => kind === "video");
  const needed = pictures.length > 0 ? pictures : tracks.filter(({ kind }) => kind === "audio");
  return needed.length === 0 || needed.some(decodes);
}
