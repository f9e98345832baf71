// What is looked at: the view, step and source item that all views share, and the address that leads back to it.

export type Run = "free" | "forced";

export interface State {
  view: string;
  step: number;
  source: number | null;
  run: Run;
  hoverStep: number | null;
  hoverSource: number | null;
  /** Settings of single views: `scale`, `threshold`, ... */
  options: Record<string, string>;
}

export type Key = keyof State;
type Listener = (changed: Set<Key>) => void;
const KNOWN = new Set(["view", "step", "source", "run"]);

/** `#view=beam&step=3` as a partial state; everything else becomes an option. */
export function stateFromHash(hash: string): Partial<State> {
  const found: Partial<State> = { options: {} };
  for (const [key, value] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (key === "view") found.view = value;
    else if (key === "run") found.run = value === "forced" ? "forced" : "free";
    else if (key === "step" || key === "source") {
      if (/^\d{1,6}$/.test(value)) found[key] = Number(value);
    } else if (/^[a-z-]{1,20}$/.test(key)) found.options![key] = value;
  }
  return found;
}

export function hashOf(state: State): string {
  const parts = new URLSearchParams({ view: state.view, step: String(state.step) });
  if (state.source !== null) parts.set("source", String(state.source));
  if (state.run !== "free") parts.set("run", state.run);
  for (const [key, value] of Object.entries(state.options)) if (!KNOWN.has(key)) parts.set(key, value);
  return `#${parts}`;
}

export class Store {
  state: State = { view: "replay", step: 0, source: null, run: "free", hoverStep: null, hoverSource: null, options: {} };
  private listeners: Listener[] = [];

  on(listener: Listener): void {
    this.listeners.push(listener);
  }

  /** Change the state; listeners hear of it when something differs. */
  set(patch: Partial<State>, address = true): void {
    const changed = new Set<Key>();
    for (const key of Object.keys(patch) as Key[]) if (patch[key] !== this.state[key]) changed.add(key);
    if (!changed.size) return;
    const moved = changed.has("view");
    this.state = { ...this.state, ...patch };
    const lasting = [...changed].some((key) => key !== "hoverStep" && key !== "hoverSource");
    if (address && lasting) this.writeAddress(moved);
    for (const listener of this.listeners) listener(changed);
  }

  option(name: string, fallback: string): string {
    return this.state.options[name] ?? fallback;
  }

  setOption(name: string, value: string): void {
    this.set({ options: { ...this.state.options, [name]: value } });
  }

  private writeAddress(push: boolean): void {
    try {
      history[push ? "pushState" : "replaceState"](null, "", hashOf(this.state));
    } catch {
      // A frame without an address of its own (a notebook) or too many changes a second: the view works without.
    }
  }
}
