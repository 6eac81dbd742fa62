import { named, object, whole } from "../../api/index.ts";
import { ok, refuse } from "../../base/index.ts";
import { route } from "./route.ts";
import { attempt, receiptOrNull, run } from "./shapes.ts";

const digest = {
  type: "string",
  pattern: "^[0-9a-f]{64}$",
  description: "as it was answered when it was kept: the same bytes have the same one in this run",
} as const;
const bytes = { ...whole, description: "how many they are" } as const;
const data = {
  type: "string",
  pattern: "^[A-Za-z0-9+/]*={0,2}$",
  description: "the bytes, in base64",
} as const;

/** What a run's steps and memory refer to because it is large. */
export const artefactRoutes = [
  route({
    method: "POST",
    path: "/runs/{name}/artefacts",
    summary: "Keep bytes that steps and memory of the run refer to",
    notes:
      "At most 3 MiB at once, 1,000 pieces and 256 MiB in a run; larger things are kept in pieces. They never change. Bytes that the run has already are not written again.",
    action: "own.artefact.put",
    kind: "act",
    params: { name: run },
    body: object({ attempt, data }),
    example: { attempt: 1, data: "aGVsbG8=" },
    answer: object({ digest, bytes, receipt: receiptOrNull }),
    handle: async ({ owner, params, body }, runs) => {
      const decoded = Buffer.from(body.data, "base64");
      // What does not come back as it was sent was no base64 of anything.
      if (decoded.toString("base64") !== body.data)
        return refuse({
          code: "invalid-params",
          detail: "data: is not base64 as RFC 4648 has it, with padding",
        });
      return runs.saveArtefact(owner, { name: params.name, attempt: body.attempt }, decoded);
    },
  }),
  route({
    method: "GET",
    path: "/runs/{name}/artefacts/{digest}",
    summary: "Read bytes that the run keeps",
    action: "own.artefact.get",
    kind: "read",
    params: { name: run, digest },
    answer: object({
      artefact: {
        oneOf: [named("Artefact", object({ digest, bytes, data })), { type: "null" }],
        description: "null = the run has no such artefact",
      },
    }),
    handle: async ({ owner, params }, runs) => {
      const found = await runs.readArtefact(owner, params.name, params.digest);
      if (!found.ok || found.value === null) return found.ok ? ok({ artefact: null }) : found;
      const { data, ...rest } = found.value;
      return ok({ artefact: { ...rest, data: Buffer.from(data).toString("base64") } });
    },
  }),
];
