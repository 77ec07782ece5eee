/** Opens a file with the core for JavaScript; the same text runs in Node and in a page. */

/** What is told of a plan, and the bytes of one segment put together as an uploader would.
 * @param {typeof import("../../wasm/pkg/reelway_wasm.js")} core @param {number} size
 * @param {(start: number, end: number) => Promise<Uint8Array>} read */
export async function planOf({ Opener }, size, read) {
  const opener = new Opener(size);
  let asked = 0;
  for (let range; (range = opener.required()); ) {
    asked += range.end - range.start;
    opener.handle(range.start, await read(range.start, range.end));
  }
  const plan = opener.finish(4000);
  const tracks = plan.tracks().map(({ rendition, kind, codec, width, height, frameRate, channels, sampleRate, language, segments, bitrate }) => ({
    ...{ rendition, kind, codec, width, height, frameRate, channels, sampleRate, language, segments, bitrate },
  }));
  const last = tracks.at(-1);
  if (last === undefined) throw new Error("no track");
  const parts = [];
  for (const { head, extents } of plan.segment(last.rendition, last.segments)) {
    parts.push(head, ...(await Promise.all(extents.map(({ start, end }) => read(start, end)))));
  }
  const segment = parts.flatMap((part) => [...part]);
  return { tracks, asked, hls: plan.multivariantPlaylist(), mpd: plan.mpd(), header: [...plan.header(last.rendition)], segment };
}
