import { describe, expect, test } from "vitest";
import { claimsIn } from "./client-claims.ts";

const uri = "http://127.0.0.1/cb";

describe("what a client says about itself", () => {
  test("is its name and its addresses; the rest is left alone", () => {
    const said = claimsIn({
      client_name: "  Editor ",
      redirect_uris: [uri],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_basic",
      logo_uri: "https://evil.example/logo.svg",
    });
    expect(said).toEqual({ ok: true, value: { name: "Editor", redirectUris: [uri] } });
    expect(claimsIn({ redirect_uris: [uri] })).toMatchObject({ value: { name: null } });
    expect(claimsIn({ redirect_uris: [uri], client_name: "🚂".repeat(500) })).toMatchObject({
      value: { name: "🚂".repeat(100) },
    });
  });

  test.each([
    ["invalid_redirect_uri", {}],
    ["invalid_redirect_uri", { redirect_uris: uri }],
    ["invalid_redirect_uri", { redirect_uris: [] }],
    ["invalid_redirect_uri", { redirect_uris: [7] }],
    ["invalid_redirect_uri", { redirect_uris: [uri, "javascript:alert(1)"] }],
    ["invalid_redirect_uri", { redirect_uris: Array.from({ length: 17 }, (_, i) => `${uri}${i}`) }],
    [
      "invalid_redirect_uri",
      { redirect_uris: Array.from({ length: 4 }, (_, i) => `${uri}${i}${"x".repeat(900)}`) },
    ],
    ["invalid_client_metadata", { redirect_uris: [uri], client_name: 7 }],
    ["invalid_client_metadata", { redirect_uris: [uri], grant_types: ["client_credentials"] }],
    ["invalid_client_metadata", { redirect_uris: [uri], response_types: ["token"] }],
  ])("is refused as %s: %j", (error, metadata) => {
    expect(claimsIn(metadata)).toMatchObject({ ok: false, refusal: { error } });
  });
});
