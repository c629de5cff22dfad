import { type GroupOptions, optionsOf, DEFAULT_OPTIONS } from "./options.ts";

/** What a session that joins a group of nodes says of its process: where it receives datagrams, and which node it is already. */
export type NodeJoin = {
  readonly address: {
    readonly host: string;
    readonly controlPort: number;
    readonly repairPort: number;
    readonly dataPort: number;
  };
  /** The node that it is, and the last change that it has; `undefined` for one that is to become a node. */
  readonly place: { readonly node: number; readonly seq: number } | undefined;
  /** More joins of it follow at once: it is the node with the last of them, so that it is in all its groups when it is. */
  readonly isMore: boolean;
};

export type JoinRequest = {
  readonly options: GroupOptions;
  /** Of a join that asks for a quality of which nodes send to each other. */
  readonly node: NodeJoin | undefined;
};

/**
 * What the data of a native join asks for (docs/protocols/native-session.md). Nothing at all is the default; a text
 * says what is wrong with anything that is not understood. All daemons come to the same answer.
 */
export function parseJoin(data: Uint8Array): JoinRequest | string {
  if (data.length === 0) return { options: DEFAULT_OPTIONS, node: undefined };
  if (data.length > REQUEST_BYTES_MAX) return `join options are longer than ${REQUEST_BYTES_MAX} bytes`;
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch {
    return "join options are not JSON";
  }
  if (!isObject(json)) return "join options are not a JSON object";
  const options = optionsOf(json);
  if (typeof options === "string") return options;
  if (options.quality === "ordered") return { options, node: undefined };
  const node = nodeOf(json["node"]);
  return typeof node === "string" ? node : { options, node };
}

const REQUEST_BYTES_MAX = 1024;
const HOST_CHARACTERS_MAX = 255;

function nodeOf(node: unknown): NodeJoin | string {
  if (!isObject(node)) {
    return 'a join of a group of this quality needs "node": {"host", "control", "repair", "data"}, where its process receives datagrams';
  }
  const { host, control, repair, data, place, more } = node;
  if (typeof host !== "string" || host.length > HOST_CHARACTERS_MAX || !/^[!-~]+$/.test(host)) {
    return `"node.host" has to be an address of 1 to ${HOST_CHARACTERS_MAX} characters, not ${shown(host)}`;
  }
  if (!isPort(control)) return portFault("control", control);
  if (!isPort(repair)) return portFault("repair", repair);
  if (!isPort(data)) return portFault("data", data);
  const address = { host, controlPort: control, repairPort: repair, dataPort: data };
  if (more !== undefined && typeof more !== "boolean") return `"node.more" has to be true or false, not ${shown(more)}`;
  const isMore = more === true;
  if (place === undefined) return { address, place, isMore };
  if (!isObject(place)) return '"node.place" has to be {"node", "seq"}';
  const { node: id, seq } = place;
  if (!isCount(id) || id === 0) return `"node.place.node" has to be the number of a node, not ${shown(id)}`;
  if (!isCount(seq)) return `"node.place.seq" has to be the number of a change, not ${shown(seq)}`;
  return { address, place: { node: id, seq }, isMore };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPort(value: unknown): value is number {
  return isCount(value) && value > 0 && value <= 0xffff;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function portFault(field: string, value: unknown): string {
  return `"node.${field}" has to be a port from 1 to 65535, not ${shown(value)}`;
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 60);
}
