// The beam's tree: what lived, what finished, what was pruned and why.
import { hierarchy, tree, type HierarchyPointNode } from "d3-hierarchy";
import { figure, h, s } from "../dom";
import { choice, fitted, hideTip, scrolled, showTip } from "../draw";
import { t, tMaybe } from "../i18n";
import { labelOf } from "../labels";
import { percent, show } from "../numbers";
import { nameOf, stepNow, type Mounted, type Page, type View } from "../page";
import { REASONS, STATUSES, type Beam } from "../trace";

const COLUMN = 96;
const ROW = 27;
const BOX = 66;
const NEAR = 12; // steps on each side where all pruned nodes are drawn
const MOST_NODES = 2500;

interface Item {
  node: number;
  children: Item[];
}

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

function layout(beam: Beam, shown: Set<number>): { nodes: HierarchyPointNode<Item>[]; low: number; high: number } {
  const items = new Map<number, Item>([[-1, { node: -1, children: [] }]]);
  for (const node of [...shown].sort((a, b) => a - b)) {
    const item = { node, children: [] };
    items.set(node, item);
    items.get(beam.parents[node])!.children.push(item);
  }
  for (const item of items.values()) item.children.sort((a, b) => beam.totals[b.node] - beam.totals[a.node]);
  const root = tree<Item>().nodeSize([ROW, COLUMN]).separation(() => 1)(hierarchy(items.get(-1)!));
  const nodes = root.descendants();
  const xs = nodes.map((one) => one.x);
  return { nodes, low: Math.min(...xs), high: Math.max(...xs) };
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

function draw(page: Page, beam: Beam, pruned: string): { svg: SVGSVGElement; columns: SVGRectElement } {
  const shown = chosenNodes(beam, pruned, Math.min(page.store.state.step, page.trace.steps.tokens.length - 1));
  const reference = referenceNodes(page, beam);
  if (pruned !== "none" && shown.size < MOST_NODES) for (const node of reference) shown.add(node);
  const { nodes, low, high } = layout(beam, shown);
  const best = new Set(pathOf(beam, beam.ranking[0] ?? -1));
  const depth = Math.max(...nodes.map((one) => one.depth));
  const top = 44;
  const width = 70 + depth * COLUMN + BOX;
  const height = top + (high - low) + ROW + 46;
  const y = (x: number): number => top + x - low + ROW / 2;
  const x = (level: number): number => 10 + level * COLUMN;
  const svg = figure(Math.max(width, 720), height, t("what_beam"));
  const band = s("rect", { y: 20, width: COLUMN - 10, height: height - 60, rx: 6, class: "now-band" });
  svg.append(band);
  for (let level = 1; level <= depth; level++) svg.append(s("text", { x: x(level) + BOX / 2, y: 14, "text-anchor": "middle", class: "small muted" }, String(level - 1)));
  const statusOf = (node: number): string => STATUSES[beam.statuses[node]];
  for (const one of nodes) {
    if (!one.parent) continue;
    const { node } = one.data;
    const [x0, y0, x1, y1] = [x(one.parent.depth) + (one.parent.depth ? BOX : 44), y(one.parent.x), x(one.depth), y(one.x)];
    svg.append(
      s("path", {
        d: `M${x0} ${y0}C${(x0 + x1) / 2} ${y0} ${(x0 + x1) / 2} ${y1} ${x1} ${y1}`,
        class: `edge ${statusOf(node)}${best.has(node) ? " best" : ""}`,
        "stroke-width": (best.has(node) ? 2.5 : 0.8) + 3 * Math.exp(beam.logProbs[node]),
      }),
    );
  }
  for (const one of nodes) {
    const { node } = one.data;
    if (node < 0) {
      svg.append(s("text", { x: x(0), y: y(one.x) + 5, class: "muted" }, "<bos>"));
      continue;
    }
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
      s("rect", { x: x(one.depth), y: y(one.x) - 11, width: BOX, height: 22, rx: status === "finished" ? 11 : 4 }),
      s("text", { x: x(one.depth) + BOX / 2, y: y(one.x) + 5, "text-anchor": "middle", class: "token" }, fitted(nameOf(page.trace, beam.ids[node]), BOX - 8, 13)),
    );
    svg.append(group);
    if (rank >= 0) svg.append(s("text", { x: x(one.depth) + BOX + 5, y: y(one.x) + 4, class: "small good" }, `✓${rank + 1} ${show(beam.scores[node])}`));
    else if (status === "pruned") svg.append(s("text", { x: x(one.depth) + BOX + 3, y: y(one.x) + 4, class: "small muted" }, "×"));
    if (reference.has(node) && beam.referenceLeft === beam.steps[node]) svg.append(s("path", { d: `M${x(one.depth) + BOX / 2 - 6} ${y(one.x) - 21}h12l-6 9z`, class: "flag" }));
  }
  const legend: [string, string][] = [["alive", t("status_alive")], ["finished", `✓ ${t("status_finished")}`], ["pruned", `× ${t("status_pruned")}`], ["best", t("best")]];
  if (page.trace.forced) legend.push(["reference", t("on_reference")]);
  legend.forEach(([kind, text], at) =>
    svg.append(
      s("g", { class: `node ${kind}` }, s("rect", { x: 10 + at * 140, y: height - 24, width: 20, height: 14, rx: kind === "finished" ? 7 : 3 }), s("text", { x: 36 + at * 140, y: height - 13, "font-size": 12 }, text)),
    ),
  );
  return { svg, columns: band };
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
        h("tr", {}, h("td", {}, String(at + 1)), h("td", { dir: "auto" }, textOf(page, beam, node)), h("td", { class: "number" }, show(beam.scores[node])), h("td", { class: "number" }, show(beam.totals[node]))),
      ),
    ),
  );
  const holder = scrolled(drawn.svg);
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
  let centred = false;
  return {
    update() {
      const step = stepNow(page);
      drawn.columns.setAttribute("x", String(10 + (step + 1) * COLUMN - 5));
      if (store.state.hoverStep !== null) return;
      const x = (step + 1) * COLUMN;
      if (x < holder.scrollLeft || x + COLUMN > holder.scrollLeft + holder.clientWidth) holder.scrollLeft = x - holder.clientWidth / 2;
      if (!centred) holder.scrollTop = (holder.scrollHeight - holder.clientHeight) / 2;
      centred = true;
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
