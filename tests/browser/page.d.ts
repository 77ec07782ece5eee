/** What the tests find in a page: the app's own window on the player, and what our init script adds. */

interface Window {
  reelway: {
    state(): {
      engine: "hls" | "dash" | "file" | null;
      protocol: string | null;
      startupMs: number | null;
      buffer: number;
      rendition: string | null;
      ended: boolean;
      error: string | null;
    };
  };
  /** Every SourceBuffer that was made, oldest first. */
  sourceBuffers: { type: string; source: MediaSource; buffer: SourceBuffer }[];
}
