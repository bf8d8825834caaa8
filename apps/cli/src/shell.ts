/** What a command may use of the process and its terminal. */
export interface Shell {
  /** Words after the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly nodeVersion: string;
  /** Aborts on the first SIGINT, SIGTERM or SIGHUP. */
  readonly stop: AbortSignal;
  /** The exit code of that signal: 129, 130 or 143. */
  stopExit(): number;
  /** Where a live area is drawn. */
  readonly stderr: NodeJS.WriteStream;
  /** Whether this is a CI job: nobody is there to answer, and the machine is thrown away. */
  isCI(): Promise<boolean>;
  /** Whether somebody is there to answer a question. */
  readonly canAsk: boolean;
  /** Whether stderr is a terminal. */
  readonly isLive: boolean;
  /** Of the terminal now; it may be resized. */
  size(): { readonly columns: number; readonly rows: number };
  /** The answer: stdout. */
  out(text: string): void;
  /** The story: stderr. */
  err(text: string): void;
  /** Says what is waited for next, in case it never comes: `the store of @acme/store (s3://state)`. */
  awaits(what: string): void;
  /** Asks on stderr; empty when the input ends, rejects when a signal comes instead of an answer. */
  ask(question: string): Promise<string>;
}
