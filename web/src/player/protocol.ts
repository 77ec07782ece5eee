/** Follows which protocol the newest media request came over, by Resource Timing. */
export class ProtocolWatch {
  /** ALPN name, undefined until a media request has ended. */
  latest: string | undefined;
  private readonly observer: PerformanceObserver;

  /** `prefix` is where the URLs of the media begin. */
  constructor(prefix: string) {
    const start = new URL(prefix, location.href).href;
    const since = performance.now();
    this.observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceResourceTiming & { deliveryType?: string })[]) {
        // What came from a cache carries the protocol of the day that it was stored. Empty: another origin does not let it be seen.
        if (entry.startTime < since || !entry.nextHopProtocol || entry.deliveryType === "cache") continue;
        if (entry.name.startsWith(start)) this.latest = entry.nextHopProtocol;
      }
    });
    this.observer.observe({ type: "resource" });
  }

  stop(): void {
    this.observer.disconnect();
  }
}
