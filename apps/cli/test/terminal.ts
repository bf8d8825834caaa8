/** As much of a terminal as it takes to see what a person sees after redraws. */
export class Terminal {
  readonly isTTY = true;
  readonly columns: number;
  readonly rows = 24;
  readonly #lines: string[] = [""];
  #row = 0;
  #column = 0;

  constructor(columns = 80) {
    this.columns = columns;
  }

  /** Lines from the top, without blanks at their ends and without empty lines at the end. */
  get screen(): string[] {
    const lines = this.#lines.map((line) => line.trimEnd());
    while (lines.at(-1) === "") lines.pop();
    return lines;
  }

  write(text: string): boolean {
    for (const [part, count, order] of text.matchAll(/(?!\n)\p{Cc}\[\??([\d;]*)([A-Za-z])|[^]/gu)) {
      if (order === undefined) this.#print(part);
      else this.#obey(order, Number(count === "" ? 1 : count));
    }
    return true;
  }

  #print(character: string): void {
    if (character === "\n" || this.#column >= this.columns) {
      this.#row += 1;
      this.#column = 0;
      this.#lines[this.#row] ??= "";
    }
    if (character === "\n") return;
    const line = (this.#lines[this.#row] ?? "").padEnd(this.#column);
    this.#lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1);
    this.#column += 1;
  }

  #obey(order: string, count: number): void {
    const line = this.#lines[this.#row] ?? "";
    if (order === "A") this.#row = Math.max(0, this.#row - count);
    else if (order === "B") this.#row += count;
    else if (order === "G") this.#column = 0;
    else if (order === "K") this.#lines[this.#row] = count === 2 ? "" : line.slice(0, this.#column);
    else if (!"hlm".includes(order)) throw new Error(`The terminal does not know ${order}.`);
    this.#lines[this.#row] ??= "";
  }
}
