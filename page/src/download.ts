// A view as SVG, PNG or CSV.
import { s } from "./dom";
import style from "./style.css?inline";
import type { Table } from "./page";

const VARIABLES = [...new Set(style.match(/--[a-z-]+(?=\s*:)/g) ?? [])];

/** All figures of a view below each other, as one SVG that needs no page around it. */
export function standalone(box: HTMLElement): SVGSVGElement | null {
  const figures = [...box.querySelectorAll<SVGSVGElement>("svg.figure")];
  if (!figures.length) return null;
  const sizes = figures.map((one) => one.viewBox.baseVal);
  const width = Math.max(...sizes.map((one) => one.width));
  const height = sizes.reduce((total, one) => total + one.height, 0);
  const now = getComputedStyle(document.documentElement);
  const variables = VARIABLES.map((name) => `${name}:${now.getPropertyValue(name).trim()}`).join(";");
  const all = s("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width, height });
  all.append(s("style", {}, `svg{${variables}}\n${style.slice(style.indexOf("/* figures */"))}`));
  all.append(s("rect", { width, height, fill: now.getPropertyValue("--paper").trim() }));
  let y = 0;
  figures.forEach((one, at) => {
    const copy = one.cloneNode(true) as SVGSVGElement;
    copy.setAttribute("y", String(y));
    copy.setAttribute("x", "0");
    copy.querySelectorAll(".only-screen").forEach((part) => part.remove());
    all.append(copy);
    y += sizes[at].height;
  });
  return all;
}

function svgText(svg: SVGSVGElement): string {
  return new XMLSerializer().serializeToString(svg);
}

function save(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export function saveSvg(box: HTMLElement, name: string): void {
  const svg = standalone(box);
  if (svg) save(new Blob([svgText(svg)], { type: "image/svg+xml" }), `${name}.svg`);
}

export async function savePng(box: HTMLElement, name: string): Promise<void> {
  const svg = standalone(box);
  if (!svg) return;
  const { width, height } = svg.viewBox.baseVal;
  const scale = Math.min(2, 8000 / Math.max(width, height)); // what browsers draw at most
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(svg))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(width * scale);
  canvas.height = Math.ceil(height * scale);
  canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => blob && save(blob, `${name}.png`), "image/png");
}

/** RFC 4180, with a byte order mark so that spreadsheets read UTF-8; a cell never starts a formula. */
export function csvText(table: Table): string {
  const cell = (value: string | number): string => {
    if (typeof value === "number") return String(value);
    const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return `\ufeff${[table.columns, ...table.rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

export function saveCsv(table: Table, name: string): void {
  save(new Blob([csvText(table)], { type: "text/csv;charset=utf-8" }), `${name}.csv`);
}
