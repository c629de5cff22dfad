import { Worker } from "node:worker_threads";
import { CliError, ExitCode } from "./exit-codes.ts";

/** How many tasks a thread may be ahead of the one that is reported next: bounds what waits for its turn. */
const AHEAD_MAX = 4;

/** What a pool does, and where. */
export type PoolOptions<Task> = {
  /** The module that each thread runs, as `serveTasks` does: JavaScript, since Node starts no thread from TypeScript. */
  readonly worker: URL;
  readonly threads: number;
  readonly tasks: Iterable<Task>;
  /** What a task is called in errors. */
  readonly nameOf: (task: Task) => string;
  /** Ends the threads at once, and the answers without an error. */
  readonly signal?: AbortSignal;
};

/**
 * Has tasks done by worker threads, and yields the answers in the order of the tasks, whatever the order in which they
 * are ready. If a thread dies, the answers to the tasks before its own still come; then comes what `notFinished`
 * says. Who stops listening stops the threads.
 */
export async function* answersInOrder<Task, Answer>(options: PoolOptions<Task>): AsyncGenerator<Answer, void> {
  const { worker, threads, nameOf, signal } = options;
  const pool = Array.from({ length: threads }, () => new TaskThread<Task, Answer>(worker));
  const idle = [...pool];
  const tasks = options.tasks[Symbol.iterator]();
  const answers: Promise<Answer>[] = [];
  const handOut = (): void => {
    while (answers.length < threads * AHEAD_MAX) {
      const thread = idle.pop();
      if (thread === undefined) return;
      const next = tasks.next();
      if (next.done === true) return;
      const answer = doneBy(thread, next.value);
      // Its turn comes later: until then it is not unhandled.
      answer.catch(() => undefined);
      answers.push(answer);
    }
  };
  const doneBy = async (thread: TaskThread<Task, Answer>, task: Task): Promise<Answer> => {
    const answer = await thread.do(task).catch((cause: unknown) => {
      throw notFinished(nameOf(task), cause);
    });
    idle.push(thread);
    handOut();
    return answer;
  };
  const end = (): void => {
    for (const thread of pool) void thread.end();
  };
  signal?.addEventListener("abort", end);
  try {
    for (handOut(); answers.length > 0 && signal?.aborted !== true; handOut()) {
      // Taken out only when it is there: it counts among those that are ahead.
      const answer = await answers[0];
      void answers.shift();
      yield answer as Answer;
    }
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  } finally {
    signal?.removeEventListener("abort", end);
    await Promise.all(pool.map((thread) => thread.end()));
  }
}

/** A task that was begun and has no answer, with the stack of where it ended: what somebody can find the bug with. */
export function notFinished(task: string, cause: unknown): CliError {
  const what = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return new CliError(ExitCode.failed, `${task} was not finished: ${what}`, { cause });
}

/** One thread, which does one task at a time: so it is known at which one it died. */
class TaskThread<Task, Answer> {
  readonly #worker: Worker;
  #waiting: { readonly resolve: (answer: Answer) => void; readonly reject: (error: unknown) => void } | undefined;
  #death: unknown;

  constructor(module: URL) {
    // Without the process's own flags: some, such as --input-type, a thread does not start with.
    this.#worker = new Worker(module, { execArgv: [] });
    this.#worker.on("message", (answer: Answer) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.resolve(answer);
    });
    this.#worker.on("messageerror", (error) => this.#die(error));
    this.#worker.on("error", (error) => this.#die(error));
    this.#worker.on("exit", (code) => this.#die(new Error(`the worker thread ended with code ${code}`)));
  }

  do(task: Task): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      if (this.#death === undefined) this.#worker.postMessage(task);
      else reject(this.#death);
    });
  }

  end(): Promise<number> {
    return this.#worker.terminate();
  }

  #die(death: unknown): void {
    this.#death ??= death;
    this.#waiting?.reject(this.#death);
    this.#waiting = undefined;
  }
}
