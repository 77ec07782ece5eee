import "./styles/library.css";
import { type Asset, ApiError, type BrokenFile, isBroken, listAssets, type Problem, type Video } from "./api.ts";
import { playable } from "./decoders.ts";
import { announce, button, h } from "./dom.ts";
import { codecName, formatBytes, formatDuration, hueOf, initials } from "./format.ts";
import { watchHref } from "./route.ts";
import { Storyboard } from "./storyboard.ts";
import type { View } from "./view.ts";

const SORTS = {
  name: "Name",
  newest: "Newest first",
  longest: "Longest first",
} as const;
type Sort = keyof typeof SORTS;

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const byName = (a: Asset, b: Asset): number => collator.compare(a.name, b.name) || collator.compare(a.id, b.id);
const length = (asset: Asset): number => (isBroken(asset) ? -1 : asset.durationMs);

const ORDER: Record<Sort, (a: Asset, b: Asset) => number> = {
  name: byName,
  newest: (a, b) => Date.parse(b.modified) - Date.parse(a.modified) || byName(a, b),
  longest: (a, b) => length(b) - length(a) || byName(a, b),
};

/** What outlives a visit to a video, so that coming back shows the list as it was left. */
const kept: { assets: readonly Asset[] | undefined; search: string; sort: Sort; scroll: number } = {
  assets: undefined,
  search: "",
  sort: "name",
  scroll: 0,
};

/** The list as last fetched, for pages that need one of its videos. */
export function knownVideo(id: string): Video | undefined {
  return kept.assets?.find((asset): asset is Video => asset.id === id && !isBroken(asset));
}

export class LibraryView implements View {
  readonly title = "Videos · Reelway";
  readonly root: HTMLElement;
  private readonly summary = h("p", { class: "summary" });
  private readonly content = h("div", { class: "library" });
  private readonly tools: HTMLElement;
  private readonly leaving = new AbortController();
  /** Each card is made once; searching and sorting only move them. */
  private cards = new Map<string, HTMLLIElement>();

  constructor() {
    this.tools = this.buildTools();
    this.root = h(
      "div",
      { class: "page" },
      h("div", { class: "page-head" }, h("div", {}, h("h1", {}, "Videos"), this.summary), this.tools),
      this.content,
    );
    if (kept.assets) this.showAssets(kept.assets);
    else this.showSkeleton();
    void this.load();
  }

  shown(): void {
    scrollTo(0, kept.scroll);
  }

  destroy(): void {
    kept.scroll = scrollY;
    this.leaving.abort();
  }

  private reload(): void {
    kept.assets = undefined;
    this.showSkeleton();
    void this.load();
  }

  private async load(): Promise<void> {
    const { signal } = this.leaving;
    try {
      const assets = await listAssets(signal);
      if (signal.aborted) return;
      // Nothing new: leave the page, and the focus in it, alone.
      if (kept.assets && JSON.stringify(kept.assets) === JSON.stringify(assets)) return;
      kept.assets = assets;
      this.cards.clear();
      this.showAssets(assets);
      announce(count(assets.length));
    } catch (error) {
      if (signal.aborted) return;
      this.showProblem(error instanceof ApiError ? error : { title: "The list did not load", detail: String(error) });
    }
  }

  private buildTools(): HTMLElement {
    const search = h("input", { type: "search", id: "search", placeholder: "Search by name or codec", autocomplete: "off", value: kept.search });
    search.addEventListener("input", () => {
      kept.search = search.value;
      this.update(true);
    });
    const sort = h(
      "select",
      { id: "sort" },
      ...Object.entries(SORTS).map(([value, label]) => h("option", { value, selected: value === kept.sort }, label)),
    );
    sort.addEventListener("change", () => {
      kept.sort = sort.value as Sort;
      this.update(false);
    });
    return h(
      "search",
      { class: "tools", hidden: true },
      h("label", { class: "visually-hidden", for: "search" }, "Search the videos"),
      search,
      h("label", { class: "field-label", for: "sort" }, "Sort"),
      sort,
    );
  }

  private showSkeleton(): void {
    const ghosts = Array.from({ length: 8 }, () =>
      h("li", { class: "card ghost" }, h("div", { class: "poster" }), h("div", { class: "line" }), h("div", { class: "line short" })),
    );
    this.summary.textContent = "Loading…";
    this.content.replaceChildren(h("ul", { class: "grid", "aria-hidden": "true" }, ...ghosts));
  }

  private showProblem({ title, detail }: Problem): void {
    this.tools.hidden = true;
    this.summary.textContent = "";
    this.content.replaceChildren(
      h("section", { class: "notice", role: "alert" }, h("h2", {}, title), h("p", {}, detail), button("Try again", () => this.reload())),
    );
    // A failed refresh must not leave an old list behind that looks current on the next visit.
    kept.assets = undefined;
  }

  private showAssets(assets: readonly Asset[]): void {
    this.tools.hidden = assets.length === 0;
    if (assets.length > 0) {
      this.update(false);
      return;
    }
    this.summary.textContent = "";
    this.content.replaceChildren(
      h(
        "section",
        { class: "notice" },
        h("h2", {}, "No videos yet"),
        h("p", {}, "Put MP4 or MOV files into the folder that the server was started with. They play at once, nothing is converted."),
        h("pre", {}, h("code", {}, "reelway serve --media DIR")),
        button("Look again", () => this.reload()),
      ),
    );
  }

  private update(searching: boolean): void {
    const assets = kept.assets ?? [];
    const wanted = kept.search.trim().toLowerCase().split(/\s+/);
    const found = assets.filter((asset) => {
      const text = searchText(asset);
      return wanted.every((word) => text.includes(word));
    });
    found.sort(ORDER[kept.sort]);

    const total = assets.reduce((sum, asset) => sum + Math.max(0, length(asset)), 0);
    this.summary.textContent =
      found.length === assets.length ? `${count(assets.length)} · ${formatDuration(total)} in all` : `${found.length} of ${count(assets.length)}`;
    if (searching) announce(this.summary.textContent);

    if (found.length === 0) {
      this.content.replaceChildren(
        h("section", { class: "notice" }, h("h2", {}, "Nothing found"), h("p", {}, `No video matches “${kept.search.trim()}”.`)),
      );
      return;
    }
    this.content.replaceChildren(h("ul", { class: "grid" }, ...found.map((asset) => this.card(asset))));
  }

  private card(asset: Asset): HTMLLIElement {
    let card = this.cards.get(asset.id);
    if (!card) {
      card = isBroken(asset) ? brokenCard(asset) : videoCard(asset);
      this.cards.set(asset.id, card);
    }
    return card;
  }
}

function count(n: number): string {
  return n === 1 ? "1 video" : `${n} videos`;
}

function searchText(asset: Asset): string {
  const codecs = isBroken(asset) ? [] : asset.tracks.flatMap(({ codec }) => [codec, codecName(codec)]);
  return [asset.id, asset.name, ...codecs].join(" ").toLowerCase();
}

function folderOf(id: string): string {
  return id.includes("/") ? id.slice(0, id.lastIndexOf("/")) : "";
}

function heading(asset: Asset): HTMLElement {
  return h("h2", { class: "card-name", title: asset.id }, asset.name);
}

function videoCard(video: Video): HTMLLIElement {
  const pictures = video.tracks.filter((track) => track.kind === "video").sort((a, b) => b.height - a.height);
  const [picture] = pictures;
  const codecs = [...new Map(video.tracks.map(({ codec }) => [codecName(codec), codec]))];
  const poster = h(
    "div",
    { class: "poster" },
    h("span", { class: "initials", "aria-hidden": "true" }, initials(video.name)),
    h("span", { class: "badge" }, formatDuration(video.durationMs)),
  );
  // Said before anybody goes there in vain.
  if (!playable(video.tracks)) poster.append(h("span", { class: "badge warning" }, "No decoder in this browser"));
  if (video.poster !== undefined) poster.prepend(h("img", { class: "poster-image", src: video.poster, alt: "", loading: "lazy" }));
  if (video.storyboard !== undefined) leafThrough(poster, video.storyboard);
  // Through the CSSOM, because style attributes would need a looser Content-Security-Policy.
  poster.style.setProperty("--hue", String(hueOf(video.id)));

  const facts = [picture ? `${picture.width}×${picture.height}` : "Audio only", pictures.length > 1 ? `${pictures.length} qualities` : "", formatBytes(video.size), folderOf(video.id)].filter(Boolean);
  return h(
    "li",
    { class: "card" },
    h(
      "a",
      { class: "card-link", href: watchHref(video.id) },
      // The name is read first, and stands below the poster.
      heading(video),
      poster,
      h("p", { class: "facts" }, ...facts.map((fact) => h("span", {}, fact))),
      h("p", { class: "codecs" }, ...codecs.map(([name, codec]) => h("span", { class: "chip", title: codec }, name))),
    ),
  );
}

/** A pointer that moves over the poster goes through the film. */
function leafThrough(poster: HTMLElement, url: string): void {
  const tile = h("div", { class: "tile", hidden: true });
  poster.append(tile);
  let board: Promise<Storyboard | undefined> | undefined;
  const show = async (event: PointerEvent): Promise<void> => {
    board ??= Storyboard.load(url);
    const found = await board;
    if (!found || !poster.matches(":hover")) return;
    const { left, width } = poster.getBoundingClientRect();
    const at = Math.min(0.999, Math.max(0, (event.clientX - left) / width));
    found.show(tile, Math.floor(at * found.length), width);
    tile.hidden = false;
  };
  poster.addEventListener("pointermove", (event) => void show(event));
  poster.addEventListener("pointerleave", () => (tile.hidden = true));
}

function brokenCard(file: BrokenFile): HTMLLIElement {
  return h(
    "li",
    { class: "card broken" },
    h("div", { class: "poster" }, h("span", { class: "initials", "aria-hidden": "true" }, "!")),
    heading(file),
    h("p", { class: "facts" }, ...[formatBytes(file.size), folderOf(file.id)].filter(Boolean).map((fact) => h("span", {}, fact))),
    h("p", { class: "problem", title: file.problem }, h("strong", {}, "Cannot be played: "), file.problem),
    file.file !== undefined && h("p", {}, h("a", { href: file.file }, "Open the file as it is")),
  );
}
