/** The script of a worker that has the core inside; made by the build. */
export const worker: string;
