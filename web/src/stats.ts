import { h } from "./dom.ts";
import { formatBitrate, protocolText } from "./format.ts";
import type { Player } from "./player/player.ts";

/** What can be known of the playing, over the picture. */
export class Stats {
  readonly root = h("dl", { class: "stats", "aria-label": "Playback statistics", tabindex: 0, hidden: true });
  private readonly lines = new Map<string, HTMLElement>();

  show(player: Player): void {
    const { protocol, buffer, startupMs, latency } = player.state();
    const frames = player.video.getVideoPlaybackQuality();
    const throughput = player.throughput();
    this.put("Protocol", "What the newest media request came over, as the browser measured it", protocol === null ? undefined : protocolText(protocol));
    this.put("Player", "The library that feeds the video element", player.engineLabel);
    this.put("Rendition", "The quality on the screen: name, size, bit rate, codec", player.renditionText());
    this.put("Network", "What it was found to carry", throughput === undefined ? undefined : formatBitrate(throughput));
    this.put("Buffer", "Seconds that can play on without another byte", `${buffer.toFixed(1)} s`);
    if (player.isLive) {
      this.put("Latency", "From the source's clock at a picture to its being shown here", latency === null ? undefined : `${latency.toFixed(2)} s`);
      this.put("Stalls", "How often playing had to wait for more", String(player.stalls));
    }
    const startup = "From opening this video this way until it plays, with the loading of the player itself. Where the browser waits for a click: until it could play";
    this.put("Startup", startup, startupMs === null ? undefined : `${startupMs} ms`);
    const dropped = frames.totalVideoFrames > 0 ? `${frames.droppedVideoFrames} of ${frames.totalVideoFrames}` : undefined;
    this.put("Dropped frames", "Frames that came too late to be shown, of all frames so far", dropped);
  }

  private put(name: string, meaning: string, text = "–"): void {
    let line = this.lines.get(name);
    if (!line) {
      line = h("dd");
      this.lines.set(name, line);
      this.root.append(h("div", { title: meaning }, h("dt", {}, name), line));
    }
    if (line.textContent !== text) line.textContent = text;
  }
}
