/** Opens a file with the core for JavaScript; the same text runs in Node and in a page. */

/** What is told of a plan, and the bytes of one segment put together as an uploader would.
 * @param {typeof import("../../wasm/pkg/reelway_wasm.js")} core @param {number} size
 * @param {(start: number, end: number) => Promise<Uint8Array>} read */
export async function planOf({ Opener }, size, read) {
  const opener = new Opener(size);
  let asked = 0;
  for (let range; (range = opener.required()); ) {
    const [start = 0, end = 0] = range;
    asked += end - start;
    opener.handle(start, await read(start, end));
  }
  const plan = opener.finish(4000);
  /** @type {{ tracks: { id: string, segments: number, roles: string[], timescale: number, samples: number }[] }} */
  const told = JSON.parse(plan.describe());
  const tracks = told.tracks.map(({ id: rendition, roles: _, timescale: __, samples: ___, ...track }) => ({ rendition, ...track }));
  const last = tracks.at(-1);
  if (last === undefined) throw new Error("no track");
  const made = plan.segment(last.rendition, last.segments);
  const heads = made.heads();
  const layout = [...made.layout()];
  const parts = [];
  for (let at = 0; layout.length > 0; ) {
    const [length = 0, count = 0] = layout.splice(0, 2);
    parts.push(heads.subarray(at, (at += length)));
    for (let each = 0; each < count; each++) {
      const [start = 0, end = 0] = layout.splice(0, 2);
      parts.push(await read(start, end));
    }
  }
  const segment = parts.flatMap((part) => [...part]);
  return { tracks, asked, hls: plan.multivariant(), mpd: plan.mpd(), header: [...plan.header(last.rendition)], segment };
}
