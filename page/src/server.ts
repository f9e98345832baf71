// The model behind the page, when `seqweave inspect --serve` runs. The server marks the page:
// <script type="application/json" id=... data-server="/api/trace">. Without the mark nothing is ever asked.
import { readTrace, type Trace } from "./trace";

export interface Question {
  source: string;
  target?: string;
  /** step -> token (its name) or id */
  forced?: Record<string, string | number>;
  /** step -> weights over the source's items */
  attention?: Record<string, number[]>;
  /** the decoder's start: "zero", or the text of another source whose start is taken */
  start?: "zero" | { source: string };
}

export class Server {
  private readonly address: string;

  constructor(address: string) {
    this.address = address;
  }

  /** Run the model. Throws an Error with the server's sentence. */
  async trace(question: Question): Promise<Trace> {
    const answer = await fetch(this.address, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(question),
    });
    const body = await answer.json().catch(() => null);
    if (!answer.ok) throw new Error(String(body?.error ?? body?.detail ?? `HTTP ${answer.status}`));
    return readTrace(body);
  }
}

/** The server that sent this page, if it said so. */
export function serverOf(element: HTMLElement | null): Server | null {
  const address = element?.dataset.server;
  return address && location.protocol.startsWith("http") ? new Server(address) : null;
}
