import { nearest } from "../daemon/config/suggest.ts";
import { SERVICES, type Service } from "../ordering/service.ts";

/** A line that a person typed, understood. */
export type ChatLine =
  | { readonly kind: "join" | "group"; readonly group: string }
  | { readonly kind: "leave"; readonly group: string | undefined }
  | {
      readonly kind: "send";
      /** Empty: the current group. */
      readonly groups: readonly string[];
      readonly service: Service | undefined;
      readonly text: string;
    }
  | { readonly kind: "service"; readonly service: Service }
  | { readonly kind: "views" | "help" | "quit" };

/** A line that cannot be understood; the message says what could be typed. */
export class ChatInputError extends Error {
  override readonly name = "ChatInputError";
}

export const CHAT_HELP = `text                         send to the current group
/join GROUP                  join, and make it the current group
/leave [GROUP]               leave the current group or another one
/group GROUP                 make another group current; it need not be joined
/send [-s SERVICE] [-g GROUP]... TEXT
                             send once with another service or to other groups
/msg #USER#DAEMON TEXT       a private message
/service SERVICE             ${SERVICES.join(", ")}
/views                       who is in which group, and whether it is primary
/quit                        leave everything and end (also Ctrl-D)`;

/** The words behind `/`. */
export const CHAT_COMMANDS = ["join", "leave", "group", "send", "msg", "service", "views", "help", "quit"];

/** Understands a typed line; `undefined` for an empty one. Throws a `ChatInputError`. */
export function parseChatLine(line: string): ChatLine | undefined {
  const trimmed = line.trimEnd();
  if (trimmed === "") return undefined;
  if (!trimmed.startsWith("/")) return { kind: "send", groups: [], service: undefined, text: trimmed };
  const match = /^\/(\S*)\s*(.*)$/s.exec(trimmed);
  const command = match?.[1] ?? "";
  const rest = match?.[2] ?? "";
  switch (command) {
    case "join":
    case "group":
      return { kind: command, group: oneWord(command, rest) };
    case "leave":
      return { kind: "leave", group: rest === "" ? undefined : oneWord(command, rest) };
    case "send":
      return sendLine(rest);
    case "msg": {
      const parts = /^(#\S+)\s+(.+)$/s.exec(rest);
      if (parts === null) throw new ChatInputError("write /msg #USER#DAEMON TEXT");
      return { kind: "send", groups: [parts[1] ?? ""], service: undefined, text: parts[2] ?? "" };
    }
    case "service":
      return { kind: "service", service: serviceNamed(rest) };
    case "views":
    case "help":
    case "quit":
      return { kind: command };
    default: {
      const meant = nearest(command, CHAT_COMMANDS);
      throw new ChatInputError(
        `there is no /${command}; ${meant === undefined ? "/help shows what there is" : `did you mean /${meant}?`}`,
      );
    }
  }
}

function sendLine(rest: string): ChatLine {
  const groups: string[] = [];
  let service: Service | undefined;
  let text = rest;
  for (let option = /^-([sg])\s+(\S+)\s*/.exec(text); option !== null; option = /^-([sg])\s+(\S+)\s*/.exec(text)) {
    if (option[1] === "s") service = serviceNamed(option[2] ?? "");
    else groups.push(option[2] ?? "");
    text = text.slice(option[0].length);
  }
  if (text === "") throw new ChatInputError("write /send [-s SERVICE] [-g GROUP]... TEXT");
  return { kind: "send", groups, service, text };
}

function serviceNamed(name: string): Service {
  const service = SERVICES.find((candidate) => candidate === name.toLowerCase());
  if (service !== undefined) return service;
  const meant = nearest(name, SERVICES);
  throw new ChatInputError(
    `there is no service ${JSON.stringify(name)}; ${meant === undefined ? `choose from ${SERVICES.join(", ")}` : `did you mean ${meant}?`}`,
  );
}

function oneWord(command: string, rest: string): string {
  if (rest === "" || /\s/.test(rest)) throw new ChatInputError(`write /${command} GROUP`);
  return rest;
}
