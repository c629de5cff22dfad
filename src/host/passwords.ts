import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { readFile, stat } from "node:fs/promises";

/** What a password was hashed with, and the result. */
type Entry = {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelism: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
};

/** New passwords: 16 MiB and some 50 ms each. */
const COST = 16_384;
const BLOCK_SIZE = 8;
const PARALLELISM = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Memory that one check may take: a line that asks for more is none. */
const MEMORY_BYTES_MAX = 256 * 1024 * 1024;
/** Checks at a time, so that they leave memory and threads to others. */
const CHECKS_MAX = 2;
/** Spread's credentials have room for 32 bytes of a name. */
const USER_BYTES_MAX = 32;

/** Whether a line can have this user: 1 … 32 bytes without colon, blanks and control characters, no `#` in front. */
export function isPasswordUser(user: string): boolean {
  return /^(?!#)[^:\s\p{Cc}]+$/u.test(user) && Buffer.byteLength(user) <= USER_BYTES_MAX;
}

/** A line for a password file: `user:scrypt:N:r:p:salt:hash`, salt and hash in base64. The user has to be one (`isPasswordUser`). */
export async function passwordLine(user: string, password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const fresh = { cost: COST, blockSize: BLOCK_SIZE, parallelism: PARALLELISM, salt, hash: new Uint8Array(HASH_BYTES) };
  const hash = await derive(password, fresh);
  return [user, "scrypt", COST, BLOCK_SIZE, PARALLELISM, salt.toString("base64"), hash.toString("base64")].join(":");
}

/**
 * The users of the method PWORD, out of a file of such lines; `#` begins a comment. Looks at the file before each check, and
 * reads it again when it has changed. A file that cannot be read lets nobody in.
 */
export class PasswordFile {
  readonly #path: string;
  readonly #warn: (text: string) => void;
  #entries: ReadonlyMap<string, Entry> = new Map();
  /** Of a user that does not exist: a check of it takes as long as any other. */
  #decoy: Entry = decoyLike(undefined);
  #state = "";
  #checking = 0;
  readonly #waiting: (() => void)[] = [];

  private constructor(path: string, warn: (text: string) => void) {
    this.#path = path;
    this.#warn = warn;
  }

  /**
   * Reads the file. Rejects if that is not possible, or with a `RangeError` that names a line which is wrong; what is wrong
   * with the file later is given to `warn`.
   */
  static async open(path: string, warn: (text: string) => void): Promise<PasswordFile> {
    const file = new PasswordFile(path, warn);
    file.#state = await stateOf(path);
    const { entries, faults } = parseLines(await readFile(path, "utf8"));
    if (faults[0] !== undefined) throw new RangeError(`${path}: ${faults[0]}`);
    file.#use(entries);
    return file;
  }

  /**
   * Whether that is the user's password. Never rejects. `isWanted`: asked when its turn comes; whoever has turned away by then costs no check, so
   * that as many wait as there are connections, and none of them for others that are gone.
   */
  async verify(user: string, password: string, isWanted: () => boolean = () => true): Promise<boolean> {
    if (this.#checking >= CHECKS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#checking++;
    try {
      if (!isWanted()) return false;
      await this.#refresh();
      const entry = this.#entries.get(user);
      const tested = entry ?? this.#decoy;
      const isEqual = timingSafeEqual(await derive(password, tested), tested.hash);
      return isEqual && entry !== undefined;
    } catch (error) {
      this.#warn(`a password could not be checked: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#checking--;
    }
  }

  async #refresh(): Promise<void> {
    try {
      const state = await stateOf(this.#path);
      if (state === this.#state) return;
      const { entries, faults } = parseLines(await readFile(this.#path, "utf8"));
      this.#state = state;
      this.#use(entries);
      for (const fault of faults) this.#warn(`${this.#path}: ${fault}; the line is passed over`);
    } catch (error) {
      this.#state = "";
      this.#use(new Map());
      this.#warn(`${error instanceof Error ? error.message : String(error)}; nobody is let in by password`);
    }
  }

  #use(entries: ReadonlyMap<string, Entry>): void {
    this.#entries = entries;
    const [first] = entries.values();
    this.#decoy = decoyLike(first);
  }
}

/** Changes whenever the file does. */
async function stateOf(path: string): Promise<string> {
  const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

function parseLines(text: string): { readonly entries: Map<string, Entry>; readonly faults: string[] } {
  const entries = new Map<string, Entry>();
  const faults: string[] = [];
  for (const [n, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [user = "", ...rest] = line.trim().split(":");
    const entry = isPasswordUser(user) ? parseEntry(rest) : undefined;
    if (entry === undefined) {
      faults.push(
        `line ${n + 1} is not user:scrypt:N:r:p:salt:hash: make it with "amalgam password USER" (hashes of other programs, Spread's crypt(3) among them, do not work)`,
      );
    } else entries.set(user, entry);
  }
  return { entries, faults };
}

function parseEntry(fields: readonly string[]): Entry | undefined {
  const [method, costText = "", blockText = "", parallelText = "", saltText = "", hashText = ""] = fields;
  if (fields.length !== 6 || method !== "scrypt") return undefined;
  const [cost, blockSize, parallelism] = [costText, blockText, parallelText].map((text) =>
    /^\d{1,8}$/.test(text) ? Number(text) : 0,
  ) as [number, number, number];
  const isPower = cost >= 2 && (cost & (cost - 1)) === 0;
  if (!isPower || blockSize < 1 || parallelism < 1 || parallelism > 16) return undefined;
  if (128 * cost * blockSize * parallelism > MEMORY_BYTES_MAX) return undefined;
  if (![saltText, hashText].every((text) => /^[A-Za-z0-9+/]+={0,2}$/.test(text))) return undefined;
  const [salt, hash] = [Buffer.from(saltText, "base64"), Buffer.from(hashText, "base64")];
  if (salt.length < 8 || salt.length > 64 || hash.length < 16 || hash.length > 64) return undefined;
  return { cost, blockSize, parallelism, salt, hash };
}

function decoyLike(entry: Entry | undefined): Entry {
  const { cost, blockSize, parallelism } = entry ?? { cost: COST, blockSize: BLOCK_SIZE, parallelism: PARALLELISM };
  const hash = randomBytes(entry?.hash.length ?? HASH_BYTES);
  return { cost, blockSize, parallelism, salt: randomBytes(SALT_BYTES), hash };
}

function derive(password: string, { cost, blockSize, parallelism, salt, hash }: Entry): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // Its own bookkeeping needs a little more than the blocks.
    const maxmem = 2 * MEMORY_BYTES_MAX;
    scrypt(password, salt, hash.length, { N: cost, r: blockSize, p: parallelism, maxmem }, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}
