// The beam's tree: what lived, what finished, what was pruned and why.
import { figure, h, s } from "../dom";
import { choice, fitted, hideTip, measure, scrolled, showTip } from "../draw";
import { t, tMaybe } from "../i18n";
import { labelOf } from "../labels";
import { percent, show } from "../numbers";
import { nameOf, stepNow, type Mounted, type Page, type View } from "../page";
import { REASONS, STATUSES, type Beam } from "../trace";

const ROW = 27;
const NEAR = 12; // steps on each side where all pruned nodes are drawn
const MOST_NODES = 2500;

/** Which nodes to draw: always what lived or finished, and the ancestors of all that is drawn. */
function chosenNodes(beam: Beam, pruned: string, step: number): Set<number> {
  const shown = new Set<number>();
  const best = new Map<string, number>();
  for (let node = 0; node < beam.steps.length; node++) {
    const kept = beam.statuses[node] !== 2 || REASONS[beam.reasons[node]] === "cannot_win" || REASONS[beam.reasons[node]] === "enough_finished";
    if (kept) shown.add(node);
    else if (pruned === "all" && Math.abs(beam.steps[node] - step) <= NEAR) shown.add(node);
    else if (pruned === "some") {
      const key = `${beam.steps[node]}`;
      const other = best.get(key);
      if (other === undefined || beam.totals[node] > beam.totals[other]) best.set(key, node);
    }
  }
  for (const node of best.values()) shown.add(node);
  for (const node of [...shown]) for (let at = beam.parents[node]; at >= 0 && !shown.has(at); at = beam.parents[at]) shown.add(at);
  return shown;
}

export function pathOf(beam: Beam, node: number): number[] {
  const path: number[] = [];
  for (let at = node; at >= 0; at = beam.parents[at]) path.unshift(at);
  return path;
}

/** Nodes on the reference, as far as the tree follows it. */
function referenceNodes(page: Page, beam: Beam): Set<number> {
  const found = new Set<number>();
  const wanted = page.trace.forced?.steps.tokens.map((token) => token.id);
  if (!wanted) return found;
  let parent = -1;
  for (let step = 0; step < wanted.length; step++) {
    let next = -1;
    for (let node = 0; node < beam.steps.length; node++) {
      if (beam.steps[node] === step && beam.parents[node] === parent && beam.ids[node] === wanted[step]) next = node;
    }
    if (next < 0) break;
    found.add(next);
    parent = next;
  }
  return found;
}

/**
 * A row for each node. The best continuation stays on its parent's row; every other one starts a branch, on the
 * first row below which is free for as long as the branch lasts.
 */
export function rowsOf(beam: Beam, shown: Set<number>): Map<number, number> {
  const children = new Map<number, number[]>();
  for (const node of [...shown].sort((a, b) => a - b)) {
    const list = children.get(beam.parents[node]) ?? [];
    children.set(beam.parents[node], [...list, node]);
  }
  const best = new Set(pathOf(beam, beam.ranking[0] ?? -1));
  const rows = new Map<number, number>();
  const taken: [number, number][][] = []; // of each row: steps from, to
  const free = (row: number, from: number, to: number): boolean => (taken[row] ?? []).every(([a, b]) => to < a || from > b);
  const branches: { node: number; above: number }[] = [];
  const sorted = (node: number): number[] =>
    [...(children.get(node) ?? [])].sort((a, b) => Number(best.has(b)) - Number(best.has(a)) || Number(children.has(b)) - Number(children.has(a)) || beam.totals[b] - beam.totals[a]);
  sorted(-1).forEach((node, at) => branches.push({ node, above: at ? 0 : -1 }));
  for (let next = branches.shift(); next; next = branches.shift()) {
    const chain = [next.node];
    for (let down = sorted(next.node)[0]; down !== undefined; down = sorted(down)[0]) chain.push(down);
    const from = beam.steps[chain[0]];
    const to = beam.steps[chain[chain.length - 1]] + 1; // room for a mark behind the last one
    let row = next.above + 1;
    while (!free(row, from, to)) row++;
    (taken[row] ??= []).push([from, to]);
    // Late branches first: they find room near their parent, and leave the rows below to long ones.
    for (const node of chain.reverse()) {
      rows.set(node, row);
      for (const other of sorted(node).slice(1)) branches.push({ node: other, above: row });
    }
  }
  return rows;
}

function tipOf(page: Page, beam: Beam, node: number): (string | [string, string])[] {
  return [
    labelOf(nameOf(page.trace, beam.ids[node])),
    [t("step"), String(beam.steps[node])],
    [t("probability"), percent(Math.exp(beam.logProbs[node]))],
    [t("raw_total"), show(beam.totals[node])],
    [t("normalised"), show(beam.scores[node])],
    [t(`status_${STATUSES[beam.statuses[node]]}`), tMaybe(`reason_${REASONS[beam.reasons[node]]}`, "")],
  ];
}

function draw(page: Page, beam: Beam, pruned: string): { svg: SVGSVGElement; column: number; key: SVGGElement; mark(step: number): void } {
  const shown = chosenNodes(beam, pruned, Math.min(page.store.state.step, page.trace.steps.tokens.length - 1));
  const reference = referenceNodes(page, beam);
  if (pruned !== "none" && shown.size < MOST_NODES) for (const node of reference) shown.add(node);
  const rows = rowsOf(beam, shown);
  const best = new Set(pathOf(beam, beam.ranking[0] ?? -1));
  const depth = Math.max(0, ...[...shown].map((node) => beam.steps[node])) + 1;
  const widest = Math.max(...[...shown].map((node) => measure(labelOf(nameOf(page.trace, beam.ids[node])), 13) + (beam.statuses[node] === 1 ? 22 : 0)));
  const boxWidth = Math.max(42, Math.min(116, widest + 14));
  const column = boxWidth + 38;
  const top = 30;
  const width = 60 + depth * column + 30;
  const height = top + (Math.max(0, ...rows.values()) + 1) * ROW + 46;
  const y = (node: number): number => top + (node < 0 ? 0 : rows.get(node)!) * ROW + ROW / 2;
  const x = (node: number): number => (node < 0 ? 8 : 62 + beam.steps[node] * column);
  const svg = figure(Math.max(width, 720), height, t("what_beam"));
  const band = s("rect", { y: 20, width: column - 14, height: height - 60, rx: 6, class: "now-band" });
  svg.append(band, s("text", { x: 8, y: y(-1) + 5, class: "muted" }, "<bos>"));
  for (let step = 0; step < depth; step++) svg.append(s("text", { x: 62 + step * column + boxWidth / 2, y: 14, "text-anchor": "middle", class: "small muted" }, String(step)));
  const statusOf = (node: number): string => STATUSES[beam.statuses[node]];
  for (const node of shown) {
    const parent = beam.parents[node];
    const [x0, y0, x1, y1] = [x(parent) + (parent < 0 ? 42 : boxWidth), y(parent), x(node), y(node)];
    const middle = (x0 + x1) / 2;
    const bend = Math.min(12, Math.abs(y1 - y0) / 2);
    const d = y0 === y1 ? `M${x0} ${y0}H${x1}` : `M${x0} ${y0}Q${middle} ${y0} ${middle} ${y0 + bend}V${y1 - bend}Q${middle} ${y1} ${x1} ${y1}`;
    svg.append(
      s("path", {
        d,
        class: `edge ${statusOf(node)}${best.has(node) ? " best" : ""}`,
        "stroke-width": (best.has(node) ? 2.5 : 1) + 2.5 * Math.exp(beam.logProbs[node]),
      }),
    );
  }
  for (const node of shown) {
    const status = statusOf(node);
    const rank = beam.ranking.indexOf(node);
    const classes = ["node", "pointer", status, best.has(node) ? "best" : "", reference.has(node) ? "reference" : ""].filter(Boolean).join(" ");
    const group = s(
      "g",
      {
        class: classes,
        "data-node": node,
        onmousemove: (event: MouseEvent) => {
          page.store.set({ hoverStep: Math.min(beam.steps[node], page.trace.steps.tokens.length - 1) });
          showTip(event, tipOf(page, beam, node));
        },
        onmouseleave: () => {
          hideTip();
          page.store.set({ hoverStep: null });
        },
        onclick: () => page.store.set({ step: beam.steps[node] }),
      },
      s("rect", { x: x(node), y: y(node) - 11, width: boxWidth, height: 22, rx: status === "finished" ? 11 : 4 }),
      s("text", { x: x(node) + boxWidth / 2, y: y(node) + 5, "text-anchor": "middle", class: "token" }, (rank >= 0 ? `✓${rank + 1} ` : "") + fitted(nameOf(page.trace, beam.ids[node]), boxWidth - (rank >= 0 ? 32 : 8), 13)),
    );
    svg.append(group);
    if (status === "pruned") svg.append(s("text", { x: x(node) + boxWidth + 3, y: y(node) + 4, class: "small muted" }, "×"));
    if (reference.has(node) && beam.referenceLeft === beam.steps[node]) svg.append(s("path", { d: `M${x(node) + boxWidth / 2 - 6} ${y(node) - 19}h12l-6 8z`, class: "flag" }));
  }
  const legend: [string, string][] = [["alive", t("status_alive")], ["finished", `✓ ${t("status_finished")}`], ["pruned", `× ${t("status_pruned")}`], ["best", t("best")]];
  if (page.trace.forced) legend.push(["reference", t("on_reference")]);
  const key = s("g");
  svg.append(key);
  legend.forEach(([kind, text], at) =>
    key.append(
      s("g", { class: `node ${kind}` }, s("rect", { x: 10 + at * 140, y: height - 24, width: 20, height: 14, rx: kind === "finished" ? 7 : 3 }), s("text", { x: 36 + at * 140, y: height - 13, "font-size": 12 }, text)),
    ),
  );
  return { svg, column, key, mark: (step) => band.setAttribute("x", String(62 + step * column - 12)) };
}

function textOf(page: Page, beam: Beam, node: number): string {
  return pathOf(beam, node).map((at) => labelOf(nameOf(page.trace, beam.ids[at]))).join(" ");
}

function mount(box: HTMLElement, page: Page): Mounted {
  const beam = page.trace.beam!;
  const { store } = page;
  const pruned = store.option("pruned", "some");
  const drawn = draw(page, beam, pruned);
  const facts = t("search_facts", { k: beam.beamSize, a: beam.lengthPenalty, stop: beam.stop });
  const reference = !page.trace.forced ? null : beam.referenceLeft === null ? t("reference_kept") : t("reference_left", { t: beam.referenceLeft });
  const results = h(
    "table",
    {},
    h("caption", {}, t("results")),
    h("thead", {}, h("tr", {}, ...["", t("output"), t("normalised"), t("raw_total")].map((name, at) => h("th", { scope: "col", class: at > 1 ? "number" : "" }, name)))),
    h(
      "tbody",
      {},
      ...beam.ranking.map((node, at) =>
        h("tr", {}, h("td", {}, String(at + 1)), h("td", { dir: "auto" }, h("div", { class: "text" }, textOf(page, beam, node))), h("td", { class: "number" }, show(beam.scores[node])), h("td", { class: "number" }, show(beam.totals[node]))),
      ),
    ),
  );
  const holder = scrolled(drawn.svg);
  holder.addEventListener("scroll", () => drawn.key.setAttribute("transform", `translate(${holder.scrollLeft} 0)`)); // stays in sight
  box.append(
    h(
      "div",
      { class: "controls" },
      choice(t("pruned"), pruned, [["none", t("pruned_none")], ["some", t("pruned_some")], ["all", t("pruned_all")]], (value) => store.setOption("pruned", value), "pruned"),
      h("span", { class: "note" }, facts),
      reference ? h("span", { class: "note" }, `▼ ${reference}`) : null,
    ),
    holder,
    results,
  );
  return {
    update() {
      const step = stepNow(page);
      drawn.mark(step);
      if (store.state.hoverStep !== null) return;
      const x = 62 + step * drawn.column;
      if (x < holder.scrollLeft || x + drawn.column > holder.scrollLeft + holder.clientWidth) holder.scrollLeft = x - holder.clientWidth / 2;
    },
    table: () => ({
      columns: ["", t("output"), t("normalised"), t("raw_total")],
      rows: beam.ranking.map((node, at) => [at + 1, textOf(page, beam, node), beam.scores[node], beam.totals[node]]),
    }),
    csv: () => ({
      columns: ["node", "parent", "step", "token", "log_prob", "total", "score", "status", "reason"],
      rows: Array.from(beam.steps, (step, node) => [
        node, beam.parents[node], step, nameOf(page.trace, beam.ids[node]), beam.logProbs[node], beam.totals[node], beam.scores[node],
        STATUSES[beam.statuses[node]], REASONS[beam.reasons[node]],
      ]),
    }),
  };
}

export const beamView: View = { id: "beam", missing: (page) => (page.trace.beam ? null : "need_beam"), mount };
