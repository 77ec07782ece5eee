/** The signs on the controls: shapes on a field of 24 by 24. */

const SHAPES = {
  play: "M7 4.5v15l13-7.5z",
  pause: "M6 5h4v14H6zM14 5h4v14h-4z",
  replay: "M12 5V1.5L6.5 6.5 12 11.5V8a5.5 5.5 0 1 1-5.5 5.5h-3A8.5 8.5 0 1 0 12 5z",
  loud: "M3 9v6h4l6 5V4L7 9zM15.5 8a5.5 5.5 0 0 1 0 8zM15.5 3.8v2.3a7 7 0 0 1 0 11.8v2.3a9.2 9.2 0 0 0 0-16.4z",
  silent: "M3 9v6h4l6 5V4L7 9zM21.6 9.8l-1.4-1.4-2.2 2.2-2.2-2.2-1.4 1.4 2.2 2.2-2.2 2.2 1.4 1.4 2.2-2.2 2.2 2.2 1.4-1.4-2.2-2.2z",
  subtitles: "M3 5h18v14H3zM6 11h5v2H6zM13 11h5v2h-5zM6 15h8v1.8H6zM16 15h2v1.8h-2z",
  sound: "M4 8h2.5v8H4zM8.8 4h2.5v16H8.8zM13.6 7h2.5v10h-2.5zM18.4 10h2.5v4h-2.5z",
  chapters: "M4 5h3v3H4zM9.5 5H20v3H9.5zM4 10.5h3v3H4zM9.5 10.5H20v3H9.5zM4 16h3v3H4zM9.5 16H20v3H9.5z",
  stats: "M4 12h4v8H4zM10 4h4v16h-4zM16 8h4v12h-4z",
  inset: "M3 4h18v16H3zM5 6v12h14V6zM12 11h6v6h-6z",
  fullscreen: "M4 4h6v2.4H6.4V10H4zM14 4h6v6h-2.4V6.4H14zM4 14h2.4v3.6H10V20H4zM17.6 14H20v6h-6v-2.4h3.6z",
} as const;

export type Icon = keyof typeof SHAPES;

export function icon(name: Icon): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [attribute, value] of Object.entries({ viewBox: "0 0 24 24", width: "24", height: "24", "aria-hidden": "true", class: "icon" })) {
    svg.setAttribute(attribute, value);
  }
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[name]);
  path.setAttribute("fill", "currentColor");
  // Holes are drawn inside what they are holes of.
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}
