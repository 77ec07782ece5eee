/** What wasm-bindgen makes of the core; see wasm/src. */
export class Opener {
  constructor(size: number);
  required(): Float64Array | undefined;
  handle(position: number, bytes: Uint8Array): void;
  finish(millis: number): Plan;
  free(): void;
}
export class Plan {
  private constructor();
  describe(): string;
  timeline(rendition: string): Float64Array;
  text(path: string): string;
  header(rendition: string): Uint8Array;
  segment(rendition: string, number: number): Segment;
  free(): void;
}
export class Segment {
  private constructor();
  heads(): Uint8Array;
  layout(): Float64Array;
  free(): void;
}

/** Starts it. Whatever is called before that fails. */
export function initSync(from: { module: WebAssembly.Module }): unknown;
