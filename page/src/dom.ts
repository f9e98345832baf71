// Elements. Text goes in as text nodes only: nothing in the page ever parses a token as HTML.

type Value = string | number | boolean | null | undefined | ((event: any) => void);
export type Child = Node | string | number | null | undefined | false;
const SVG = "http://www.w3.org/2000/svg";

function fill(element: Element, values: Record<string, Value>, children: Child[]): void {
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** An HTML element; `on...` values are listeners. */
export function h<K extends keyof HTMLElementTagNameMap>(
  name: K,
  values: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  fill(element, values, children);
  return element;
}

/** An SVG element. */
export function s<K extends keyof SVGElementTagNameMap>(
  name: K,
  values: Record<string, Value> = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, name) as SVGElementTagNameMap[K];
  fill(element, values, children);
  return element;
}

/** A figure: the SVG that is seen, downloaded, and described for those who do not see it. */
export function figure(width: number, height: number, label: string, ...children: Child[]): SVGSVGElement {
  return s(
    "svg",
    { class: "figure", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label },
    ...children,
  );
}
