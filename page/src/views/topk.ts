// Top-k and entropy, a column a step. A click asks the server what would follow another item.
import { figure, h, s } from "../dom";
import { css, fitted, hideTip, inkOn, measure, path, placeIn, scrolled, sequential, showTip, stride, ticks } from "../draw";
import { t } from "../i18n";
import { labelOf } from "../labels";
import { extent, percent, show } from "../numbers";
import { nameOf, stepNow, stepsOf, type Mounted, type Page, type View } from "../page";
import type { Steps } from "../trace";
import { runChoice } from "./matrix";

const MOST = 60; // steps in the grid at once
const ROW = 26;
const LEFT = 70;

/** Entropy and the probability of what was taken, over all steps. */
function curve(page: Page, steps: Steps, width: number): { svg: SVGSVGElement; mark(step: number): void } {
  const height = 170;
  const top = 26;
  const bottom = height - 34;
  const n = steps.tokens.length;
  const most = Math.max(extent(steps.entropy)[1], 0.1);
  const pitch = (width - LEFT - 60) / n;
  const x = (at: number): number => LEFT + (at + 0.5) * pitch;
  const y = (value: number): number => bottom - ((bottom - top) * value) / most;
  const svg = figure(width, height, t("entropy"));
  for (const value of ticks(0, most, 3)) {
    svg.append(s("path", { d: `M${LEFT} ${y(value)}H${width - 60}`, class: "grid" }), s("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end", class: "small target" }, String(value)));
  }
  const band = s("rect", { y: top - 8, height: bottom - top + 8, width: Math.max(pitch, 3), class: "now-band" });
  svg.append(band);
  for (let at = 0; at < n; at++) {
    const p = Math.exp(steps.logProbs[at]);
    svg.append(s("rect", { x: x(at) - pitch * 0.36, y: bottom - (bottom - top) * p, width: Math.max(0.8, pitch * 0.72), height: (bottom - top) * p, class: "fill-soft-source" }));
  }
  svg.append(
    s("path", { d: path(Array.from(steps.entropy, (value, at): [number, number] => [x(at), y(value)])), class: "line target" }),
    s("path", { d: `M${LEFT} ${bottom}H${width - 60}`, class: "axis" }),
    s("text", { x: LEFT, y: 12, class: "small target" }, `— ${t("entropy")} (${t("nats")})`),
    s("text", { x: width - 60, y: 12, "text-anchor": "end", class: "small source" }, `▮ ${t("probability")}: ${t("chosen")}`),
    s("text", { x: width - 52, y: top + 4, class: "small source" }, "100 %"),
    s("text", { x: width - 52, y: bottom + 4, class: "small source" }, "0 %"),
  );
  if (pitch < 40) for (const at of [0, n - 1]) svg.append(s("text", { x: x(at), y: bottom + 16, "text-anchor": "middle", class: "small muted" }, String(at)));
  const each = stride(pitch, 34);
  if (pitch >= 8) steps.tokens.forEach((token, at) => at % each === 0 && pitch >= 40 && svg.append(s("text", { x: x(at), y: bottom + 16, "text-anchor": "middle", class: "small token" }, fitted(token.text, pitch - 3, 11))));
  if (steps.pGen) {
    const share = (value: number): number => bottom - (bottom - top) * value;
    svg.append(
      s("path", { d: path(Array.from(steps.pGen, (value, at): [number, number] => [x(at), share(value)])), class: "line source p-gen", "stroke-dasharray": "5 4" }),
      s("text", { x: (LEFT + width - 60) / 2, y: 12, "text-anchor": "middle", class: "small source" }, `┄ p_gen: ${t("p_gen")}`),
    );
  }
  if (n <= 60) for (let at = 0; at < n; at++) svg.append(s("circle", { cx: x(at), cy: y(steps.entropy[at]), r: 3, class: "fill-target" }));
  const hit = s("rect", { x: LEFT, y: 0, width: width - LEFT - 60, height, class: "hit" });
  const stepAt = (event: MouseEvent): number => Math.max(0, Math.min(n - 1, Math.floor((placeIn(svg, event)[0] - LEFT) / pitch)));
  hit.addEventListener("mousemove", (event) => {
    const at = stepAt(event);
    page.store.set({ hoverStep: at });
    showTip(event, [
      `${at} ${labelOf(steps.tokens[at].text)}`,
      [t("entropy"), `${show(steps.entropy[at])} ${t("nats")}`],
      [t("probability"), percent(Math.exp(steps.logProbs[at]))],
      steps.pGen !== null && [t("p_gen"), percent(steps.pGen[at])],
    ]);
  });
  hit.addEventListener("mouseleave", () => {
    hideTip();
    page.store.set({ hoverStep: null });
  });
  hit.addEventListener("click", (event) => page.store.set({ step: stepAt(event) }));
  svg.append(hit);
  return { svg, mark: (step) => band.setAttribute("x", String(x(step) - Math.max(pitch, 3) / 2)) };
}

/** Ask for a run with one item forced, and show it in all views. */
export async function force(page: Page, step: number, id: number, report: (text: string) => void): Promise<void> {
  if (!page.server) return report(t("need_server"));
  report(t("whatif_running"));
  try {
    const { trace } = page;
    const answer = await page.server.trace({ source: trace.source.text, ...(trace.target ? { target: trace.target.text } : {}), forced: { [step]: id } });
    page.open(answer);
  } catch (error) {
    report(t("whatif_failed", { why: error instanceof Error ? error.message : String(error) }));
  }
}

function mount(box: HTMLElement, page: Page): Mounted {
  const { trace, store } = page;
  const steps = stepsOf(page);
  const n = steps.tokens.length;
  const k = steps.topIds.cols;
  const widest = Math.max(...Array.from(new Set(steps.topIds.data), (id) => measure(labelOf(nameOf(trace, id)), 13)));
  const column = Math.max(82, Math.min(150, widest + 62)); // pixels a step
  const note = h("p", { class: "note", role: "status" }, t("force_hint"));
  const chart = curve(page, steps, 1200);
  const holder = h("div", { class: "scroll" });
  const where = h("span", { class: "note" });
  let start = -1;
  let columns: SVGRectElement[] = [];

  function cell(at: number, place: number, x: number, y: number): SVGGElement {
    const id = steps.topIds.at(at, place);
    const p = Math.exp(steps.topLogProbs.at(at, place));
    const taken = steps.tokens[at].id === id;
    const colour = sequential(0, 1)(p);
    const ink = `fill:${inkOn(colour)}`;
    return s(
      "g",
      {
        class: "pointer cell",
        "data-step": at,
        "data-id": id,
        onmousemove: (event: MouseEvent) => {
          store.set({ hoverStep: at });
          showTip(event, [labelOf(nameOf(trace, id)), [t("step"), String(at)], [t("probability"), percent(p)], [t("log_prob"), show(steps.topLogProbs.at(at, place))], taken && [t("chosen"), "✓"]]);
        },
        onmouseleave: () => {
          hideTip();
          store.set({ hoverStep: null });
        },
        onclick: () => {
          store.set({ step: at });
          void force(page, at, id, (text) => (note.textContent = text));
        },
      },
      s("rect", { x, y, width: column - 6, height: ROW - 3, rx: 4, fill: css(colour), stroke: taken ? "var(--target)" : "var(--line)", "stroke-width": taken ? 2.5 : 0.6 }),
      s("text", { x: x + 6, y: y + 16, class: `token${taken ? " strong" : ""}`, style: ink }, fitted(nameOf(trace, id), column - 56, 13)),
      s("text", { x: x + column - 11, y: y + 16, "text-anchor": "end", "font-size": 10, style: ink }, percent(p)),
    );
  }

  function grid(): void {
    const step = Math.min(store.state.step, n - 1);
    const next = n <= MOST ? 0 : Math.max(0, Math.min(n - MOST, step - MOST / 2));
    if (start >= 0 && step >= start + 4 && step < start + MOST - 4 && n > MOST) return;
    if (next === start) return;
    start = next;
    const end = Math.min(n, start + MOST);
    const svg = figure(LEFT + (end - start) * column + 20, 56 + k * ROW + 16, t("what_topk"));
    columns = [];
    for (let at = start; at < end; at++) {
      const x = LEFT + (at - start) * column;
      const band = s("rect", { x: x - 4, y: 2, width: column - 1, height: 52 + k * ROW, rx: 6, class: "now-band" });
      columns.push(band);
      svg.append(
        band,
        s("text", { x: x + (column - 6) / 2, y: 17, "text-anchor": "middle", class: "small muted" }, String(at)),
        s("text", { x: x + (column - 6) / 2, y: 37, "text-anchor": "middle", class: "token target strong" }, fitted(steps.tokens[at].text, column - 18, 13)),
      );
      for (let place = 0; place < k; place++) svg.append(cell(at, place, x, 48 + place * ROW));
      if (steps.ranks[at] >= k) svg.append(s("text", { x: x + (column - 6) / 2, y: 62 + k * ROW, "text-anchor": "middle", class: "small bad" }, `${t("rank")} ${steps.ranks[at]}`));
    }
    for (const [y, text] of [[17, t("step")], [37, t("chosen")], [65, `${t("likeliest")} ↓`]] as [number, string][]) svg.append(s("text", { x: 0, y, class: "small muted" }, text));
    holder.replaceChildren(svg);
    where.textContent = n > MOST ? t("shown_steps", { a: start, b: end - 1, all: n }) : "";
  }

  box.append(h("div", { class: "controls" }, trace.forced ? runChoice(page) : null, where), scrolled(chart.svg), holder, note);
  grid();
  return {
    update() {
      grid();
      const step = stepNow(page);
      chart.mark(step);
      columns.forEach((band, at) => band.setAttribute("visibility", at + start === step ? "visible" : "hidden"));
      if (store.state.hoverStep === null) {
        const x = LEFT + (step - start) * column;
        if (x - 60 < holder.scrollLeft || x + column > holder.scrollLeft + holder.clientWidth) holder.scrollLeft = x - holder.clientWidth / 2;
      }
    },
    table: () => ({
      columns: [t("step"), t("chosen"), t("probability"), t("rank"), t("entropy"), ...(steps.pGen ? [`p_gen (${t("p_gen")})`] : []), ...Array.from({ length: Math.min(k, 5) }, (_, at) => `${t("likeliest")} ${at + 1}`)],
      rows: steps.tokens.map((token, at) => [
        at,
        labelOf(token.text),
        Math.exp(steps.logProbs[at]),
        steps.ranks[at],
        steps.entropy[at],
        ...(steps.pGen ? [steps.pGen[at]] : []),
        ...Array.from({ length: Math.min(k, 5) }, (_, place) => `${labelOf(nameOf(trace, steps.topIds.at(at, place)))} ${percent(Math.exp(steps.topLogProbs.at(at, place)))}`),
      ]),
    }),
    csv: () => ({
      columns: ["step", "token", "log_prob", "rank", "entropy", ...(steps.pGen ? ["p_gen"] : []), ...Array.from({ length: k }, (_, at) => [`top${at + 1}`, `log_prob${at + 1}`]).flat()],
      rows: steps.tokens.map((token, at) => [
        at,
        token.text,
        steps.logProbs[at],
        steps.ranks[at],
        steps.entropy[at],
        ...(steps.pGen ? [steps.pGen[at]] : []),
        ...Array.from({ length: k }, (_, place) => [nameOf(trace, steps.topIds.at(at, place)), steps.topLogProbs.at(at, place)]).flat(),
      ]),
    }),
  };
}

export const topkView: View = { id: "topk", mount };
