/** What the keyboard does while a player is on the page. */
export interface Shortcut {
  /** As `KeyboardEvent.key` has them, letters small. */
  keys: readonly string[];
  /** How they are told to people; the keys themselves where they read well. */
  shown: string;
  does: string;
  run(key: string): void;
}

/** Listens until the signal. Keys that mean something to what has the focus, or to the browser, are left alone. */
export function listen(shortcuts: readonly Shortcut[], signal: AbortSignal): void {
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTaken(event)) return;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const shortcut = shortcuts.find(({ keys }) => keys.includes(key));
      if (!shortcut) return;
      event.preventDefault();
      shortcut.run(key);
    },
    { signal },
  );
}

function isTaken({ target, key }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.matches("input[type=range]")) return key.startsWith("Arrow");
  if (target.matches("input[type=radio]")) return key.startsWith("Arrow") || key === " ";
  if (target.matches("input, select, textarea, [contenteditable]")) return true;
  return key === " " && target.closest("button, a, summary") !== null;
}
