// What the views draw with: colours, heat maps, labels, legends, the tooltip.
import { interpolateRgb } from "d3-interpolate";
import { scaleLinear } from "d3-scale";
import { h, s, type Child } from "./dom";
import { labelOf } from "./labels";
import type { Matrix } from "./trace";

export type Theme = "light" | "dark";

// Sequential: one hue, lightness rising monotonically, so it also reads in grey. Diverging: blue to orange, which
// all common kinds of colour blindness tell apart.
const SEQUENTIAL = {
  light: ["#ffffff", "#d5e5f4", "#8dbde0", "#3a87c4", "#0b559f", "#06264f"],
  dark: ["#14181d", "#153a5e", "#1f6fa8", "#48a9d6", "#a3dcec", "#f6fbe8"],
};
const DIVERGING = {
  light: ["#0b4f8a", "#4c97cc", "#b5d6ec", "#f7f7f5", "#fbd09a", "#e8892b", "#8f4300"],
  dark: ["#8fd0ff", "#3f8fcb", "#1d4668", "#171b20", "#63410f", "#c77c1e", "#ffc87a"],
};

let theme: Theme = "light";

export function setTheme(next: Theme): void {
  theme = next;
}

export type Colour = (value: number) => [number, number, number];

function ramp(stops: string[], low: number, high: number): Colour {
  const scale = scaleLinear<string>()
    .domain(stops.map((_, at) => at / (stops.length - 1)))
    .range(stops)
    .interpolate(interpolateRgb);
  const table = Array.from({ length: 256 }, (_, at): [number, number, number] => {
    const parts = scale(at / 255).match(/\d+/g)!.map(Number);
    return [parts[0], parts[1], parts[2]];
  });
  const span = high - low || 1;
  return (value) => table[Math.max(0, Math.min(255, Math.round(((value - low) / span) * 255)))] ?? table[0];
}

export function sequential(low: number, high: number): Colour {
  return ramp(SEQUENTIAL[theme], low, high);
}

/** Around zero, the same on both sides. */
export function diverging(size: number): Colour {
  return ramp(DIVERGING[theme], -size, size);
}

/** Weights on a logarithmic scale from 1/10000 to 1. */
export function logarithmic(): Colour {
  const colour = sequential(-4, 0);
  return (value) => colour(Math.log10(Math.max(value, 1e-4)));
}

export function css([r, g, b]: [number, number, number]): string {
  return `rgb(${r},${g},${b})`;
}

/** Ink that reads on a colour. */
export function inkOn([r, g, b]: [number, number, number]): string {
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#10151a" : "#ffffff";
}

/** A matrix as an SVG image, one pixel a cell, scaled up without blurring. */
export function heatmap(
  values: Matrix,
  colour: Colour,
  box: { x: number; y: number; width: number; height: number },
): SVGImageElement {
  const canvas = document.createElement("canvas");
  canvas.width = values.cols;
  canvas.height = values.rows;
  const context = canvas.getContext("2d")!;
  const pixels = context.createImageData(values.cols, values.rows);
  for (let at = 0; at < values.data.length; at++) {
    const [r, g, b] = colour(values.data[at]);
    pixels.data.set([r, g, b, 255], at * 4);
  }
  context.putImageData(pixels, 0, 0);
  return s("image", { ...box, href: canvas.toDataURL(), preserveAspectRatio: "none", class: "pixels" });
}

function plain(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** A legend: the ramp with its two or three values. */
export function rampLegend(colour: Colour, values: number[], x: number, y: number, title: string, format = plain): SVGGElement {
  const width = 120;
  const group = s("g", { transform: `translate(${x} ${y})`, class: "legend" });
  const low = values[0];
  const high = values[values.length - 1];
  group.append(s("text", { x: 0, y: -5, class: "small muted" }, title));
  for (let at = 0; at < 40; at++) {
    const value = low + ((high - low) * (at + 0.5)) / 40;
    group.append(s("rect", { x: (at * width) / 40, y: 0, width: width / 40 + 0.5, height: 8, fill: css(colour(value)) }));
  }
  values.forEach((value, at) =>
    group.append(
      s(
        "text",
        {
          x: (at * width) / (values.length - 1),
          y: 20,
          class: "small muted",
          "text-anchor": at === 0 ? "start" : at === values.length - 1 ? "end" : "middle",
        },
        format(value),
      ),
    ),
  );
  return group;
}

let pen: CanvasRenderingContext2D | null = null;
const widths = new Map<string, number>();
export const FONT =
  'system-ui, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK KR", "Noto Sans KR", "Apple SD Gothic Neo", "Malgun Gothic", NanumGothic, "Noto Sans Arabic", "Noto Sans Hebrew", sans-serif';

/** Width of a text in pixels. */
export function measure(text: string, size = 13): number {
  const key = `${size} ${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    pen ??= document.createElement("canvas").getContext("2d")!;
    pen.font = `${size}px ${FONT}`;
    width = pen.measureText(text).width;
    widths.set(key, width);
  }
  return width;
}

/** A label cut to a width, with an ellipsis. */
export function fitted(token: string, width: number, size = 13): string {
  const label = labelOf(token);
  if (measure(label, size) <= width) return label;
  const characters = [...label];
  while (characters.length > 1 && measure(`${characters.join("")}…`, size) > width) characters.pop();
  return `${characters.join("")}…`;
}

/** SVG text of a token; isolated, so that right-to-left tokens do not turn the figure around. */
export function tokenText(token: string, values: Record<string, string | number>, width = Infinity, size = 13): SVGTextElement {
  return s("text", { "font-size": size, ...values, class: `token ${values.class ?? ""}` }, fitted(token, width, size));
}

/** Every how many labels one fits, when each needs `need` pixels and has `have`. */
export function stride(have: number, need: number): number {
  const least = Math.ceil(need / have);
  return [1, 2, 5, 10, 20, 25, 50, 100].find((one) => one >= least) ?? least;
}

const tip = h("div", { class: "tip", role: "status", "aria-live": "off" });
tip.hidden = true;

/** Show lines of text next to the pointer; a pair is a name and its value. */
export function showTip(event: { clientX: number; clientY: number }, lines: (string | [string, string] | null | false)[]): void {
  tip.replaceChildren(
    ...lines
      .filter((line): line is string | [string, string] => Boolean(line))
      .map((line) =>
        typeof line === "string"
          ? h("div", { class: "tip-title", dir: "auto" }, line)
          : h("div", { class: "tip-line" }, h("span", {}, line[0]), h("b", { dir: "auto" }, line[1])),
      ),
  );
  if (!tip.isConnected) document.body.append(tip);
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const right = event.clientX + 14 + box.width < innerWidth;
  const below = event.clientY + 16 + box.height < innerHeight;
  tip.style.left = `${Math.max(4, right ? event.clientX + 14 : event.clientX - box.width - 10)}px`;
  tip.style.top = `${Math.max(4, below ? event.clientY + 16 : event.clientY - box.height - 10)}px`;
}

export function hideTip(): void {
  tip.hidden = true;
}

/** Place of an event in the coordinates of an SVG. */
export function placeIn(svg: SVGSVGElement, event: MouseEvent): [number, number] {
  const box = svg.getBoundingClientRect();
  const view = svg.viewBox.baseVal;
  return [
    view.x + ((event.clientX - box.left) / box.width) * view.width,
    view.y + ((event.clientY - box.top) / box.height) * view.height,
  ];
}

/** A select with a label, bound to an option. */
export function choice(
  label: string,
  value: string,
  choices: [string, string][],
  change: (value: string) => void,
  id: string,
): HTMLLabelElement {
  const select = h(
    "select",
    { id, onchange: (event: Event) => change((event.target as HTMLSelectElement).value) },
    ...choices.map(([key, text]) => h("option", { value: key, selected: key === value }, text)),
  );
  return h("label", { class: "control" }, h("span", {}, label), select);
}

/** A figure in a box that scrolls when the figure is wide. */
export function scrolled(...children: Child[]): HTMLDivElement {
  return h("div", { class: "scroll", tabindex: 0 }, ...children);
}

/** A polyline path. */
export function path(points: [number, number][]): string {
  return points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

export function ticks(low: number, high: number, count: number): number[] {
  return scaleLinear().domain([low, high]).ticks(count);
}
