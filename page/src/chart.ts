// Line charts over positions.
import { figure, s } from "./dom";
import { path, ticks } from "./draw";
import { extent } from "./numbers";

export interface Line {
  name: string;
  kind: "source" | "target" | "good" | "bad" | "muted";
  values: ArrayLike<number>;
}

const SIGNS: Record<Line["kind"], string> = { source: "●", target: "■", good: "▲", bad: "◆", muted: "○" };

/** The sign of a kind at a place: lines differ in shape as well as in colour. */
function sign(kind: Line["kind"], x: number, y: number): SVGElement {
  return s("text", { x, y: y + 3.5, "text-anchor": "middle", "font-size": 9, class: kind }, SIGNS[kind]);
}

/** Lines over positions, with their names above. */
export function lineChart(
  title: string,
  lines: Line[],
  size: { width: number; height: number; low?: number; high?: number },
  label: (at: number) => string,
): { svg: SVGSVGElement; x(at: number): number; mark(kind: "source" | "target", at: number | null): void; at(x: number): number } {
  const { width, height } = size;
  const left = 46;
  const top = 40;
  const bottom = height - 26;
  const count = Math.max(...lines.map((one) => one.values.length), 1);
  const ends = lines.map((one) => extent(Array.from(one.values).filter(Number.isFinite)));
  const low = size.low ?? Math.min(...ends.map((end) => end[0]), 0);
  const high = size.high ?? (Math.max(...ends.map((end) => end[1])) || 1);
  const x = (at: number): number => left + ((at + 0.5) / count) * (width - left - 14);
  const y = (value: number): number => bottom - ((value - low) / (high - low || 1)) * (bottom - top);
  const svg = figure(width, height, title);
  svg.append(s("text", { x: 0, y: 13, class: "strong", "font-size": 12 }, title));
  for (const value of ticks(low, high, 4)) {
    svg.append(s("path", { d: `M${left} ${y(value)}H${width - 14}`, class: "grid" }), s("text", { x: left - 5, y: y(value) + 4, "text-anchor": "end", class: "small muted" }, String(value)));
  }
  const bands = { source: s("path", { class: "line source", "stroke-dasharray": "4 3" }), target: s("path", { class: "line target", "stroke-dasharray": "4 3" }) };
  svg.append(bands.source, bands.target);
  let at = left;
  for (const one of lines) {
    const points = Array.from(one.values, (value, place): [number, number] => [x(place), y(value)]).filter((point) => Number.isFinite(point[1]));
    svg.append(s("path", { d: path(points), class: `line ${one.kind}` }));
    if (count <= 60) for (const [px, py] of points) svg.append(sign(one.kind, px, py));
    svg.append(s("text", { x: at, y: 30, class: `small ${one.kind}` }, `${SIGNS[one.kind]} ${one.name}`));
    at += 26 + one.name.length * 7.2;
  }
  for (const place of new Set([0, Math.floor((count - 1) / 2), count - 1])) svg.append(s("text", { x: x(place), y: height - 8, "text-anchor": "middle", class: "small muted" }, label(place)));
  svg.append(s("path", { d: `M${left} ${bottom}H${width - 14}`, class: "axis" }));
  return {
    svg,
    x,
    at: (px) => Math.max(0, Math.min(count - 1, Math.floor(((px - left) / (width - left - 14)) * count))),
    mark(kind, place) {
      if (place === null || place >= count) bands[kind].removeAttribute("d");
      else bands[kind].setAttribute("d", `M${x(place)} ${top}V${bottom}`);
    },
  };
}
