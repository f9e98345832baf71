// What if: change one thing, run the model again, compare. Needs `seqweave inspect --serve`.
import { h } from "../dom";
import { choice } from "../draw";
import { t } from "../i18n";
import { labelOf } from "../labels";
import { differences, percent, show, type Change } from "../numbers";
import { nameOf, stepNow, type Mounted, type Page, type View } from "../page";
import type { Question } from "../server";
import type { Steps, Token, Trace } from "../trace";

/** No step can take these. */
const PAD = 0;
const BOS = 2;

/** What was changed last, kept while the view is away. */
interface Draft {
  source: string;
  target: string;
  forced: Map<number, number>;
  attention: string;
  start: string;
  other: string;
  answer: Trace | null;
}
const drafts = new WeakMap<Trace, Draft>();

function draftOf(trace: Trace): Draft {
  if (!drafts.has(trace)) {
    drafts.set(trace, { source: trace.source.text, target: trace.target?.text ?? "", forced: new Map(), attention: "none", start: "own", other: "", answer: null });
  }
  return drafts.get(trace)!;
}

/** The question to the server that a draft stands for. */
export function questionOf(draft: Draft, page: Page): Question {
  const step = Math.min(page.store.state.step, page.trace.steps.tokens.length - 1);
  const items = page.trace.source.tokens.length;
  const chosen = page.store.state.source ?? 0;
  const question: Question = { source: draft.source };
  if (draft.target) question.target = draft.target;
  if (draft.forced.size) question.forced = Object.fromEntries([...draft.forced].map(([at, id]) => [String(at), id]));
  if (draft.attention === "all") question.attention = { [step]: Array.from({ length: items }, (_, at) => Number(at === chosen)) };
  if (draft.attention === "even") question.attention = { [step]: Array.from({ length: items }, () => 1 / items) };
  if (draft.start === "zero") question.start = "zero";
  if (draft.start === "other" && draft.other) question.start = { source: draft.other };
  return question;
}

function marked(tokens: Token[], changes: Change[], kind: string): HTMLElement {
  return h("div", { class: "strip" }, ...tokens.map((token, at) => h("span", { class: `chip ${changes[at] === "same" ? kind : changes[at]}`, dir: "auto", title: changes[at] === "same" ? "" : t(changes[at] === "added" ? "added" : "removed") }, labelOf(token.text))));
}

function comparison(page: Page, before: Trace, after: Trace): HTMLElement {
  const old = before.steps.tokens;
  const fresh = after.steps.tokens;
  const changes = differences(old.map((one) => one.text), fresh.map((one) => one.text));
  const same = changes.before.every((one) => one === "same") && changes.after.every((one) => one === "same");
  const rows = Array.from({ length: Math.max(old.length, fresh.length) }, (_, at) => {
    const cell = (trace: Trace): HTMLElement[] => {
      const token = trace.steps.tokens[at];
      if (!token) return [h("td"), h("td"), h("td")];
      return [
        h("td", { dir: "auto" }, labelOf(token.text)),
        h("td", { class: "number" }, percent(Math.exp(trace.steps.logProbs[at]))),
        h("td", { class: "number" }, show(trace.steps.entropy[at])),
      ];
    };
    const differs = old[at]?.text !== fresh[at]?.text;
    return h("tr", { class: differs ? "now" : "" }, h("td", { class: "number" }, String(at)), h("td", {}, differs ? "≠" : ""), ...cell(before), ...cell(after));
  });
  const head = (name: string): HTMLElement[] => [name, t("probability"), t("entropy")].map((one, at) => h("th", { scope: "col", class: at ? "number" : "" }, one));
  return h(
    "div",
    { id: "comparison" },
    same ? h("p", { class: "note" }, t("whatif_same")) : null,
    h("div", { class: "form" }, h("span", {}, t("whatif_old")), marked(old, changes.before, "target"), h("span", {}, t("whatif_new")), marked(fresh, changes.after, "target")),
    h("p", { class: "note" }, `${t("log_prob")}: ${show(before.output.logProb)} → ${show(after.output.logProb)} · ${t("score")}: ${show(before.output.score)} → ${show(after.output.score)}`),
    h("button", { id: "keep", onclick: () => page.open(after) }, t("whatif_keep")),
    h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { class: "number" }, t("step")), h("th"), ...head(t("whatif_old")), ...head(t("whatif_new")))), h("tbody", {}, ...rows))),
  );
}

/** An item and its probability, for the table. */
function said(steps: Steps | undefined, at: number): (string | number)[] {
  return steps?.tokens[at] ? [labelOf(steps.tokens[at].text), Math.exp(steps.logProbs[at])] : ["", ""];
}

function mount(box: HTMLElement, page: Page): Mounted {
  const { trace, store } = page;
  const draft = draftOf(trace);
  const off = page.server === null;
  const status = h("p", { class: "note", role: "status" });
  const result = h("div");
  const step = Math.min(store.state.step, trace.steps.tokens.length - 1);
  const list = h("div", { class: "line" });
  const items = h("select", { id: "force-item", disabled: off });
  const at = h("input", { type: "number", id: "force-step", min: 0, max: 999, value: step, style: "width:70px", disabled: off, oninput: () => offer() });

  /** The items likeliest at the step first, then the others that the trace names. */
  function offer(): void {
    const place = Number(at.value);
    const top = place < trace.steps.tokens.length ? [...trace.steps.topIds.row(place)] : [];
    const rest = Object.keys(trace.names).map(Number).filter((id) => !top.includes(id));
    const possible = [...top, ...rest].filter((id) => id !== PAD && id !== BOS);
    items.replaceChildren(...possible.map((id) => h("option", { value: id }, labelOf(nameOf(trace, id)))));
  }

  function showForced(): void {
    list.replaceChildren(
      ...[...draft.forced].map(([place, id]) =>
        h("button", { disabled: off, title: t("whatif_remove"), onclick: () => (draft.forced.delete(place), showForced()) }, `${place}: ${labelOf(nameOf(trace, id))} ×`),
      ),
    );
  }

  async function run(): Promise<void> {
    if (!page.server) return;
    status.textContent = t("whatif_running");
    try {
      draft.answer = await page.server.trace(questionOf(draft, page));
      status.textContent = "";
      result.replaceChildren(comparison(page, trace, draft.answer));
    } catch (error) {
      status.textContent = t("whatif_failed", { why: error instanceof Error ? error.message : String(error) });
    }
  }

  const text = (id: string, value: string, set: (value: string) => void): HTMLInputElement => {
    const input = h("input", { type: "text", id, value, dir: "auto", disabled: off, oninput: () => set(input.value), onkeydown: (event: KeyboardEvent) => event.key === "Enter" && run() });
    return input;
  };
  const disabled = (label: HTMLLabelElement): HTMLLabelElement => {
    label.querySelector("select")!.disabled = off;
    return label;
  };
  const chosen = (): string => {
    const place = store.state.source ?? 0;
    return `${t("step")} ${Math.min(store.state.step, trace.steps.tokens.length - 1)}, ${t("source")} ${place} ${labelOf(trace.source.tokens[place]?.text ?? "")}`;
  };
  const where = h("span", { class: "note" }, chosen());
  const attends = trace.steps.attention.length > 0;
  const recurrent = trace.bridge.kind !== "none"; // a Transformer's decoder starts from no state
  if (off) box.append(h("p", { class: "empty-note" }, t("need_server")));
  box.append(
    h(
      "div",
      { class: "form" },
      h("label", { for: "new-source" }, t("source")),
      text("new-source", draft.source, (value) => (draft.source = value)),
      h("label", { for: "new-target" }, t("target")),
      text("new-target", draft.target, (value) => (draft.target = value)),
      h("span", {}, t("whatif_force")),
      h("div", { class: "line" }, at, items, h("button", { id: "force-add", disabled: off, onclick: () => (draft.forced.set(Number(at.value), Number(items.value)), showForced()) }, t("whatif_add")), list),
      attends ? h("span", {}, t("whatif_attention")) : null,
      attends
        ? h("div", { class: "line" }, disabled(choice("", draft.attention, [["none", t("whatif_attention_none")], ["all", t("whatif_attention_all")], ["even", t("whatif_attention_even")]], (value) => (draft.attention = value), "new-attention")), where)
        : null,
      recurrent ? h("span", {}, t("whatif_start")) : null,
      recurrent && h(
        "div",
        { class: "line" },
        disabled(choice("", draft.start, [["own", t("whatif_start_own")], ["zero", t("whatif_start_zero")], ["other", t("whatif_start_other")]], (value) => (draft.start = value), "new-start")),
        text("other-source", draft.other, (value) => (draft.other = value)),
      ),
      h("span"),
      h("div", { class: "line" }, h("button", { id: "run-again", disabled: off, onclick: run }, t("whatif_run"))),
    ),
    status,
    result,
  );
  offer();
  showForced();
  if (draft.answer) result.append(comparison(page, trace, draft.answer));
  return {
    update() {
      where.textContent = chosen();
      if (document.activeElement !== at && Number(at.value) !== stepNow(page) && store.state.hoverStep === null) {
        at.value = String(stepNow(page));
        offer();
      }
    },
    table: () => {
      const after = draft.answer?.steps;
      return {
        columns: [t("step"), t("whatif_old"), t("probability"), t("whatif_new"), t("probability")],
        rows: Array.from({ length: Math.max(trace.steps.tokens.length, after?.tokens.length ?? 0) }, (_, place) => [
          place,
          ...said(trace.steps, place),
          ...said(after, place),
        ]),
      };
    },
  };
}

export const whatifView: View = { id: "whatif", mount };
