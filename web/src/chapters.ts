/** Chapters: where each begins and what it is called, told by WebVTT. */

export interface Chapter {
  /** Seconds. */
  start: number;
  title: string;
}

/** None where there are none, or they cannot be read: the video plays without. */
export async function loadChapters(url: string): Promise<Chapter[]> {
  try {
    const answer = await fetch(url);
    return answer.ok ? parse(await answer.text()) : [];
  } catch {
    return [];
  }
}

/** The number of the chapter that a time is in; -1 before the first. */
export function chapterAt(chapters: readonly Chapter[], seconds: number): number {
  // A player that was told to go where a chapter begins may end up a little before.
  return chapters.findLastIndex(({ start }) => start <= seconds + 0.05);
}

const ENTITIES: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">" };

export function parse(text: string): Chapter[] {
  return [...text.matchAll(/^([\d:.]+) --> [\d:.]+.*\n(.+)$/gm)].map(([, start = "", title = ""]) => ({
    start: start.split(":").reduce((sum, part) => sum * 60 + Number(part), 0),
    title: title.replace(/&(?:amp|lt|gt);/g, (entity) => ENTITIES[entity] ?? entity),
  }));
}
