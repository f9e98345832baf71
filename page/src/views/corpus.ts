// Corpus: the rows of an evaluation, sorted and counted; a row opens in the other views.
import { figure, h, s } from "../dom";
import { choice, hideTip, showTip, ticks } from "../draw";
import { t, tMaybe } from "../i18n";
import { bootstrapMean, show } from "../numbers";
import type { Mounted, Page, View } from "../page";
import { readTrace, type Row } from "../trace";

const TEXTS = ["source", "reference", "output"];
const AT_ONCE = 100;

/** The measures which the rows have, in their own order: numbers and yes/no. */
function measuresOf(rows: Row[]): string[] {
  const names = Object.keys(rows[0] ?? {});
  return names.filter((name) => rows.every((row) => row[name] === null || typeof row[name] === "number" || typeof row[name] === "boolean") && rows.some((row) => row[name] !== null));
}

function valueOf(row: Row, name: string): number {
  const value = row[name];
  return typeof value === "boolean" ? Number(value) : typeof value === "number" ? value : NaN;
}

function lengthOf(row: Row): number {
  return typeof row.source_length === "number" ? row.source_length : [...String(row.source ?? "")].length;
}

/** Rows in at most eight groups of about the same size, by source length. */
export function byLength(rows: Row[], most = 8): { low: number; high: number; rows: Row[] }[] {
  const sorted = [...rows].sort((a, b) => lengthOf(a) - lengthOf(b));
  const size = Math.max(5, Math.ceil(sorted.length / most));
  const groups: { low: number; high: number; rows: Row[] }[] = [];
  for (let at = 0; at < sorted.length; ) {
    let end = Math.min(sorted.length, at + size);
    while (end < sorted.length && lengthOf(sorted[end]) === lengthOf(sorted[end - 1])) end++; // a length is in one group
    const part = sorted.slice(at, end);
    groups.push({ low: lengthOf(part[0]), high: lengthOf(part[part.length - 1]), rows: part });
    at = end;
  }
  return groups;
}

interface Group {
  name: string;
  count: number;
  mean: number;
  low: number;
  high: number;
}

function groupsOf(rows: Row[], measure: string): Group[] {
  const scale = measure === "exact" ? 100 : 1;
  return byLength(rows.filter((row) => Number.isFinite(valueOf(row, measure)))).map((group) => ({
    name: group.low === group.high ? String(group.low) : `${group.low}–${group.high}`,
    count: group.rows.length,
    ...bootstrapMean(group.rows.map((row) => scale * valueOf(row, measure))),
  }));
}

/** Quality against length: the mean of each group with its interval. */
function chart(groups: Group[], measure: string): SVGSVGElement {
  const [width, height, left, top, bottom] = [900, 250, 56, 30, 196];
  const low = Math.min(0, ...groups.map((one) => one.low));
  const high = Math.max(low + 1e-6, ...groups.map((one) => one.high));
  const y = (value: number): number => bottom - ((value - low) / (high - low)) * (bottom - top);
  const pitch = (width - left - 20) / Math.max(1, groups.length);
  const svg = figure(width, height, t("what_corpus"));
  svg.append(s("text", { x: 0, y: 13, class: "strong", "font-size": 12 }, measureName(measure)));
  for (const value of ticks(low, high, 4)) {
    svg.append(s("path", { d: `M${left} ${y(value)}H${width - 20}`, class: "grid" }), s("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end", class: "small muted" }, String(value)));
  }
  groups.forEach((one, at) => {
    const x = left + (at + 0.5) * pitch;
    const zero = y(Math.max(0, low));
    svg.append(
      s(
        "g",
        {
          onmousemove: (event: MouseEvent) =>
            showTip(event, [`${t("corpus_length")}: ${one.name}`, [measureName(measure), show(one.mean)], ["95 %", `${show(one.low)} … ${show(one.high)}`], [t("corpus_count", { n: one.count }), ""]]),
          onmouseleave: hideTip,
        },
        s("rect", { x: x - pitch * 0.3, y: Math.min(zero, y(one.mean)), width: pitch * 0.6, height: Math.abs(y(one.mean) - zero), class: "fill-soft-source" }),
        s("path", { d: `M${x} ${y(one.low)}V${y(one.high)}M${x - 6} ${y(one.low)}h12M${x - 6} ${y(one.high)}h12`, class: "line source" }),
        s("circle", { cx: x, cy: y(one.mean), r: 4, class: "fill-source" }),
      ),
      s("text", { x, y: bottom + 17, "text-anchor": "middle", class: "small" }, one.name),
      s("text", { x, y: bottom + 32, "text-anchor": "middle", class: "small muted" }, `n=${one.count}`),
    );
  });
  svg.append(s("path", { d: `M${left} ${bottom}H${width - 20}`, class: "axis" }), s("text", { x: (left + width) / 2, y: height - 5, "text-anchor": "middle", class: "small muted" }, t("corpus_length")));
  return svg;
}

function measureName(name: string): string {
  return name === "exact" ? t("corpus_exact_rate") : tMaybe(`corpus_${name}`, name);
}

function mount(box: HTMLElement, page: Page): Mounted {
  const { store } = page;
  const rows = page.trace.corpus!.rows;
  const measures = measuresOf(rows);
  const texts = TEXTS.filter((name) => rows.some((row) => name in row));
  const columns = [...texts, ...measures];
  const wanted = store.option("measure", measures.includes("error_rate") ? "error_rate" : measures[0]);
  const measure = measures.includes(wanted) ? wanted : measures[0];
  const by = store.option("by", "");
  const down = store.option("order", "down") === "down";
  const groups = measure ? groupsOf(rows, measure) : [];
  const body = h("tbody");
  const more = h("button", { id: "more", onclick: () => fill(shown + AT_ONCE) });
  const note = h("p", { class: "note", role: "status" });
  const count = h("span", { class: "note" });
  const find = h("input", { type: "text", id: "find", oninput: () => fill(AT_ONCE) });
  let shown = AT_ONCE;

  const sorted = [...rows];
  if (by && columns.includes(by)) {
    const sign = down ? -1 : 1;
    const last = (value: number): number => (Number.isFinite(value) ? value : -sign * Infinity);
    if (texts.includes(by)) sorted.sort((a, b) => sign * String(a[by]).localeCompare(String(b[by])));
    else sorted.sort((a, b) => sign * (last(valueOf(a, by)) - last(valueOf(b, by))) || 0);
  }

  function cell(row: Row, name: string): HTMLElement {
    const value = row[name];
    if (texts.includes(name)) return h("td", { class: "long", dir: "auto", title: String(value ?? "") }, String(value ?? ""));
    if (typeof value === "boolean") return h("td", { class: "number" }, value ? "✓" : "–");
    return h("td", { class: "number" }, show(valueOf(row, name)));
  }

  async function openRow(row: Row): Promise<void> {
    try {
      if (row.trace) return page.open(await readTrace(row.trace));
      if (!page.server) {
        note.textContent = t("need_server");
        return;
      }
      note.textContent = t("whatif_running");
      const target = row.reference ?? undefined;
      const trace = await page.server.trace({ source: String(row.source), ...(target === undefined ? {} : { target: String(target) }) });
      store.set({ view: "matrix" });
      page.open(trace);
    } catch (error) {
      note.textContent = t("whatif_failed", { why: error instanceof Error ? error.message : String(error) });
    }
  }

  function fill(most: number): void {
    shown = most;
    const text = find.value.toLowerCase();
    const found = text ? sorted.filter((row) => texts.some((name) => String(row[name] ?? "").toLowerCase().includes(text))) : sorted;
    body.replaceChildren(
      ...found.slice(0, shown).map((row) =>
        h(
          "tr",
          { class: "opens", title: t("corpus_open"), tabindex: 0, onclick: () => openRow(row), onkeydown: (event: KeyboardEvent) => event.key === "Enter" && openRow(row) },
          ...columns.map((name) => cell(row, name)),
        ),
      ),
    );
    more.hidden = found.length <= shown;
    more.textContent = t("corpus_more", { n: Math.min(AT_ONCE, found.length - shown) });
    count.textContent = t("corpus_count", { n: found.length });
  }

  const head = columns.map((name) => {
    const now = name === by;
    const label = name === "exact" ? t("corpus_exact") : tMaybe(`corpus_${name}`, name);
    return h(
      "th",
      { scope: "col", class: texts.includes(name) ? "" : "number", "aria-sort": now ? (down ? "descending" : "ascending") : "none" },
      h("button", { id: `sort-${name}`, onclick: () => store.set({ options: { ...store.state.options, by: name, order: now && down ? "up" : "down" } }) }, `${label}${now ? (down ? " ↓" : " ↑") : ""}`),
    );
  });
  box.append(
    h(
      "div",
      { class: "controls" },
      measures.length ? choice(t("corpus_measure"), measure, measures.map((name) => [name, measureName(name)]), (value) => store.setOption("measure", value), "measure") : null,
      h("label", { class: "control" }, h("span", {}, t("corpus_filter")), find),
      count,
    ),
    measure ? h("div", { class: "scroll" }, chart(groups, measure)) : "",
    note,
    h("div", { class: "scroll", style: "max-height:60vh", tabindex: 0 }, h("table", {}, h("thead", {}, h("tr", {}, ...head)), body)),
    more,
  );
  fill(AT_ONCE);
  return {
    table: () => ({ columns: [t("corpus_length"), "n", measureName(measure), "95 % −", "95 % +"], rows: groups.map((one) => [one.name, one.count, one.mean, one.low, one.high]) }),
    csv: () => ({ columns, rows: sorted.map((row) => columns.map((name) => (texts.includes(name) ? String(row[name] ?? "") : (valueOf(row, name) as number)))) }),
  };
}

export const corpusView: View = { id: "corpus", missing: (page) => (page.trace.corpus?.rows.length ? null : "need_corpus"), mount };
