/** Others that read or cut a file, each in a worker: this is its script. It is sent a file and how, and answers when the first segment was
 * there and when all were, in milliseconds. */

/** @typedef {{ first: number, all: number, segments: number }} Cut */

/** In seconds. */
const SEGMENT = 4;
const CUTTERS = { reading, mediabunny };

onmessage = async ({ data: { how, file } }) => {
  const cutter = CUTTERS[/** @type {keyof typeof CUTTERS} */ (how)];
  const began = performance.now();
  const cut = { first: 0, all: 0, segments: 0 };
  await cutter(file, () => {
    cut.segments += 1;
    cut.first ||= performance.now() - began;
  });
  postMessage({ ...cut, all: performance.now() - began });
};

/** The bytes alone, into one piece of memory: nobody who looks at all of them is faster.
 * @param {Blob} file @param {() => void} segment */
async function reading(file, segment) {
  const reader = file.stream().getReader({ mode: "byob" });
  // Chromium forgets a stream that nothing refers to.
  Object.assign(globalThis, { reader });
  for (let memory = new ArrayBuffer(1 << 20); ; ) {
    const { done, value } = await reader.read(new Uint8Array(memory));
    if (done || value === undefined) return;
    segment();
    memory = value.buffer;
  }
}

/** @param {Blob} file @param {() => void} segment */
async function mediabunny(file, segment) {
  const load = (/** @type {string} */ path) => /** @type {Promise<typeof import("mediabunny")>} */ (import(path));
  const { BlobSource, BufferTarget, CmafOutputFormat, Conversion, HlsOutputFormat, Input, MP4, Output, PathedTarget, QTFF } = await load("/mediabunny.mjs");
  const format = new HlsOutputFormat({ segmentFormat: new CmafOutputFormat(), targetDuration: SEGMENT, live: true, onSegment: segment });
  const output = new Output({ format, target: new PathedTarget("master.m3u8", () => new BufferTarget()) });
  const input = new Input({ source: new BlobSource(file), formats: [MP4, QTFF] });
  const conversion = await Conversion.init({ input, output, copy: { mode: "forced", shiftTolerance: Infinity } });
  await conversion.execute();
}
