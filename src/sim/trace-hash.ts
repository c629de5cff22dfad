/** A hash of what happened in a run: two runs share it only if they did the same. */
export class TraceHash {
  #low = 0x811c9dc5;
  #high = 0x1234567;

  /** A number, to 1/1024. */
  mix(value: number): void {
    const scaled = Math.round(value * 1024);
    this.#mixWord(scaled >>> 0);
    this.#mixWord(Math.floor(scaled / 0x1_0000_0000) >>> 0);
  }

  mixText(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mixWord(text.charCodeAt(i));
  }

  /** 16 hexadecimal digits. */
  get hex(): string {
    return hex(this.#high) + hex(this.#low);
  }

  #mixWord(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#low ^= this.#low >>> 15;
    this.#high = (Math.imul(this.#high, 0x85ebca6b) + (this.#low ^ word)) | 0;
    this.#high ^= this.#high >>> 13;
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}
