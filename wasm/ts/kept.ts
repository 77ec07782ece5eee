/** Uploads that are not finished, as this browser keeps them (IndexedDB): after a reload, or days later, they can go on. */

import type { Plan } from "./plan.js";
import type { UploadOptions } from "./upload.js";

/** An upload that was begun here and has not ended. */
export interface KeptUpload {
  /** Of the server. */
  id: string;
  /** Where that is. */
  server: string;
  /** What people call the file. */
  name: string;
  /** Bytes of the file. */
  size: number;
  /** Aimed at for segments, in seconds: opened with another number, it is another upload. */
  segment: number;
  /** The file, where the browser has handles: `open(handle)` after `handle.requestPermission()`. Otherwise it has to be chosen again. */
  handle?: FileSystemFileHandle;
  /** When it was last gone on with, in milliseconds since 1970. */
  at: number;
}

const STORE = "uploads";

/** All of them, the newest first; none where the browser keeps nothing. */
export async function unfinished(): Promise<KeptUpload[]> {
  const all = await use<KeptUpload[]>("readonly", (store) => store.getAll());
  return (all ?? []).sort((a, b) => b.at - a.at);
}

/** Keeps one, in place of what was kept of it before. Returns what lets it go. */
export async function keep(id: string, server: string, plan: Plan, { keep: kept, name = "" }: UploadOptions): Promise<() => Promise<void>> {
  const handle = typeof kept === "object" ? { handle: kept } : {};
  const upload: KeptUpload = { id, server, name, size: plan.size, segment: plan.target, at: Date.now(), ...handle };
  await use("readwrite", (store) => store.put(upload));
  return () => forget(upload);
}

/** Lets one go: it is not told of any more. What the server has of it stays there until it expires. */
export async function forget({ server, id }: Pick<KeptUpload, "server" | "id">): Promise<void> {
  await use("readwrite", (store) => store.delete([server, id]));
}

/** Undefined where nothing can be kept: private windows, Node.js. An upload does without. */
async function use<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest): Promise<T | undefined> {
  if (globalThis.indexedDB === undefined) return undefined;
  try {
    const opening = indexedDB.open("reelway", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: ["server", "id"] });
    const database = await settled(opening);
    try {
      return (await settled(work(database.transaction(STORE, mode).objectStore(STORE)))) as T;
    } finally {
      database.close();
    }
  } catch {
    return undefined;
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
