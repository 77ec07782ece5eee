/** One request, and what came of it. */

/** The answer of a server, as far as an upload looks at it. */
export interface Reply {
  /** 0: there was none. */
  status: number;
  /** Seconds after which it wants to be asked again. */
  after?: number;
  /** What it tells, where that is an object of JSON. */
  told?: Told;
}

/** The objects that a server answers with. */
export interface Told {
  /** Where something is wrong, what (RFC 9457). */
  detail?: string;
  /** Of an upload, by track, the first and last numbers of stretches of segments that are there. */
  have?: Record<string, [number, number][]>;
}

/** Asks once. Only who ends it by its signal gets an error. */
export async function request(url: string, init: RequestInit): Promise<Reply> {
  try {
    const response = await fetch(url, init);
    const text = await response.text();
    return { status: response.status, after: Number(response.headers.get("retry-after")), told: text.startsWith("{") ? JSON.parse(text) : {} };
  } catch {
    init.signal?.throwIfAborted();
    return { status: 0 };
  }
}

/** RFC 4648 4. */
export function base64(bytes: Uint8Array & { toBase64?(): string }): string {
  if (bytes.toBase64) return bytes.toBase64();
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
