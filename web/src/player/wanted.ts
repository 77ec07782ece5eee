import type { Languages } from "./engine.ts";

export type Kind = "sound" | "subtitles";

/** The languages that were chosen; they hold for every way of playing. */
export class Wanted {
  private readonly languages: Partial<Record<Kind, string>> = {};

  remember(kind: Kind, { list }: Languages, id: string | undefined): void {
    const chosen = list.find((each) => each.id === id);
    if (chosen) this.languages[kind] = chosen.language;
    else delete this.languages[kind];
  }

  /**
   * What a new engine has to be asked for, by its id there; undefined where it plays that already, has not got it, or does not know yet what there is.
   * `restored` holds of what it has been asked before: what somebody chose since then stays.
   */
  restore(kind: Kind, { list, current }: Languages, restored: Set<Kind>): string | undefined {
    if (restored.has(kind) || list.length === 0) return undefined;
    restored.add(kind);
    const found = list.find(({ language }) => language === this.languages[kind])?.id;
    return found === current ? undefined : found;
  }
}
