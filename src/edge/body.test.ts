import type { Socket } from "node:net";
import { expect, it } from "vitest";
import { BodyReader } from "./body.ts";
import type { PlainRequest } from "./plain/request.ts";

it("the body of a plain request is not kept by the request", async () => {
  const request: PlainRequest = {
    method: "POST",
    url: "/mcp",
    headers: {},
    body: Buffer.from("{}"),
    socket: { destroyed: false } as Socket,
  };
  const bodies = new BodyReader({ bytesMax: 10, bytesInFlightMax: 10 });
  const read = await new Promise((resolve) => bodies.read(request, resolve));
  expect(read).toEqual({ ok: true, value: Buffer.from("{}") });
  expect(request.body.length).toBe(0);
});
