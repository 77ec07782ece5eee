import "./styles/live.css";
import "./styles/jobs.css";
import { ApiError, type Job, type JobState, listJobs } from "./api.ts";
import { button, h } from "./dom.ts";
import { capital, formatDuration } from "./format.ts";
import { watchHref } from "./route.ts";
import type { View } from "./view.ts";

const ORDER: Record<JobState, number> = { running: 0, queued: 1, failed: 2, cancelled: 3, done: 4 };

/** What the server makes of its videos, as it makes it. */
export class JobsView implements View {
  readonly title = "Jobs · Reelway";
  readonly root: HTMLElement;
  private readonly summary = h("p", { class: "summary" }, "Loading…");
  private readonly list = h("div", { class: "jobs" });
  private readonly leaving = new AbortController();
  /** Lines stay where they are and change, so that nothing is read out again and the focus stays. */
  private readonly lines = new Map<string, Line>();
  private events: EventSource | undefined;

  constructor() {
    this.root = h(
      "div",
      { class: "page" },
      h("div", { class: "page-head" }, h("div", {}, h("h1", {}, "Jobs"), this.summary)),
      this.list,
      ordering(),
    );
    void this.open();
  }

  destroy(): void {
    this.leaving.abort();
    this.events?.close();
  }

  private async open(): Promise<void> {
    const { signal } = this.leaving;
    try {
      this.show(await listJobs(signal));
    } catch (error) {
      if (signal.aborted) return;
      const { title, detail } = error instanceof ApiError ? error : { title: "The list did not load", detail: String(error) };
      this.summary.textContent = "";
      this.list.replaceChildren(h("section", { class: "notice", role: "alert" }, h("h2", {}, title), h("p", {}, detail), button("Try again", () => void this.open())));
      return;
    }
    if (signal.aborted) return;
    // It comes again by itself after the connection was lost.
    this.events = new EventSource("/api/v1/jobs/events");
    this.events.addEventListener("message", ({ data }: MessageEvent<string>) => this.show((JSON.parse(data) as { jobs: Job[] }).jobs));
  }

  private show(jobs: readonly Job[]): void {
    const count = (state: JobState): number => jobs.filter((job) => job.state === state).length;
    const facts = [`${count("running")} running`, `${count("queued")} waiting`, `${count("done")} done`, count("failed") > 0 && `${count("failed")} failed`];
    this.summary.textContent = jobs.length === 0 ? "Nothing has been ordered" : facts.filter(Boolean).join(" · ");
    const sorted = [...jobs].sort((a, b) => ORDER[a.state] - ORDER[b.state] || b.created - a.created);
    const lines = sorted.map((job) => {
      const line = this.lines.get(job.id) ?? new Line();
      this.lines.set(job.id, line);
      line.show(job);
      return line.root;
    });
    const there = this.list.querySelector("ul");
    if (lines.length === 0) this.list.replaceChildren();
    else if (!there) this.list.replaceChildren(h("ul", { class: "job-list" }, ...lines));
    else if (lines.some((line, index) => there.children[index] !== line) || there.children.length !== lines.length) there.replaceChildren(...lines);
  }
}

/** One job. */
class Line {
  readonly root = h("li", { class: "job" });
  private readonly name = h("h2", { class: "job-name" });
  private readonly state = h("span", { class: "badge-state" });
  private readonly bar = h("progress", { max: 10_000 });
  private readonly facts = h("p", { class: "facts" });
  private readonly notes = h("div", { class: "job-notes" });
  private shown = "";

  constructor() {
    this.root.append(h("div", { class: "job-head" }, this.name, this.state), this.bar, this.facts, this.notes);
  }

  show(job: Job): void {
    const key = JSON.stringify(job);
    if (key === this.shown) return;
    this.shown = key;
    const { progress } = job;
    const name = nameOf(job);
    if (this.name.textContent !== name) {
      this.name.textContent = name;
      this.bar.setAttribute("aria-label", `Progress of ${name}`);
    }
    this.state.textContent = capital(job.state);
    this.state.className = `badge-state ${job.state}`;
    this.bar.hidden = job.state !== "running";
    if (progress) this.bar.value = progress.done;
    const facts = [
      progress && `${Math.floor(progress.done / 100)} %`,
      progress && progress.speed > 0 && `${(progress.speed / 1000).toFixed(1)}× as fast as it plays`,
      progress?.secondsLeft !== undefined && `${formatDuration(progress.secondsLeft * 1000)} left`,
      `${job.codec} · ${job.rungs}`,
      job.attempts > 1 && `try ${job.attempts}`,
      `ordered ${new Date(job.created).toLocaleString()}`,
    ];
    this.facts.replaceChildren(...facts.filter((fact) => typeof fact === "string").map((fact) => h("span", {}, fact)));
    this.notes.replaceChildren(
      job.problem !== undefined && job.state !== "done" ? h("p", { class: "problem" }, h("strong", {}, job.state === "queued" ? "Is tried again: " : "Problem: "), job.problem) : "",
      ...job.notes.map((note) => h("p", { class: "quiet" }, note)),
      job.products.length > 0
        ? h("p", {}, h("a", { href: watchHref(job.output) }, job.state === "done" ? "Play it" : "Play what is there"), h("span", { class: "quiet" }, ` ${job.products.join(", ")}`))
        : "",
    );
  }
}

/** The file; of what was uploaded, whose name is long and random, as much as tells it from others. */
function nameOf({ asset }: Job): string {
  const upload = /^up-([0-9a-f]{8})[0-9a-f]{24}$/.exec(asset);
  return upload ? `Upload ${upload[1]}` : asset;
}

function ordering(): HTMLElement {
  const order = `curl -X POST ${location.origin}/api/v1/jobs -H "Authorization: Bearer $(cat reelway-data/jobs.key)" \\\n     -H "Content-Type: application/json" -d '{"asset": "films/a.mkv"}'`;
  return h(
    "section",
    { class: "publish", "aria-labelledby": "order" },
    h("h2", { id: "order" }, "Order one"),
    h("p", { class: "quiet" }, "A job makes a ladder of a file or an upload: the same film in several qualities, with a poster and a storyboard. The file plays meanwhile."),
    h("pre", { class: "recipe", tabindex: 0, role: "region", "aria-label": "What to enter" }, h("code", {}, order)),
  );
}
