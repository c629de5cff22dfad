/** Counts the sends that no daemon has accepted yet, for who waits until there are none. */
export class Unaccepted {
  #count = 0;
  #waiting: (() => void)[] = [];

  get isNone(): boolean {
    return this.#count === 0;
  }

  begin(): void {
    this.#count++;
  }

  finish(): void {
    if (--this.#count > 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** True when there are none; false if that takes until `alarm` calls back, which it does once. */
  async none(alarm: (callback: () => void) => () => void): Promise<boolean> {
    if (this.#count === 0) return true;
    let cancel = (): void => {};
    await new Promise<void>((resolve) => {
      cancel = alarm(resolve);
      this.#waiting.push(resolve);
    });
    cancel();
    return this.#count === 0;
  }
}
