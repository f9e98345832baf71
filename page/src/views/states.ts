// State trajectories: principal axes, cosine matrices, norms over time.
import { figure, h, s } from "../dom";
import { lineChart } from "../chart";
import { choice, diverging, fitted, heatmap, hideTip, path, placeIn, rampLegend, showTip } from "../draw";
import { t } from "../i18n";
import { labelOf } from "../labels";
import { cosines, extent, norm, percent, principal, show } from "../numbers";
import { sourceNow, stepNow, stepsOf, type Mounted, type Page, type View } from "../page";
import type { Matrix, Token } from "../trace";
import { runChoice } from "./matrix";

const SIZE = 560;

interface Side {
  kind: "source" | "target";
  name: string;
  states: Matrix;
  tokens: Token[];
}

interface Panel {
  svg: SVGSVGElement;
  mark(at: number | null): void;
}

function hovering(page: Page, side: Side, at: number | null): void {
  page.store.set(side.kind === "source" ? { hoverSource: at } : { hoverStep: at });
}

function choose(page: Page, side: Side, at: number): void {
  page.store.set(side.kind === "source" ? { source: at } : { step: at });
}

/** The path of a side's states on their first two principal axes. */
function trajectory(page: Page, side: Side): Panel & { points: [number, number][]; shares: [number, number] } {
  const { points, shares } = principal(side.states);
  const [x0, x1] = extent(points.map((one) => one[0]));
  const [y0, y1] = extent(points.map((one) => one[1]));
  const span = Math.max(x1 - x0, y1 - y0) || 1; // the same scale on both axes: distances mean something
  const margin = 44;
  const scale = (SIZE - 2 * margin) / span;
  const x = (value: number): number => SIZE / 2 + (value - (x0 + x1) / 2) * scale;
  const y = (value: number): number => SIZE / 2 + 10 - (value - (y0 + y1) / 2) * scale;
  const places = points.map(([a, b]): [number, number] => [x(a), y(b)]);
  const svg = figure(SIZE, SIZE + 30, `${side.name}: ${t("what_states")}`);
  svg.append(
    s("text", { x: 0, y: 13, class: "strong", "font-size": 12 }, side.name),
    s("text", { x: SIZE, y: 13, "text-anchor": "end", class: "small muted" }, t("variance", { a: percent(shares[0]), b: percent(shares[1]) })),
    s("rect", { x: 0.5, y: 22, width: SIZE - 1, height: SIZE + 4, rx: 6, class: "box" }),
    s("path", { d: path(places), class: `line ${side.kind}`, opacity: 0.35 }),
  );
  const labelled = side.tokens.length <= 40;
  // A label goes where fewest points and labels are in its way.
  const boxes: [number, number, number, number][] = places.map(([px, py]) => [px - 5, py - 5, px + 5, py + 5]);
  const dots = places.map(([px, py], at) => {
    const label = fitted(side.tokens[at]?.text ?? "", 76, 12);
    const width = 8 + label.length * 7.5;
    const spots: [number, number][] = [[px + 7, py + 4], [px - 7 - width, py + 4], [px - width / 2, py - 9], [px - width / 2, py + 18]];
    const cost = ([lx, ly]: [number, number]): number =>
      boxes.filter(([a, b, c, d]) => lx < c && lx + width > a && ly - 11 < d && ly + 2 > b).length + (lx < 2 || lx + width > SIZE - 2 || ly < 34 ? 5 : 0);
    const best = spots.reduce((a, b) => (cost(b) < cost(a) ? b : a));
    if (labelled) boxes.push([best[0], best[1] - 11, best[0] + width, best[1] + 2]);
    const circle = s("circle", { cx: px, cy: py, r: 4.5, class: `fill-${side.kind}` });
    svg.append(
      s(
        "g",
        {
          class: "pointer",
          onmousemove: (event: MouseEvent) => {
            hovering(page, side, at);
            showTip(event, [`${at} ${labelOf(side.tokens[at].text)}`, [t("norm"), show(norm(side.states.row(at)))]]);
          },
          onmouseleave: () => {
            hideTip();
            hovering(page, side, null);
          },
          onclick: () => choose(page, side, at),
        },
        circle,
        labelled ? s("text", { x: best[0], y: best[1], "font-size": 12, class: "token" }, label) : null,
      ),
    );
    return circle;
  });
  places.forEach(([px, py], at) => {
    if (at === 0 || at === places.length - 1) svg.append(s("circle", { cx: px, cy: py, r: 8, class: `line ${side.kind}`, "stroke-dasharray": at ? "" : "2 2" }));
  });
  return {
    svg,
    points,
    shares,
    mark: (now) => dots.forEach((dot, at) => dot.setAttribute("style", at === now ? "stroke:var(--ink);stroke-width:3;r:7" : "")),
  };
}

/** Which states of a side point the same way. */
function cosineMatrix(page: Page, side: Side): Panel {
  const values = cosines(side.states);
  const n = values.rows;
  const left = 66;
  const box = SIZE - left - 6;
  const cell = box / n;
  const svg = figure(SIZE, box + 90, `${side.name}: ${t("cosine")}`);
  const top = 26;
  svg.append(
    s("text", { x: 0, y: 13, class: "strong", "font-size": 12 }, `${side.name}: ${t("cosine")}`),
    heatmap(values, diverging(1), { x: left, y: top, width: box, height: box }),
    s("rect", { x: left, y: top, width: box, height: box, class: "box" }),
  );
  const each = Math.max(1, Math.ceil(13 / cell));
  side.tokens.forEach((token, at) => {
    if (at % each === 0) svg.append(s("text", { x: left - 5, y: top + (at + 0.5) * cell + 4, "text-anchor": "end", "font-size": 11, class: `token ${side.kind}` }, fitted(token.text, left - 8, 11)));
  });
  const cross = s("g", { class: "only-screen" });
  const hit = s("rect", { x: left, y: top, width: box, height: box, class: "hit" });
  const cellAt = (event: MouseEvent): [number, number] => {
    const [x, y] = placeIn(svg, event);
    const limit = (value: number): number => Math.max(0, Math.min(n - 1, Math.floor(value / cell)));
    return [limit(y - top), limit(x - left)];
  };
  hit.addEventListener("mousemove", (event) => {
    const [row, col] = cellAt(event);
    hovering(page, side, row);
    showTip(event, [`${labelOf(side.tokens[row].text)} · ${labelOf(side.tokens[col].text)}`, [`${row} · ${col}`, ""], [t("cosine"), show(values.at(row, col))]]);
  });
  hit.addEventListener("mouseleave", () => {
    hideTip();
    hovering(page, side, null);
  });
  hit.addEventListener("click", (event) => choose(page, side, cellAt(event)[0]));
  svg.append(cross, hit, rampLegend(diverging(1), [-1, 0, 1], left, top + box + 22, t("cosine")));
  return {
    svg,
    mark: (at) => cross.replaceChildren(...(at === null ? [] : [s("rect", { x: left, y: top + at * cell, width: box, height: cell, class: "cross" })])),
  };
}

function sidesOf(page: Page): Side[] {
  const { trace, store } = page;
  const steps = stepsOf(page);
  const pick = (count: number): number => Math.min(Number(store.option("layer", String(count - 1))), count - 1);
  const encoder = trace.encoder.layers.length ? trace.encoder.layers[pick(trace.encoder.layers.length)].hidden : trace.encoder.outputs;
  const sides: Side[] = [{ kind: "source", name: t("encoder"), states: encoder, tokens: trace.source.tokens }];
  if (steps.layers.length) sides.push({ kind: "target", name: t("decoder"), states: steps.layers[pick(steps.layers.length)].hidden, tokens: steps.tokens });
  return sides;
}

function mount(box: HTMLElement, page: Page): Mounted {
  const { trace, store } = page;
  const sides = sidesOf(page);
  const layers = Math.max(trace.encoder.layers.length, stepsOf(page).layers.length);
  const controls = h("div", { class: "controls" });
  if (layers > 1) controls.append(choice(t("which_layer"), store.option("layer", String(layers - 1)), Array.from({ length: layers }, (_, at) => [String(at), String(at + 1)]), (value) => store.setOption("layer", value), "layer"));
  if (trace.forced) controls.append(runChoice(page));
  const paths = sides.map((side) => trajectory(page, side));
  const matrices = sides.map((side) => cosineMatrix(page, side));
  const norms = sides.map((side) => Float32Array.from({ length: side.states.rows }, (_, row) => norm(side.states.row(row))));
  const chart = lineChart(t("norms_title"), sides.map((side, at) => ({ name: side.name, kind: side.kind, values: norms[at] })), { width: 1130, height: 190, low: 0 }, String);
  chart.svg.addEventListener("mousemove", (event) => {
    const at = chart.at(placeIn(chart.svg, event)[0]);
    showTip(event, [String(at), ...sides.map((side, place): [string, string] => [`${side.name} ${labelOf(side.tokens[at]?.text ?? "")}`, show(norms[place][at] ?? NaN)])]);
  });
  chart.svg.addEventListener("mouseleave", hideTip);
  box.append(
    controls,
    h("div", { class: "split" }, ...paths.map((one) => one.svg)),
    h("div", { class: "split" }, ...matrices.map((one) => one.svg)),
    h("div", { class: "scroll" }, chart.svg),
  );
  return {
    update() {
      sides.forEach((side, at) => {
        const now = side.kind === "source" ? sourceNow(page) : stepNow(page);
        paths[at].mark(now);
        matrices[at].mark(now);
        chart.mark(side.kind, now);
      });
    },
    table: () => ({
      columns: ["", t("item"), "", t("norm"), "1", "2"],
      rows: sides.flatMap((side, place) =>
        side.tokens.map((token, at) => [side.name, at, labelOf(token.text), norms[place][at], ...paths[place].points[at]]),
      ),
    }),
  };
}

export const statesView: View = { id: "states", mount };
