/** Where a drill shows how far it is: a line that is written again on a terminal, plain lines in a pipe. */
export class Progress {
  readonly #stream: NodeJS.WriteStream;
  #live: (() => string) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** Shows this text below the lines, as it changes. Only a terminal shows it. */
  show(live: () => string): void {
    if (!this.#stream.isTTY) return;
    this.#live = live;
    this.#timer ??= setInterval(() => this.#draw(), 250);
    this.#draw();
  }

  /** Writes a line that stays. */
  line(text: string): void {
    this.#erase();
    this.#stream.write(`${text}\n`);
    if (this.#live) this.#draw();
  }

  /** Shows nothing more below the lines. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#erase();
    this.#live = undefined;
  }

  #draw(): void {
    this.#erase();
    // No wrap: an erased line would stay above.
    const width = Math.max(20, (this.#stream.columns || 80) - 1);
    if (this.#live) this.#stream.write(this.#live().slice(0, width));
  }

  #erase(): void {
    if (this.#live) this.#stream.write('\r\x1b[2K');
  }
}
