import { encodeNodeStatistics, type NodeStatistics } from "../wire/native/node-statistics.ts";

/** Reports to a daemon are so long apart, at least. */
const REPORT_MS = 1_000;

/**
 * Has a node's statistics told to its daemon about once a second, as long as something changes: an idle node is silent, and its
 * daemon knows that. The lateness of its loop alone is no news, nor is the time.
 */
export class NodeReporter {
  readonly #take: () => NodeStatistics;
  readonly #tell: (statistics: Uint8Array) => void;
  readonly #timer: NodeJS.Timeout;
  #toldBefore = "";

  /** `take`: the statistics now; `tell`: takes them in the form of the wire (NODE_STATISTICS), and gets them as its own. */
  constructor(take: () => NodeStatistics, tell: (statistics: Uint8Array) => void, intervalMs = REPORT_MS) {
    this.#take = take;
    this.#tell = tell;
    this.#timer = setInterval(() => this.#report(), intervalMs);
    this.#timer.unref();
  }

  /** The daemon is another one, or has forgotten what it was told: the next report goes out whether it is news or not. */
  again(): void {
    this.#toldBefore = "";
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #report(): void {
    const statistics = this.#take();
    const { figures } = statistics;
    const lasting = { ...statistics, figures: { ...figures, upMs: 0, loopDelayUs: 0 } };
    const told = Buffer.from(encodeNodeStatistics(lasting)).toString("latin1");
    if (told === this.#toldBefore) return;
    this.#toldBefore = told;
    this.#tell(encodeNodeStatistics(statistics));
  }
}
