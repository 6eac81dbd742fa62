import { describe, expect, test } from "vitest";
import { clientMetadataDocument, ownAddresses } from "./client-metadata.ts";

describe("how a node names itself to authorization servers", () => {
  test("with a public https address, by the address of its metadata document", () => {
    expect(ownAddresses("https://box.example/")).toEqual({
      redirectUri: "https://box.example/oauth/callback",
      clientIdUrl: "https://box.example/oauth/client.json",
    });
    expect(JSON.parse(clientMetadataDocument("https://box.example") ?? "")).toEqual({
      client_id: "https://box.example/oauth/client.json",
      client_uri: "https://box.example",
      client_name: "Signalbox",
      redirect_uris: ["https://box.example/oauth/callback"],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      application_type: "web",
    });
  });

  test.each(["http://127.0.0.1:7070", "https://localhost:7070", "http://box.example"])(
    "at %s nobody outside could read one, so there is none",
    (url) => {
      expect(ownAddresses(url).clientIdUrl).toBeNull();
      expect(clientMetadataDocument(url)).toBeNull();
    },
  );
});
