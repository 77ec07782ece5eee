/** Numbers and codec strings in the words a person reads. Pure functions only. */

/** 754000 -> "12:34", 3723000 -> "1:02:03". */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const tail = two(seconds % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${tail}` : `${minutes}:${tail}`;
}

/** Three digits at most, in steps of 1000; the space does not break: 1234567 -> "1.2 MB". */
function scaled(value: number, units: readonly string[]): string {
  let step = 0;
  let n = value;
  // 999.5 would print as 1000 of the smaller unit.
  while (n >= 999.5 && step < units.length - 1) {
    n /= 1000;
    step += 1;
  }
  const text = n < 9.95 && step > 0 ? n.toFixed(1).replace(/\.0$/, "") : String(Math.round(n));
  return `${text}\u00a0${units[step] ?? ""}`;
}

export function formatBytes(bytes: number): string {
  return scaled(bytes, ["B", "kB", "MB", "GB", "TB"]);
}

export function formatBitrate(bitsPerSecond: number): string {
  return scaled(bitsPerSecond, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]);
}

/** "30000/1001" -> "29.97". */
export function formatFrameRate(rate: string): string {
  const [above = NaN, below = 1] = rate.split("/").map(Number);
  const value = above / below;
  return Number.isFinite(value) ? String(Math.round(value * 100) / 100) : rate;
}

export function formatChannels(channels: number): string {
  return { 1: "mono", 2: "stereo", 6: "5.1", 8: "7.1" }[channels] ?? `${channels} channels`;
}

/** Names for RFC 6381 codec strings; the longest prefix that fits wins, so special cases come first. */
const CODECS: readonly (readonly [prefix: string, name: string])[] = [
  ["avc", "H.264"],
  ["hvc1", "HEVC"],
  ["hev1", "HEVC"],
  ["vvc1", "VVC"],
  ["vvi1", "VVC"],
  ["av01", "AV1"],
  ["vp09", "VP9"],
  ["vp08", "VP8"],
  ["dvh", "Dolby Vision"],
  ["dva", "Dolby Vision"],
  ["dav1", "Dolby Vision"],
  ["mp4v", "MPEG-4 Visual"],
  ["mp4a.40.5", "HE-AAC"],
  ["mp4a.40.29", "HE-AAC v2"],
  ["mp4a.40.42", "xHE-AAC"],
  ["mp4a.40.34", "MP3"],
  ["mp4a.6b", "MP3"],
  ["mp4a.69", "MP3"],
  ["mp4a", "AAC"],
  ["opus", "Opus"],
  ["flac", "FLAC"],
  ["alac", "ALAC"],
  ["ac-3", "Dolby Digital"],
  ["ec-3", "Dolby Digital Plus"],
  ["ac-4", "Dolby AC-4"],
  ["stpp", "TTML"],
  ["wvtt", "WebVTT"],
  ["tx3g", "Timed text"],
];

export function codecName(codec: string): string {
  const lower = codec.toLowerCase();
  return CODECS.find(([prefix]) => lower.startsWith(prefix))?.[1] ?? codec;
}

const names = new Intl.DisplayNames(["en"], { type: "language", fallback: "none" });

/** "de" -> "German"; nothing for what is no language. */
export function languageName(tag: string): string | undefined {
  try {
    return tag === "" || tag === "und" ? undefined : names.of(tag);
  } catch {
    return undefined;
  }
}

/** "waiting" -> "Waiting". */
export function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** ALPN names as people know them: "h3" -> "HTTP/3". */
export function protocolName(alpn: string): string {
  return { h3: "HTTP/3", h2: "HTTP/2", h2c: "HTTP/2", "http/1.1": "HTTP/1.1", "http/1.0": "HTTP/1.0" }[alpn] ?? alpn;
}

/** Two letters that stand for a name: "harbour-at-dawn.mp4" -> "HA". */
export function initials(name: string): string {
  const words = name.replace(/\.[^.]+$/, "").match(/[\p{L}\p{N}]+/gu) ?? [];
  const [first = "", second] = words;
  const letters = second === undefined ? [...first].slice(0, 2) : [[...first][0], [...second][0]];
  return letters.join("").toUpperCase();
}

/** A hue (0 to 359) that is always the same for the same text. */
export function hueOf(text: string): number {
  let hash = 2166136261;
  for (const char of text) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16777619);
  // The low bits of FNV differ little between similar names.
  return ((hash ^ (hash >>> 15)) >>> 0) % 360;
}

/** "HTTP/3 (h3)": the name people know and the one that logs and tools show. */
export function protocolText(alpn: string): string {
  const name = protocolName(alpn);
  return name.toLowerCase() === alpn ? name : `${name} (${alpn})`;
}

/** Seconds that can play on from `time` without another byte. */
export function bufferAhead(ranges: Pick<TimeRanges, "length" | "start" | "end">, time: number): number {
  // Players step over gaps of this size, so a playhead that close to a range is in it.
  const slack = 0.1;
  for (let i = 0; i < ranges.length; i += 1) {
    if (ranges.start(i) - slack <= time && time < ranges.end(i)) return ranges.end(i) - time;
  }
  return 0;
}
