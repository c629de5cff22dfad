import type { ConfigFile, LinkNode, NameNode } from "./parser.ts";
import type { LinkDirectiveName } from "./directives.ts";
import { configError, type Span } from "./problem.ts";
import type { DaemonConfig, LinkConfig, NamedSite } from "./site.ts";
import { nearest } from "./suggest.ts";

const NAME_BYTES_MAX = 19;
/** Of a link of which the file says nothing: all ways cost the same. */
const WEIGHT = 100;
const RATE_START = 125_000;
const SILENCE_MS = 3_000;
const BYTES_PER_KBIT = 125;
/** What a file without sites has. */
const ONLY_SITE = "site";

/** The sites of a file and the links between them, checked against each other. */
export class Sites {
  readonly #file: ConfigFile;

  constructor(file: ConfigFile) {
    this.#file = file;
    this.#checkNames();
    this.#checkSegments();
    for (const link of file.links) this.#checkLink(link);
  }

  /** The sites with their daemons, and the links. */
  with(daemons: readonly DaemonConfig[]): {
    readonly sites: readonly NamedSite[];
    readonly links: readonly LinkConfig[];
  } {
    const names = this.#names;
    if (names.length === 0) return { sites: [{ name: ONLY_SITE, daemons }], links: [] };
    const sites = this.#file.sites.map(({ at, name }, index) => {
      const own = daemons.filter(({ site }) => site === index);
      if (own.length === 0) throw this.#error(at, `the site ${name.text} has no daemon`);
      return { name: name.text, daemons: own };
    });
    const links: LinkConfig[] = [];
    for (let a = 0; a < sites.length; a++) {
      for (let b = a + 1; b < sites.length; b++) {
        const link = this.#linkBetween(a, b);
        if (link !== undefined) links.push(link);
      }
    }
    this.#checkWays(links);
    return { sites, links };
  }

  get #names(): readonly string[] {
    return this.#file.sites.map(({ name }) => name.text);
  }

  #checkNames(): void {
    this.#file.sites.forEach(({ name: { at, text } }, index) => {
      const odd = /[^$-~]/u.exec(text)?.[0];
      if (odd !== undefined) {
        throw this.#error(
          at,
          `the name ${JSON.stringify(text)} contains ${JSON.stringify(odd)}`,
          "Names are printable ASCII",
        );
      }
      if (text.length > NAME_BYTES_MAX) throw this.#error(at, `a site's name has at most ${NAME_BYTES_MAX} characters`);
      if (this.#names.indexOf(text) < index) throw this.#error(at, `two sites are called ${text}`);
    });
  }

  #checkSegments(): void {
    const outside = this.#file.segments.find(({ site }) => site === undefined);
    if (this.#file.sites.length === 0 || outside === undefined) return;
    const remedy = "Either all segments stand in sites, or none and all are one site";
    throw this.#error(outside.at, "this segment is in no site", remedy);
  }

  #checkLink({ at, ends: [from, to] }: LinkNode): void {
    if (this.#file.sites.length < 2) {
      throw this.#error(at, "there are no two sites to be linked", "Put the segments into sites: Site west { … }");
    }
    if (from === undefined || to === undefined) return;
    for (const end of [from, to]) this.#indexOf(end);
    if (from.text === to.text) throw this.#error(to.at, `${to.text} cannot be linked with itself`);
    const earlier = this.#file.links.find((link) => isSameLink(link, from.text, to.text));
    if (earlier !== undefined && earlier.at.start < at.start) {
      throw this.#error(
        at,
        `the link of ${from.text} and ${to.text} was described before`,
        "Say all of it in one place",
      );
    }
  }

  #indexOf({ at, text }: NameNode): number {
    const index = this.#names.indexOf(text);
    if (index >= 0) return index;
    const meant = nearest(text, this.#names);
    throw this.#error(
      at,
      `there is no site ${JSON.stringify(text)}`,
      meant === undefined ? `There are ${this.#names.join(", ")}` : `Did you mean ${meant}?`,
    );
  }

  /** Undefined where the file wants none. */
  #linkBetween(a: number, b: number): LinkConfig | undefined {
    const [from, to] = [this.#names[a] as string, this.#names[b] as string];
    const setting = (name: LinkDirectiveName) => this.#setting(name, from, to);
    const weight = setting("Weight")?.value ?? WEIGHT;
    if (weight === "none") return undefined;
    const bytes = (name: "RateLimit" | "StartRate"): number | undefined => {
      const value = setting(name)?.value;
      return typeof value === "number" ? value * BYTES_PER_KBIT : undefined;
    };
    const rateMax = bytes("RateLimit");
    const rateStart = bytes("StartRate") ?? Math.min(RATE_START, rateMax ?? RATE_START);
    const at = setting("StartRate")?.at;
    if (rateMax !== undefined && rateStart > rateMax && at !== undefined) {
      const remedy = `The RateLimit of ${from} and ${to} is ${rateMax / BYTES_PER_KBIT} kbit/s`;
      throw this.#error(at, "a link cannot begin with more than its limit", remedy);
    }
    const silence = setting("SilenceTimeout")?.value;
    return { ends: [a, b], weight, rateMax, rateStart, silenceMs: typeof silence === "number" ? silence : SILENCE_MS };
  }

  /** The links that the file takes away between the sites that are reached and this one, and where it says so. */
  #takenAway(reached: ReadonlySet<number>, lost: number): { from: string; to: string; at: Span | undefined }[] {
    return [...reached].map((other) => {
      const [from, to] = [this.#names[other] as string, this.#names[lost] as string];
      return { from, to, at: this.#setting("Weight", from, to)?.at };
    });
  }

  /** The link's own, or that of all links. */
  #setting(name: LinkDirectiveName, from: string, to: string): { at: Span; value: number | "none" } | undefined {
    const own = this.#file.links.find((link) => isSameLink(link, from, to));
    const all = this.#file.links.filter(({ ends }) => ends.length === 0).toReversed();
    return [...(own === undefined ? [] : [own]), ...all]
      .map(({ settings }) => settings.get(name))
      .find((one) => one !== undefined);
  }

  /** Sites without any way to each other could never work together. */
  #checkWays(links: readonly LinkConfig[]): void {
    const reached = new Set([0]);
    for (let before = 0; before < reached.size; ) {
      before = reached.size;
      for (const { ends } of links) if (ends.some((end) => reached.has(end))) for (const end of ends) reached.add(end);
    }
    const lost = this.#file.sites.findIndex((_, index) => !reached.has(index));
    const site = this.#file.sites[lost];
    if (site === undefined) return;
    const message = `no way leads from ${this.#names[0]} to ${site.name.text}`;
    const taken = this.#takenAway(reached, lost);
    const names = taken.map(({ from, to }) => `${from} – ${to}`).join(", ");
    const remedy = `Weight = none takes away ${names}: leave one of them`;
    throw this.#error(taken[0]?.at ?? site.name.at, message, remedy);
  }

  #error(at: Span, message: string, remedy?: string): Error {
    return configError(this.#file.source, at, message, remedy);
  }
}

function isSameLink({ ends }: LinkNode, a: string, b: string): boolean {
  return ends.length === 2 && ends.some(({ text }) => text === a) && ends.some(({ text }) => text === b);
}
