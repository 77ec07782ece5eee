/** What the router asks of a page. */
export interface View {
  /** For the browser's tab and history. */
  readonly title: string;
  readonly root: HTMLElement;
  /** Called once `root` is in the document. */
  shown?(): void;
  /** Stops everything the page has started. */
  destroy(): void;
}
