/** How far this machine's clock is from the server's, found once; until then they are taken to agree. */
export class ServerClock {
  /** Milliseconds to add to `Date.now()`. */
  offset = 0;

  constructor() {
    void this.ask();
  }

  private async ask(): Promise<void> {
    try {
      const asked = Date.now();
      const response = await fetch("/api/v1/time", { cache: "no-store" });
      const theirs = Date.parse(await response.text());
      // Halfway between question and answer, near enough.
      if (response.ok && !Number.isNaN(theirs)) this.offset = theirs - (asked + Date.now()) / 2;
    } catch {
      // Then the two clocks are taken to agree.
    }
  }
}
