/** Bytes a second over the last seconds. */
export class Speed {
  private readonly marks: { bytes: number; at: number }[] = [];

  /** Milliseconds that are looked back on: what was sent before tells little of what is left. */
  constructor(private readonly window = 8000) {}

  /** So many bytes at this time, in milliseconds; undefined until it can be told. */
  at(bytes: number, at: number): number | undefined {
    this.marks.push({ bytes, at });
    while (this.marks.length > 2 && (this.marks[0]?.at ?? 0) < at - this.window) this.marks.shift();
    const first = this.marks[0];
    if (!first || at - first.at < 200) return undefined;
    return (1000 * (bytes - first.bytes)) / (at - first.at);
  }
}
