import type { AnyGroup, Connection, ConnectionEvent, Message, View } from "../../index.ts";
import { SERVICES, type Service } from "../../ordering/service.ts";
import { commonOptions, defineCommand } from "../command.ts";
import { ExitCode } from "../exit-codes.ts";
import { CHAT_COMMANDS, ChatInputError, type ChatLine, CHAT_HELP, parseChatLine } from "../chat-line.ts";
import { type LineEditor, openLineEditor } from "../line-editor.ts";
import { describeEvent, joinGroup, openConnection, orderOf, payloadText } from "../session.ts";
import { printable, type Terminal } from "../terminal.ts";

export const chat = defineCommand({
  name: "chat",
  summary: "talk in groups, and see views as they change",
  description: `An interactive client for people: join groups, send with any service, and see who is there, who came or
    went and why, and whether this side of a split is primary. Type /help inside.

    Input that does not begin with / goes to the current group. Reads a script from a pipe as well.`,
  positionals: [],
  options: {
    address: commonOptions.address,
    name: commonOptions.name,
    join: { kind: "text", short: "j", value: "GROUP", many: true, help: "join this group at once" },
    service: commonOptions.service,
    quality: commonOptions.quality,
    order: commonOptions.order,
    optimistic: commonOptions.optimistic,
    "node-host": commonOptions["node-host"],
    protocol: commonOptions.protocol,
    user: commonOptions.user,
    "password-file": commonOptions["password-file"],
  },
  examples: [
    {
      line: "amalgam chat --name alice --join room",
      does: "then type a line; a second terminal with --name bob sees it",
    },
    { line: "amalgam chat --name alice --join prices --quality scalable", does: "straight from member to member" },
    {
      line: "amalgam chat --name alice --join orders --quality timely --order total",
      does: "the same, and in one order for all",
    },
    { line: "amalgam chat --address 4803@10.0.0.7 --protocol spread", does: "a stock Spread daemon" },
  ],
  failure: "the connection was lost for good",
  async run(args, terminal) {
    const isLikely = orderOf(args)?.optimistic === true;
    const connection = await openConnection(args, terminal);
    const editor = openLineEditor(terminal, (line) => room.completions(line));
    const join = (group: string) => joinGroup(connection, group, args);
    const room: ChatRoom = new ChatRoom(connection, terminal, editor, args.service(), join, isLikely);
    editor.print(`connected to ${connection.address} as ${connection.privateGroup}; /help shows what you can type`, 2);
    const watching = room.watch();
    for (const group of args.texts("join")) await room.attempt(() => room.perform({ kind: "join", group }));
    const close = () => editor.close();
    terminal.signal.addEventListener("abort", close, { once: true });
    void connection.closed.then(close);
    for await (const line of editor.lines) {
      let stop = false;
      const done = room.attempt(async () => {
        const parsed = parseChatLine(line);
        if (parsed === undefined) return;
        stop = parsed.kind === "quit";
        // It comes back in its place among what the others say.
        if (parsed.kind === "send" && room.hears(parsed)) editor.takeBack(line);
        if (!stop) await room.perform(parsed);
      });
      // A script goes on when a line has taken effect; a person may type on while the daemon is away.
      await (terminal.tty === undefined ? done : Promise.race([done, room.away()]));
      if (stop) break;
    }
    editor.close();
    await room.settle();
    const { unconfirmed = 0 } = await connection.close();
    await watching;
    if (unconfirmed > 0) terminal.note(`amalgam: ${unconfirmed} messages are not known to have been delivered`);
    const error = await connection.closed;
    if (error === undefined || terminal.signal.aborted) return ExitCode.ok;
    terminal.note(`amalgam: ${error.message}`);
    return ExitCode.failed;
  },
});

/** What the person sees and does: the connection, the current group and the views known. */
class ChatRoom {
  readonly #connection: Connection;
  readonly #terminal: Terminal;
  readonly #editor: LineEditor;
  readonly #join: (group: string) => Promise<AnyGroup>;
  /** Messages of totally ordered groups are shown before they are certain. */
  readonly #isLikely: boolean;
  readonly #groups = new Map<string, AnyGroup>();
  readonly #views = new Map<string, View>();
  readonly #undelivered = new Set<Promise<void>>();
  #current: string | undefined;
  #service: Service;
  #onAway: () => void = () => undefined;

  constructor(
    connection: Connection,
    terminal: Terminal,
    editor: LineEditor,
    service: Service,
    join: (group: string) => Promise<AnyGroup>,
    isLikely: boolean,
  ) {
    this.#join = join;
    this.#isLikely = isLikely;
    this.#connection = connection;
    this.#terminal = terminal;
    this.#editor = editor;
    this.#service = service;
  }

  /** Shows every event until the connection ends. */
  async watch(): Promise<void> {
    for await (const event of this.#connection) this.#show(event);
  }

  /** What the line could become: commands, and groups after those that take one. */
  completions(line: string): string[] {
    const known = [...new Set([...this.#groups.keys(), ...this.#views.keys()])];
    const lines = CHAT_COMMANDS.flatMap((command) =>
      ["join", "leave", "group"].includes(command) && line.startsWith(`/${command} `)
        ? known.map((group) => `/${command} ${group}`)
        : [`/${command} `],
    );
    return lines.filter((candidate) => candidate.startsWith(line));
  }

  /** Resolves as soon as there is no connection, which is coming back. */
  away(): Promise<void> {
    return new Promise((resolve) => {
      this.#onAway = resolve;
      if (!this.#connection.connected) resolve();
    });
  }

  /** Whether what is sent comes back to this client; of what is sent without a connection nobody knows. */
  hears({ groups }: { readonly groups: readonly string[] }): boolean {
    if (!this.#connection.connected) return false;
    const targets = groups.length > 0 ? groups : this.#current === undefined ? [] : [this.#current];
    return targets.some((group) => this.#groups.has(group));
  }

  #become(current: string | undefined): void {
    this.#current = current;
    this.#editor.setPrompt(current === undefined ? "> " : `${current}> `);
  }

  /** Mistakes of the person end nothing: they are shown. */
  async attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (this.#terminal.signal.aborted) return;
      this.#editor.print(this.#terminal.style("red", `! ${error instanceof Error ? error.message : String(error)}`));
    }
  }

  /**
   * Until what was sent is delivered, so that a script sees its own last words. Ctrl-C does not wait, nor a person while the
   * daemon is away.
   */
  async settle(): Promise<void> {
    const { signal, tty } = this.#terminal;
    const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    const ends = tty === undefined ? [aborted] : [aborted, this.away()];
    if (!signal.aborted) await Promise.race([Promise.all(this.#undelivered), ...ends]);
  }

  async perform(line: ChatLine): Promise<void> {
    switch (line.kind) {
      case "join":
        this.#groups.set(line.group, await this.#join(line.group));
        this.#become(line.group);
        return;
      case "leave": {
        const name = line.group ?? this.#needCurrent();
        const group = this.#groups.get(name);
        if (group === undefined) throw new ChatInputError(`you are not in ${name}`);
        this.#groups.delete(name);
        this.#views.delete(name);
        if (this.#current === name) this.#become([...this.#groups.keys()].at(-1));
        await group.leave();
        return;
      }
      case "group":
        this.#become(line.group);
        return;
      case "service":
        this.#service = line.service;
        this.#editor.print(`messages are sent ${line.service} from now on`);
        return;
      case "views":
        this.#showViews();
        return;
      case "send": {
        const groups = line.groups.length > 0 ? line.groups : [this.#needCurrent()];
        const isOfNodes = groups.some((name) => this.#quality(name) !== "ordered");
        const options = isOfNodes ? {} : { service: line.service ?? this.#service };
        const { delivered } = await this.#connection.send(groups, line.text, options);
        const settled: Promise<void> = delivered.catch(() => {}).finally(() => this.#undelivered.delete(settled));
        this.#undelivered.add(settled);
        return;
      }
      case "help":
        this.#editor.print(CHAT_HELP);
        return;
      case "quit":
        return;
    }
  }

  #quality(name: string): "ordered" | "scalable" | "timely" {
    return this.#groups.get(name)?.quality ?? "ordered";
  }

  #needCurrent(): string {
    if (this.#current === undefined) throw new ChatInputError("there is no current group: /join one first");
    return this.#current;
  }

  #show(event: ConnectionEvent): void {
    const terminal = this.#terminal;
    if (event.kind === "message") {
      const text = payloadText(event.payload);
      const shown = text === undefined ? `(${event.payload.length} bytes)` : printable(text);
      const where = event.groups
        .map((group) => (group === this.#connection.privateGroup ? "(private)" : group))
        .join(" ");
      this.#editor.print(
        `${terminal.style("cyan", `${where} ${event.sender}`)} ${terminal.style("dim", this.#how(event))}  ${shown}`,
        2,
      );
      return;
    }
    // What is shown is certain: there is nothing new in that it is.
    if (event.kind === "commit" && !this.#isLikely) return;
    if (event.kind === "disconnected") this.#onAway();
    if (event.kind === "view") this.#views.set(event.group, event);
    if (event.kind === "primary") {
      for (const [group, view] of this.#views) this.#views.set(group, { ...view, primary: event.primary });
    }
    const warns =
      event.kind === "gap" ||
      event.kind === "lost" ||
      event.kind === "rollback" ||
      event.kind === "suspended" ||
      event.kind === "expelled" ||
      event.kind === "disconnected" ||
      ((event.kind === "view" || event.kind === "primary") && event.primary === false);
    this.#editor.print(terminal.style(warns ? "yellow" : "dim", `* ${describeEvent(event)}`), 2);
  }

  /** The service, or that it came from the sender itself. */
  #how({ groups, service, position }: Message): string {
    const quality = groups.map((group) => this.#quality(group)).find((one) => one !== "ordered");
    if (position !== undefined) return `${quality ?? "timely"} ${position}`;
    return quality ?? service;
  }

  #showViews(): void {
    if (this.#views.size === 0) this.#editor.print("you are in no group");
    for (const [group, view] of this.#views) {
      const mark = group === this.#current ? ">" : " ";
      const primary = view.primary === undefined ? "" : view.primary ? " primary" : " NOT primary";
      this.#editor.print(`${mark} ${group}${primary} (${view.members.length}): ${view.members.join(" ")}`, 4);
    }
    this.#editor.print(`  sending ${this.#service}; services: ${SERVICES.join(" ")}`, 2);
  }
}
