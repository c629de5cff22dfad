import fc from "fast-check";
import { expect, test } from "vitest";
import { Kind, packet, PREFIX_BYTES, type Prefix, readPrefix } from "./prefix.ts";
import { decodeSiteFilePart, encodeSiteFile, SITE_FILE_BYTES_MAX, SiteFileAssembly } from "./site-file.ts";

function sent(body: Uint8Array): { readonly prefix: Prefix; readonly bytes: Uint8Array } {
  const bytes = packet(1, Kind.siteFile, 7, 3, body);
  const prefix = readPrefix(bytes);
  if (typeof prefix === "string") throw new Error(prefix);
  return { prefix, bytes };
}

test("a file comes back whole, whatever the order of its parts", () => {
  const files = fc.uint8Array({ maxLength: 5_000 });
  fc.assert(
    fc.property(files, fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (file, chance) => {
      const parts = encodeSiteFile(11, 2, file).map((body) => ({ body, at: chance.next().value }));
      const assembly = new SiteFileAssembly();
      const wholes = parts
        .toSorted((a, b) => a.at - b.at)
        .map(({ body }) => {
          const { prefix, bytes } = sent(body);
          const part = decodeSiteFilePart(prefix, bytes);
          expect(part).toMatchObject({ hash: 11, generation: 2 });
          return part && assembly.add(part);
        });
      expect(wholes.filter((whole) => whole !== undefined)).toEqual([file]);
    }),
  );
});

test("the longest file fits", () => {
  const bodies = encodeSiteFile(1, 1, new Uint8Array(SITE_FILE_BYTES_MAX));
  for (const body of bodies) {
    const { prefix, bytes } = sent(body);
    expect(decodeSiteFilePart(prefix, bytes)).toBeDefined();
  }
});

test("a part of another file begins anew, and does not mix with the first", () => {
  const assembly = new SiteFileAssembly();
  const parts = [1, 2].map((hash) =>
    encodeSiteFile(hash, 1, new Uint8Array(2_000).fill(hash)).map((body) => {
      const { prefix, bytes } = sent(body);
      return decodeSiteFilePart(prefix, bytes) as NonNullable<ReturnType<typeof decodeSiteFilePart>>;
    }),
  );
  const [first, second] = parts as [(typeof parts)[0], (typeof parts)[0]];
  expect(assembly.add(first[0] as (typeof first)[0])).toBeUndefined();
  expect(assembly.add(second[1] as (typeof first)[0])).toBeUndefined();
  expect(assembly.add(first[1] as (typeof first)[0])).toBeUndefined();
  expect(assembly.add(first[0] as (typeof first)[0])).toEqual(new Uint8Array(2_000).fill(1));
});

test("arbitrary bytes never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_300 }), (body) => {
      const { prefix, bytes } = sent(body);
      const part = decodeSiteFilePart(prefix, bytes);
      if (part !== undefined) expect(part.bytes.length).toBe(bytes.length - PREFIX_BYTES - 12);
    }),
  );
});
