/** Errors: a class for each kind, whose fault it is, where, and by which rule. */

/** What is known of an error; as it crosses from the core and from the worker. */
export interface ErrorFacts {
  /** `malformed`, `unsupported`, `truncated`: the file. `misuse`: the caller. `read`: what the file is read from. `upload`: the server. */
  kind: "malformed" | "unsupported" | "truncated" | "misuse" | "read" | "upload";
  /** What is wrong, as a sentence for a person. */
  message: string;
  /** The boxes around it, from the outermost in, as `moov/trak/mdia`. */
  path?: string;
  /** The byte of the file where it was seen. */
  offset?: number;
  /** The clause that is broken, as `ISO/IEC 14496-12 8.7.3`. */
  clause?: string;
  /** The answer of a server. */
  status?: number;
}

/** Any error of this package. */
export class ReelwayError extends Error {
  readonly kind: ErrorFacts["kind"];
  readonly path: string | undefined;
  readonly offset: number | undefined;
  readonly clause: string | undefined;
  readonly status: number | undefined;

  constructor({ kind, message, path, offset, clause, status }: ErrorFacts, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.kind = kind;
    this.path = path;
    this.offset = offset;
    this.clause = clause;
    this.status = status;
  }
}

/** The file breaks a rule of its format. */
export class MalformedError extends ReelwayError {}
/** The file keeps the rules and uses what cannot be published as it is. */
export class UnsupportedError extends ReelwayError {}
/** The file ends before what it announces. */
export class TruncatedError extends ReelwayError {}
/** The caller asked for what does not exist. */
export class MisuseError extends ReelwayError {}
/** The file could not be read: it was changed, taken away, or does not answer. */
export class ReadError extends ReelwayError {}
/** The server refused, or cannot be reached. */
export class UploadError extends ReelwayError {}

const CLASSES = {
  malformed: MalformedError,
  unsupported: UnsupportedError,
  truncated: TruncatedError,
  misuse: MisuseError,
  read: ReadError,
  upload: UploadError,
} as const;

/** The error that these facts tell of. */
export function errorOf(facts: ErrorFacts): ReelwayError {
  return new CLASSES[facts.kind](facts);
}

/** What the core throws, as an error: JSON, or the trap of a fault of ours. */
export function thrown(error: unknown): Error {
  if (typeof error === "string" && error.startsWith("{")) return errorOf(JSON.parse(error) as ErrorFacts);
  return error instanceof Error ? error : new Error(String(error));
}
