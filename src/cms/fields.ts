import type { Reader, Writer } from "../wire/bytes.ts";
import type { NodeAddress } from "./views.ts";

/** Varint count and the elements. */
export function writeList<T>(out: Writer, list: readonly T[], write: (out: Writer, element: T) => void): void {
  out.varint(list.length);
  for (let i = 0; i < list.length; i++) write(out, list[i] as T);
}

/** Refuses a count for which the bytes do not suffice, if each element takes at least `elementBytes`. */
export function readList<T>(input: Reader, elementBytes: number, read: (input: Reader) => T): T[] {
  const list: T[] = [];
  const count = input.varint();
  if (count * elementBytes > input.remaining) input.fail();
  for (let i = 0; i < count && !input.failed; i++) list.push(read(input));
  return list;
}

/** Up to 255 characters of one byte each: names, tokens, addresses. */
export function writeText(out: Writer, text: string): void {
  out.u8(text.length);
  for (let i = 0; i < text.length; i++) out.u8(text.charCodeAt(i));
}

export function readText(input: Reader): string {
  return String.fromCharCode(...input.raw(input.u8()));
}

export function writeAddress(out: Writer, { host, controlPort, repairPort, dataPort }: NodeAddress): void {
  writeText(out, host);
  out.u16(controlPort).u16(repairPort).u16(dataPort);
}

export function readAddress(input: Reader): NodeAddress {
  return { host: readText(input), controlPort: input.u16(), repairPort: input.u16(), dataPort: input.u16() };
}
