import { createRequire } from "node:module";

/** The C library of this process, for what Node has no call of its own for. */
export type CLibrary = {
  /** A function by its prototype in C; throws if there is none of this name. */
  func(prototype: string): (...args: (number | Uint8Array)[]) => number;
  /** `errno` after the last call. */
  errno(): number;
};

/** Through the optional dependency `koffi`; throws (MODULE_NOT_FOUND) where it is not installed. */
export function cLibrary(): CLibrary {
  const koffi = createRequire(import.meta.url)("koffi") as Koffi;
  const library = koffi.load(null);
  return { func: (prototype) => library.func(prototype), errno: () => koffi.errno() };
}

/** What is used of the package: its own types are not there where it is not installed. */
type Koffi = {
  /** What is loaded in this process already. */
  load(path: null): { func(definition: string): (...args: (number | Uint8Array)[]) => number };
  errno(): number;
};
