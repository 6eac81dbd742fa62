import { describe, expect, it } from "vitest";
import { PassThrough } from "node:stream";
import type { Socket } from "node:net";
import { PlainResponse } from "./response.ts";

const responseOn = (socket: PassThrough) =>
  new PlainResponse({
    socket: socket as unknown as Socket,
    lastHeaders: () => "\r\n",
    answered: () => undefined,
  });

describe("an answer", () => {
  it.each(["a\r\nX-Evil: b", "a\nb", "ü", "\0"])(
    "has no header %j, and can still be another one",
    (value) => {
      const socket = new PassThrough();
      const response = responseOn(socket);
      expect(() => response.writeHead(200, ["X-A", value])).toThrow("X-A");
      expect(response.headersSent).toBe(false);
      response.writeHead(500, ["Content-Length", "0"]);
      response.end();
      expect(String(socket.read())).toBe("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    },
  );

  it("that is over does not end the connection any more", () => {
    const socket = new PassThrough();
    const response = responseOn(socket);
    response.writeHead(200, ["Content-Length", "0"]);
    response.end();
    response.destroy();
    expect(socket.destroyed).toBe(false);
  });
});
