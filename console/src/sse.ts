/** Server-sent events out of a fetched body. Source: WHATWG HTML, section 9.2.6. */

/** One event: its name and its data, lines joined. */
export interface ServerEvent {
  readonly name: string;
  readonly data: string;
}

/** Cuts a stream of text into events; feed it chunks as they come, however they are cut. */
export class EventParser {
  private buffer = "";
  private name = "";
  private data: string[] = [];

  /** The events that `chunk` completes, in order. */
  feed(chunk: string): ServerEvent[] {
    this.buffer += chunk;
    const events: ServerEvent[] = [];
    for (;;) {
      const found = /\r\n|\n|\r(?!$)/.exec(this.buffer);
      if (!found) return events;
      const line = this.buffer.slice(0, found.index);
      this.buffer = this.buffer.slice(found.index + found[0].length);
      const event = this.take(line);
      if (event) events.push(event);
    }
  }

  private take(line: string): ServerEvent | null {
    if (line === "") {
      const event = this.data.length ? { name: this.name || "message", data: this.data.join("\n") } : null;
      [this.name, this.data] = ["", []];
      return event;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.name = value;
    if (field === "data") this.data.push(value);
    return null;
  }
}

/** The events of a body, until it ends or its request is aborted. */
export async function* readEvents(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<ServerEvent> {
  const parser = new EventParser();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.feed(value);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
