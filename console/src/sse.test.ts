import { describe, expect, it } from "vitest";

import { EventParser, readEvents } from "./sse";

const STREAM =
  'event: delta\ndata: {"text":"Hé"}\n\n: a comment\n\nevent: gate\r\ndata: one\r\ndata: two\r\n\r\ndata:bare\n\n';
const EVENTS = [
  { name: "delta", data: '{"text":"Hé"}' },
  { name: "gate", data: "one\ntwo" },
  { name: "message", data: "bare" },
];

describe("EventParser", () => {
  it("finds the same events wherever the stream is cut", () => {
    for (let cut = 0; cut <= STREAM.length; cut++) {
      const parser = new EventParser();
      expect([...parser.feed(STREAM.slice(0, cut)), ...parser.feed(STREAM.slice(cut))]).toEqual(EVENTS);
    }
  });

  it("finds them when they come one character at a time", () => {
    const parser = new EventParser();
    expect([...STREAM].flatMap((char) => parser.feed(char))).toEqual(EVENTS);
  });

  it("drops an event that never ended", () => {
    expect(new EventParser().feed("event: gate\ndata: {}\n")).toEqual([]);
  });
});

it("reads events out of a body whose characters are cut within", async () => {
  const bytes = new TextEncoder().encode(STREAM);
  const cut = bytes.indexOf(0xc3) + 1;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      controller.enqueue(bytes.slice(0, cut));
      controller.enqueue(bytes.slice(cut));
      controller.close();
    },
  });
  const events = [];
  for await (const event of readEvents(body)) events.push(event);
  expect(events).toEqual(EVENTS);
});
