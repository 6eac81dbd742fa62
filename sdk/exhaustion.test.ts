import { describe, expect, test } from "vitest";
import { ContextExhausted } from "./errors.ts";
import { isContextExhausted, shortageIn } from "./exhaustion.ts";

const thrown = (message: string, more: object = {}) => Object.assign(new Error(message), more);

describe("no room in the context window is seen", () => {
  test.each([
    [
      "openai",
      thrown(
        "400 This model's maximum context length is 128000 tokens. However, your messages resulted in 130,512 tokens.",
        { status: 400, code: "context_length_exceeded" },
      ),
      { needed: 130_512, limit: 128_000 },
    ],
    [
      "openai, responses",
      thrown("Your input exceeds the context window of this model. Please adjust your input.", {
        status: 400,
      }),
      { needed: null, limit: null },
    ],
    [
      "anthropic",
      thrown("400", {
        status: 400,
        error: {
          type: "error",
          error: {
            type: "invalid_request_error",
            message: "prompt is too long: 213462 tokens > 200000 maximum",
          },
        },
      }),
      { needed: 213_462, limit: 200_000 },
    ],
    [
      "anthropic, with the answer's tokens",
      thrown(
        "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length",
        { status: 400 },
      ),
      { needed: 242_959, limit: 200_000 },
    ],
    [
      "anthropic, a body",
      thrown("413", { status: 413, error: { error: { type: "request_too_large" } } }),
      { needed: null, limit: null },
    ],
    [
      "google",
      thrown("The input token count (1196265) exceeds the maximum number of tokens allowed (1048576).", {
        status: 400,
      }),
      { needed: 1_196_265, limit: 1_048_576 },
    ],
    [
      "xai",
      thrown("This model's maximum prompt length is 131072 but the request contains 537812 tokens.", {
        status: 400,
      }),
      { needed: 537_812, limit: 131_072 },
    ],
    [
      "bedrock",
      thrown("Input is too long for requested model.", { name: "ValidationException" }),
      { needed: null, limit: null },
    ],
    [
      "llama.cpp",
      thrown("the request exceeds the available context size", { status: 400 }),
      { needed: null, limit: null },
    ],
    [
      "an error that a client has wrapped, with the server's text",
      thrown("Failed after 3 attempts", {
        lastError: thrown("Bad Request", {
          statusCode: 400,
          responseBody: '{"error":{"code":"context_length_exceeded"}}',
        }),
      }),
      { needed: null, limit: null },
    ],
    ["a bare 413", thrown("Payload Too Large", { status: 413 }), { needed: null, limit: null }],
    ["the agent's own", new ContextExhausted({ needed: 9, limit: 8 }), { needed: 9, limit: 8 }],
  ])("%s", (_of, error, tokens) => {
    expect(shortageIn(error)).toEqual(tokens);
  });
});

test.each([
  [
    "a rate",
    thrown("Rate limit: too many tokens per minute; reduce the length of the messages", { status: 429 }),
  ],
  ["a key", thrown("prompt is too long for your plan", { status: 401 })],
  ["a server in trouble", thrown("maximum context length unknown", { status: 503 })],
  ["another mistake", thrown("'temperature' is too large", { status: 400 })],
  ["nothing", undefined],
  ["a text", "context"],
  [
    "a circle",
    (() => {
      const error: Record<string, unknown> = { message: "x" };
      error["cause"] = error;
      return error;
    })(),
  ],
])("what is no matter of length is not: %s", (_of, error) => {
  expect(isContextExhausted(error)).toBe(false);
});
