/** A storyboard: small pictures of a video by time, several in one image, told by WebVTT (`board.jpg#xywh=160,0,160,90`). */

interface Tile {
  /** Seconds. */
  start: number;
  url: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

export class Storyboard {
  private constructor(private readonly tiles: readonly Tile[]) {}

  /** Undefined where there is none, or it cannot be read. */
  static async load(url: string): Promise<Storyboard | undefined> {
    try {
      const answer = await fetch(url);
      if (!answer.ok) return undefined;
      const tiles = parse(await answer.text(), new URL(url, location.href));
      return tiles.length > 0 ? new Storyboard(tiles) : undefined;
    } catch {
      return undefined;
    }
  }

  get length(): number {
    return this.tiles.length;
  }

  /** The number of the tile that shows a time. */
  at(seconds: number): number {
    return Math.max(0, this.tiles.findLastIndex(({ start }) => start <= seconds));
  }

  /** Shows a tile in an element, as wide as that should be in pixels. */
  show(element: HTMLElement, index: number, wide: number): void {
    const tile = this.tiles[index];
    if (!tile) return;
    const scale = wide / tile.width;
    const { style } = element;
    // The size of the whole image is not told; scaled as a box of its own, each tile is.
    style.width = `${tile.width}px`;
    style.height = `${tile.height}px`;
    style.backgroundImage = `url("${tile.url}")`;
    style.backgroundPosition = `${-tile.x}px ${-tile.y}px`;
    style.scale = String(scale);
  }

  /** Height by width of a tile. */
  get ratio(): number {
    const [first] = this.tiles;
    return first ? first.height / first.width : 0;
  }
}

export function parse(text: string, base: URL): Tile[] {
  return [...text.matchAll(/^([\d:.]+) --> [\d:.]+\s*\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)\s*$/gm)].map(([, start = "", name = "", ...box]) => {
    const [x = 0, y = 0, width = 0, height = 0] = box.map(Number);
    return { start: start.split(":").reduce((sum, part) => sum * 60 + Number(part), 0), url: new URL(name, base).href, x, y, width, height };
  });
}
