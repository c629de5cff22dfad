import { RING_DATA_HEAD_BYTES, isRingData, ringPacket } from "../../src/wire/ring-data.ts";
import { decodeAlive, decodeJoin, decodeRefer } from "../../src/wire/announce.ts";
import { decodeForm1, decodeForm2 } from "../../src/wire/form.ts";
import { FragmentCursor } from "../../src/wire/fragment.ts";
import { Kind, type Prefix, readPrefix } from "../../src/wire/prefix.ts";
import { decodeRingControl } from "../../src/wire/ring-control.ts";
import { decodeRingRest } from "../../src/wire/ring-rest.ts";
import { decodeToken } from "../../src/wire/ring-token.ts";

const text = new TextDecoder();

/** A datagram between daemons in words, for transcripts. */
export function describe(bytes: Uint8Array): string {
  const prefix = readPrefix(bytes);
  if (typeof prefix === "string") return prefix;
  return `${prefix.routed ? "routed " : ""}${body(prefix, bytes)}`;
}

/** The kind of a datagram, as scripts name it. */
export function kindOf(bytes: Uint8Array): string {
  return describe(bytes).replace("routed ", "").split(" ")[0] as string;
}

function body(prefix: Prefix, bytes: Uint8Array): string {
  switch (prefix.kind) {
    case Kind.ringData:
    case Kind.ringUnreliable: {
      if (!isRingData(prefix)) return "malformed";
      const { seq, origin } = ringPacket(prefix, bytes);
      const name = prefix.kind === Kind.ringData ? "data" : "unreliable";
      return `${name} of=${origin} seq=${seq} ${texts(prefix, bytes)}`.trim();
    }
    case Kind.ringToken: {
      const token = decodeToken(prefix, bytes);
      if (token === undefined) return "malformed";
      const asked = token.requests.map(({ missing }) => ` missing=[${missing.toString()}]`).join("");
      return `token hop=${token.hop} seq=${token.siteSeq} aru=${token.siteAru}${asked}`;
    }
    case Kind.ringHurry:
      return "hurry";
    case Kind.ringHeld:
      return `held hop=${decodeRingControl(prefix, bytes)?.hop}`;
    case Kind.ringRest: {
      const rest = decodeRingRest(prefix, bytes);
      return rest === undefined ? "malformed" : `rest hop=${rest.hop} seq=${rest.seq}`;
    }
    case Kind.leave:
      return "leave";
    case Kind.alive:
      return decodeAlive(prefix, bytes) === undefined ? "malformed" : "alive";
    case Kind.join:
      return `join reps=${list(decodeJoin(prefix, bytes)?.representatives.map(({ daemon, type }) => `${type}:${daemon}`))}`;
    case Kind.refer:
      return `refer to=${decodeRefer(prefix, bytes)?.to}`;
    case Kind.form1: {
      const form = decodeForm1(prefix, bytes);
      const reps = form?.representatives.map(({ daemon }) => daemon);
      return `form1 done=[${list(form?.done)}] pending=[${list(form?.pending)}] reps=[${list(reps)}]`;
    }
    case Kind.form2: {
      const form = decodeForm2(prefix, bytes);
      return `form2 members=[${list(form?.members)}] position=${form?.position}`;
    }
    default:
      return `kind ${prefix.kind}`;
  }
}

function list(values: readonly (string | number)[] = []): string {
  return values.join(",");
}

function texts(prefix: Prefix, bytes: Uint8Array): string {
  const fragment = new FragmentCursor();
  const found: string[] = [];
  fragment.open(bytes, RING_DATA_HEAD_BYTES, ringPacket(prefix, bytes).end);
  while (fragment.advance()) found.push(`"${text.decode(fragment.data()).trimEnd()}"`);
  return found.join(" ");
}
