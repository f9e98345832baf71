// The frame: header, sentences, tabs, keys; one view at a time.
import { TraceError } from "./arrays";
import { h } from "./dom";
import { hideTip, setTheme, type Theme } from "./draw";
import { saveCsv, savePng, saveSvg } from "./download";
import { currentLanguage, setLanguage, t, type Language, type TextKey } from "./i18n";
import { stepsOf, type Mounted, type Page, type Table, type View } from "./page";
import { sentenceStrips, type Strips } from "./sentences";
import { serverOf } from "./server";
import { stateFromHash, Store } from "./state";
import style from "./style.css?inline";
import { readTrace, type Trace } from "./trace";
import { beamView } from "./views/beam";
import { corpusView } from "./views/corpus";
import { forcingView } from "./views/forcing";
import { gatesView } from "./views/gates";
import { matrixView } from "./views/matrix";
import { replayView } from "./views/replay";
import { ribbonsView } from "./views/ribbons";
import { statesView } from "./views/states";
import { timelapseView } from "./views/timelapse";
import { topkView } from "./views/topk";
import { whatifView } from "./views/whatif";

const VIEWS: View[] = [
  replayView, matrixView, ribbonsView, topkView, beamView, statesView, gatesView, whatifView, forcingView, timelapseView, corpusView,
];
const VIEW_KEYS = "1234567890-";
const TABLE_ROWS = 200;

const root = document.getElementById("page")!;
const holder = document.getElementById("trace");
const store = new Store();
const server = serverOf(holder);
let first: Trace | null = null;
let trace: Trace | null = null;
let mounted: Mounted | null = null;
let strips: Strips | null = null;

function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`seqweave-${name}`);
  } catch {
    return null; // a frame without storage
  }
}

function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`seqweave-${name}`, value);
  } catch {
    // a frame without storage
  }
}

function themeChoice(): string {
  return store.option("theme", remembered("theme") ?? "auto");
}

function applyTheme(): void {
  const chosen = themeChoice();
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  const theme: Theme = dark ? "dark" : "light";
  document.documentElement.dataset.theme = theme;
  setTheme(theme);
}

function applyLanguage(): void {
  const chosen = store.option("lang", remembered("lang") ?? (navigator.language.startsWith("ko") ? "ko" : "en"));
  const language: Language = chosen === "ko" ? "ko" : "en";
  setLanguage(language);
  document.documentElement.lang = language;
}

function switchTheme(): void {
  const order = ["auto", "light", "dark"];
  const next = order[(order.indexOf(themeChoice()) + 1) % order.length];
  remember("theme", next);
  store.setOption("theme", next);
}

function switchLanguage(): void {
  const next = currentLanguage() === "en" ? "ko" : "en";
  remember("lang", next);
  store.setOption("lang", next);
}

function page(): Page {
  return { trace: trace!, store, server, open, redraw: draw };
}

function open(next: Trace): void {
  trace = next;
  const last = trace.steps.tokens.length - 1;
  store.set({ step: Math.min(store.state.step, last), source: null, hoverStep: null, hoverSource: null, run: "free" });
  draw();
}

function facts(of: Trace): string {
  const model = of.model;
  const cell = String(model.cell ?? "").toUpperCase();
  const kinds = [model.encoder, model.decoder].map((kind) => (kind === "transformer" ? "Transformer" : cell));
  const recurrent = model.decoder !== "transformer";
  const parts = [
    kinds[0] === kinds[1] ? kinds[0] : kinds.join(" + "),
    `${model.encoder_layers ?? of.encoder.layers.length}+${model.decoder_layers ?? of.steps.layers.length}`,
    recurrent ? `${t("attention")}: ${model.attention ?? "–"}` : `${t("heads")}: ${model.heads}`,
  ];
  if (typeof model.parameters === "number") parts.push(`${(model.parameters / 1e6).toFixed(2)} M`);
  return parts.join(" · ");
}

function header(of: Trace): HTMLElement {
  const help = h(
    "dialog",
    { "aria-label": t("keys") },
    h("ul", {}, ...t("keys_help").split(" · ").map((line) => h("li", {}, line))),
    h("button", { onclick: () => help.close() }, t("keys_close")),
  );
  return h(
    "header",
    { class: "top" },
    h("h1", {}, `seqweave · ${t("title")}`),
    h("span", { class: "facts" }, facts(of)),
    h(
      "div",
      { class: "tools" },
      of !== first && first ? h("button", { onclick: () => open(first!) }, t("close_row")) : null,
      h("button", { onclick: () => help.showModal() }, t("keys")),
      h("button", { onclick: switchTheme, id: "theme" }, `${t("theme")}: ${t(`theme_${themeChoice()}` as TextKey)}`),
      h("button", { onclick: switchLanguage, id: "language", lang: currentLanguage() === "en" ? "ko" : "en" }, currentLanguage() === "en" ? "한국어" : "English"),
    ),
    help,
  );
}

function tabs(now: View): HTMLElement {
  const choose = (event: KeyboardEvent): void => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    moveView(move);
    document.getElementById(`tab-${store.state.view}`)?.focus();
  };
  return h(
    "nav",
    { class: "views", role: "tablist", onkeydown: choose },
    ...VIEWS.map((view) =>
      h(
        "button",
        {
          role: "tab",
          id: `tab-${view.id}`,
          "aria-selected": String(view === now),
          "aria-controls": "view",
          tabindex: view === now ? 0 : -1,
          class: view.missing?.(page()) ? "empty" : "",
          onclick: () => store.set({ view: view.id }),
        },
        t(`view_${view.id}` as TextKey),
      ),
    ),
  );
}

function moveView(by: number): void {
  const at = VIEWS.findIndex((view) => view.id === store.state.view);
  store.set({ view: VIEWS[(at + by + VIEWS.length) % VIEWS.length].id });
}

/** A table of what is drawn, made when it is opened. */
function tableOf(view: Mounted, caption: string): HTMLElement {
  const details = h("details", { class: "table" }, h("summary", {}, t("as_table")));
  details.addEventListener("toggle", () => {
    details.querySelector("div")?.remove();
    if (details.open) details.append(h("div", { class: "scroll", tabindex: 0 }, ...renderTable(view.table(), caption)));
  });
  return details;
}

function renderTable(table: Table, caption: string): HTMLElement[] {
  const numeric = table.columns.map((_, at) => table.rows.length > 0 && typeof table.rows[0][at] === "number");
  const kind = (at: number): string => (numeric[at] ? "number" : "");
  const body = table.rows.slice(0, TABLE_ROWS).map((row) =>
    h("tr", {}, ...row.map((cell, at) => h("td", { class: kind(at), dir: "auto" }, typeof cell === "number" ? Number(cell.toPrecision(4)) : cell))),
  );
  const head = h("tr", {}, ...table.columns.map((name, at) => h("th", { scope: "col", class: kind(at) }, name)));
  const parts: HTMLElement[] = [h("table", {}, h("caption", {}, caption), h("thead", {}, head), h("tbody", {}, ...body))];
  if (table.rows.length > TABLE_ROWS) parts.push(h("p", { class: "note" }, t("rows_more", { n: table.rows.length - TABLE_ROWS })));
  return parts;
}

function downloads(box: HTMLElement, view: View, shown: Mounted): HTMLElement {
  const name = `seqweave-${view.id}`;
  const pictures = box.querySelector("svg.figure") !== null;
  return h(
    "span",
    {},
    `${t("download")}: `,
    pictures && h("button", { id: "save-png", onclick: () => savePng(box, name) }, "PNG"),
    pictures && " ",
    pictures && h("button", { id: "save-svg", onclick: () => saveSvg(box, name) }, "SVG"),
    " ",
    h("button", { id: "save-csv", onclick: () => saveCsv((shown.csv ?? shown.table)(), name) }, "CSV"),
  );
}

/** Draw everything again. */
function draw(): void {
  mounted?.leave?.();
  mounted = null;
  hideTip();
  applyTheme();
  applyLanguage();
  if (!trace) return drawOpener();
  document.title = `seqweave · ${trace.source.text.slice(0, 60)}`;
  const now = VIEWS.find((view) => view.id === store.state.view) ?? VIEWS[0];
  if (!trace.forced && store.state.run === "forced") store.state.run = "free";
  const focused = document.activeElement?.id;
  const depth = root.querySelector<HTMLElement>("#view .scroll")?.scrollLeft ?? 0;
  strips = sentenceStrips(page());
  const box = h("section", { id: "view", role: "tabpanel", "aria-labelledby": `tab-${now.id}` });
  const what = t(`what_${now.id}` as TextKey);
  box.append(h("p", { class: "what", id: "what" }, what));
  const figureBox = h("div", { class: "view-box" });
  box.append(figureBox);
  root.replaceChildren(header(trace), strips.element, tabs(now), box);
  const missing = now.missing?.(page());
  if (missing) {
    figureBox.append(h("p", { class: "empty-note" }, t(missing)));
  } else {
    mounted = now.mount(figureBox, page());
    box.append(h("div", { class: "below" }, downloads(figureBox, now, mounted), tableOf(mounted, what)));
  }
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  const scroll = root.querySelector<HTMLElement>("#view .scroll");
  if (scroll && depth) scroll.scrollLeft = depth;
  mark();
}

function mark(): void {
  strips?.update();
  mounted?.update?.();
}

function drawOpener(problem?: string): void {
  const input = h("input", { type: "file", accept: ".json,.html", id: "file", onchange: () => input.files && load(input.files[0]) });
  input.hidden = true;
  const box = h(
    "div",
    { class: "open" },
    h("h1", {}, t("open_title")),
    h("p", {}, t("open_text")),
    h("button", { onclick: () => input.click() }, t("open_button")),
    input,
    problem ? h("p", { class: "error", role: "alert" }, t("open_failed", { why: problem })) : null,
  );
  box.addEventListener("dragover", (event) => {
    event.preventDefault();
    box.classList.add("over");
  });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => {
    event.preventDefault();
    box.classList.remove("over");
    if (event.dataTransfer?.files[0]) load(event.dataTransfer.files[0]);
  });
  root.replaceChildren(box);
}

/** A trace file, or a page with a trace in it. */
async function load(file: File): Promise<void> {
  try {
    let text = await file.text();
    if (/^\s*<!doctype html/i.test(text)) {
      text = new DOMParser().parseFromString(text, "text/html").getElementById("trace")?.textContent ?? "null";
    }
    await start(JSON.parse(text));
  } catch (error) {
    drawOpener(error instanceof TraceError || error instanceof SyntaxError ? error.message : String(error));
  }
}

async function start(raw: unknown): Promise<void> {
  first = trace = await readTrace(raw);
  store.set({ step: Math.min(store.state.step, trace.steps.tokens.length - 1) }, false);
  draw();
}

const FIELDS = new Set(["INPUT", "SELECT", "TEXTAREA"]);

function onKey(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  const field = FIELDS.has(target.tagName) && !(target instanceof HTMLInputElement && target.type === "range" && event.key === " ");
  if (!trace || field || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === " " && target.tagName === "BUTTON") return;
  if (mounted?.key?.(event.key) || common(event.key)) event.preventDefault();
}

function common(key: string): boolean {
  const { state } = store;
  const last = stepsOf(page()).tokens.length - 1;
  const items = trace!.source.tokens.length - 1;
  const at = VIEW_KEYS.indexOf(key);
  if (key === "ArrowRight") store.set({ step: Math.min(last, state.step + 1), hoverStep: null });
  else if (key === "ArrowLeft") store.set({ step: Math.max(0, Math.min(last, state.step) - 1), hoverStep: null });
  else if (key === "ArrowDown") store.set({ source: Math.min(items, (state.source ?? -1) + 1), hoverSource: null });
  else if (key === "ArrowUp") store.set({ source: Math.max(0, (state.source ?? 1) - 1), hoverSource: null });
  else if (key === "Home") store.set({ step: 0 });
  else if (key === "End") store.set({ step: last });
  else if (key === "Escape") store.set({ source: null, hoverSource: null, hoverStep: null });
  else if (key === "]") moveView(1);
  else if (key === "[") moveView(-1);
  else if (key === "f" && trace!.forced) store.set({ run: state.run === "free" ? "forced" : "free" });
  else if (key === "t") switchTheme();
  else if (key === "l") switchLanguage();
  else if (at >= 0 && VIEWS[at]) store.set({ view: VIEWS[at].id });
  else return false;
  return true;
}

function followAddress(): void {
  const found = stateFromHash(location.hash);
  store.set({ source: null, run: "free", ...found }, false);
}

document.head.append(h("style", {}, style));
followAddress();
store.on((changed) => {
  if (!trace) return;
  if (changed.has("view") || changed.has("run") || changed.has("options")) draw();
  else mark();
});
addEventListener("hashchange", followAddress);
addEventListener("popstate", followAddress);
addEventListener("keydown", onKey);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

async function boot(): Promise<void> {
  applyTheme();
  applyLanguage();
  try {
    const raw = JSON.parse(holder?.textContent?.trim() || "null");
    if (raw) await start(raw);
    else drawOpener();
  } catch (error) {
    drawOpener(error instanceof Error ? error.message : String(error));
  }
}
void boot();
